"""Looking after a home: what is wrong in it, and moving it to another place."""
