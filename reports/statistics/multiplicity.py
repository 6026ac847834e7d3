"""Correction for asking several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given; [] for none.

    Comparing an adjusted p with alpha keeps the chance of any false claim within the family at alpha, whatever the
    dependence between comparisons.

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure".

    Example:
        >>> holm([0.01, 0.04])
        [0.02, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * holm_factors(len(p))))
    return adjusted.tolist()


def holm_factors(comparisons: int) -> np.ndarray:
    """The factors m, m − 1, …, 1 that meet the p values from the smallest to the largest."""
    return np.arange(comparisons, 0, -1)
