"""Figures: each a small class over a Summary or results that gives its numbers (``frame``) and a drawing (``draw``).

Nothing here is imported unless something is drawn: matplotlib costs over a second.
"""
