"""What to ask: studies as data."""
