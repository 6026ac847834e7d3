"""A report as plain frozen data: the summary, and the sections of analyses."""
