"""Doing it: the only package that touches the world."""
