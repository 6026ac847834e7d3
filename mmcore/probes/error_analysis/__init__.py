"""Where a trained model is wrong: under which conditions, on which items, in which spans."""
