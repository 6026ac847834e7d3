"""Measures from sums over test items, many resamples at once: what a run's score would be on other items.

The definitions are those by which runs score themselves (``mmcore/training``); a test holds both together. N stands for
any leading axes (repeats, resamples), C for classes. NaN where there is nothing to measure.
"""

from __future__ import annotations

import numpy as np


def of_classes(measure: str, right_NC: np.ndarray, true_NC: np.ndarray, predicted_NC: np.ndarray) -> np.ndarray:
    """A measure of classes, (N,).

    Args:
        right_NC: right predictions of each class. true_NC: cases of it. predicted_NC: predictions of it.

    Raises:
        ValueError: the measure cannot be computed from these numbers.
    """
    match measure:
        case "accuracy":
            return ratio(right_NC.sum(-1), true_NC.sum(-1))
        case "balanced_accuracy":
            return mean_of_known(ratio(right_NC, true_NC))
        case "macro_f1":
            return mean_of_known(ratio(2 * right_NC, true_NC + predicted_NC))
        case "f1":
            f1_N = ratio(2 * right_NC[..., 1], true_NC[..., 1] + predicted_NC[..., 1])
            return np.where(true_NC[..., 1] > 0, f1_N, np.nan)
        case _:
            raise ValueError(f"measure '{measure}' cannot be computed from right, true and predicted cases")


CLASS_MEASURES = ("accuracy", "balanced_accuracy", "macro_f1", "f1")
"""Those that :func:`of_classes` knows."""


def ratio(part_N: np.ndarray, whole_N: np.ndarray) -> np.ndarray:
    """NaN where the whole is 0."""
    return np.divide(part_N, whole_N, out=np.full(np.shape(whole_N), np.nan), where=whole_N > 0)


def mean_of_known(value_NX: np.ndarray) -> np.ndarray:
    """Mean along the last axis over what is a number; NaN where nothing is."""
    known_NX = np.isfinite(value_NX)
    return ratio(np.where(known_NX, value_NX, 0.0).sum(-1), known_NX.sum(-1))


def sum_of_known(value_NX: np.ndarray) -> np.ndarray:
    """Sum along the last axis over what is a number; NaN where nothing is."""
    known_NX = np.isfinite(value_NX)
    return np.where(known_NX.any(-1), np.where(known_NX, value_NX, 0.0).sum(-1), np.nan)
