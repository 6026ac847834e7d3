"""How far gates open, when, and whether they say what the model uses."""
