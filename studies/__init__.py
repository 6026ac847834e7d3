"""Studies as data: what to train and what to compare."""
