"""From a model and batches to weights and scores."""
