"""How often verdicts are wrong and how often right, on simulated studies: docs/calibration.md is made from it."""
