"""Training code of the user's own: its source files, its process, what it reports, its scores."""
