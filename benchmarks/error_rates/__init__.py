"""How often verdicts are wrong and how often right, on simulated studies: docs/error_rates.md is made from it."""
