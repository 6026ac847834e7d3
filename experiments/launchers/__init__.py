"""Ways of running many trials: here a pool of local worker processes."""
