"""The ``search`` block of a study: what is tuned, by which sampler, and how it is checked and laid out."""
