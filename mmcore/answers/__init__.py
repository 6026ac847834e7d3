"""What analyses of trained models answer: one typed result for each kind, kept as JSON and read back in one place."""
