"""Which modalities are useful, which are used, and which need one another."""
