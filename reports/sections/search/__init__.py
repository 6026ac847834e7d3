"""The best settings of a search, how much of their score was luck, and what the search cost."""
