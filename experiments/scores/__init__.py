"""Scores that other code computed: read from files and trackers, and brought into one tidy table."""
