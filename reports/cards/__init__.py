"""Results at a glance: what a notebook shows of an object, and what a console prints of it."""
