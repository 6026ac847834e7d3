"""Where corpora come from: a folder in format 1, a simulation with known truth, conversions of foreign data."""
