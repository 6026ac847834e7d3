"""A room for each section of a report: its estimates, its tables, its words and its figures."""
