"""From tidy tables to all that a report says: numbers, verdicts, sentences, and where they come from."""
