"""Under which conditions, on which items and where in them the arms are wrong."""
