"""All arms against all."""
