"""Turns footage into a corpus: decoding, features of sound and picture by step, a cache of them, workers."""
