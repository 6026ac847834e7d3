"""Statistics on repeats: pure functions on arrays, without randomness of their own."""
