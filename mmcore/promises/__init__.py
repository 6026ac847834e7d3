"""What every part promises, ours and the user's alike: code that says which promise is broken, with an example."""
