"""Searches: Optuna proposes settings, the pool trains them as ordinary runs."""
