"""Where models look, what flows between modalities, and whether the pictures can be believed."""
