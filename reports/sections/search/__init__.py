"""Who won a search, how much of it was luck, and what it cost."""
