"""Editing timelines: read from files of editing programs, as tables of tracks and parameters, and written for them."""
