"""The steps at which footage is described: row ``i`` stands at ``i`` steps and holds what was there up to then."""

from __future__ import annotations

import math

import numpy as np

STEP = 0.1
"""Seconds a step."""
RATE = 16_000
"""Samples a second of the sound that features are computed from."""
SAMPLES = round(RATE * STEP)
"""Samples a step."""
LONGEST_GAP = 3600.0
"""Seconds without a picture or sound after which the time stamps of a file are taken for broken."""


def steps_until(seconds: float) -> int:
    """Steps that are over at a time; a rounding error of it does not lose one."""
    return max(0, math.floor(seconds / STEP + 1e-6))


def times(steps: int) -> np.ndarray:
    """The times (S,) of the first rows, in seconds: one step, two steps, …"""
    return np.round(np.arange(1, steps + 1) * STEP, 4)
