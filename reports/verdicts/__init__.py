"""From tidy tables to verdicts: looks of a sequential study, new test items, and the part of single components."""
