"""Gates of a trained model: how far they open, when, and whether that says what the model uses."""
