"""Figures: each a small class that takes a Summary or results and gives its numbers (``frame``) and a drawing (``draw``).

Nothing here is imported unless something is drawn: matplotlib costs over a second.
"""
