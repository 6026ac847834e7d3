"""Several runs of one shape trained as one model: parameters stacked, each run's data, draws and decisions its own."""
