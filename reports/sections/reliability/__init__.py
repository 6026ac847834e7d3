"""Whether predicted probabilities say how often a prediction is right."""
