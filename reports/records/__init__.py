"""From the records of a study to tidy tables: which may stand side by side, and what their items scored."""
