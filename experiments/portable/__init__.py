"""A study with its runs as one file: written on one machine, taken in on another."""
