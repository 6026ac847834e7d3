"""Measures from sums that were gathered over a split: confusion matrices and histograms of logits.

All of them are NaN where there is nothing to measure; skill has a module of its own, :mod:`mmcore.skill`. C classes.
"""

from __future__ import annotations

import math

from torch import Tensor

LOGIT_BINS = 8192
"""Bins of the histogram from which average precision is read: 0.004 wide in log-odds."""
LOGIT_LIMIT = 16.0
"""Log-odds beyond ± this fall into the outermost bins: a probability of 1e-7."""
CONFIDENCE_BINS = 15
"""Bins of equal width in which confidence is held against accuracy, as in Guo et al. 2017."""


def accuracy(confusion_CC: Tensor) -> float:
    """Share of right predictions. Rows of the matrix are true classes, columns predicted ones."""
    return _ratio(float(confusion_CC.diagonal().sum()), float(confusion_CC.sum()))


def balanced_accuracy(confusion_CC: Tensor) -> float:
    """Mean recall over the classes that truly occur."""
    true_C = confusion_CC.sum(1)
    recall_C = confusion_CC.diagonal()[true_C > 0] / true_C[true_C > 0]
    return float(recall_C.mean()) if len(recall_C) else math.nan


def macro_f1(confusion_CC: Tensor) -> float:
    """Mean F1 over the classes that truly occur or were predicted."""
    mass_C = confusion_CC.sum(0) + confusion_CC.sum(1)
    f1_C = 2.0 * confusion_CC.diagonal()[mass_C > 0] / mass_C[mass_C > 0]
    return float(f1_C.mean()) if len(f1_C) else math.nan


def f1(confusion_22: Tensor) -> float:
    """F1 of class 1; NaN without a true case, for then no prediction could score above 0."""
    positive = float(confusion_22[1].sum())
    return _ratio(2.0 * float(confusion_22[1, 1]), positive + float(confusion_22[:, 1].sum())) if positive else math.nan


def logit_bins(logit: Tensor) -> Tensor:
    """The bin of each logit, 0 … LOGIT_BINS − 1."""
    scaled = (logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT) + LOGIT_LIMIT) * (LOGIT_BINS / (2 * LOGIT_LIMIT))
    return scaled.long().clamp(max=LOGIT_BINS - 1)


def confidence_bins(confidence: Tensor) -> Tensor:
    """The bin of each confidence in 0 … 1, 0 … CONFIDENCE_BINS − 1; 1 is in the last one."""
    return (confidence * CONFIDENCE_BINS).long().clamp(0, CONFIDENCE_BINS - 1)


def average_precision(histogram_2N: Tensor) -> float:
    """Σ (Rᵢ − Rᵢ₋₁) Pᵢ over falling thresholds; logits of one bin count as tied. NaN without a true case.

    Args:
        histogram_2N: number of false (row 0) and true cases (row 1) per bin of logits, bins ascending.
    """
    false_N, true_N = histogram_2N.double().flip(1)
    positive = float(true_N.sum())
    if not positive:
        return math.nan
    hit_N = true_N.cumsum(0)
    precision_N = hit_N / (hit_N + false_N.cumsum(0)).clamp(min=1)
    return float((true_N * precision_N).sum()) / positive


def mean_of_known(values: list[float]) -> float:
    """Mean over the values that are not NaN; NaN if there are none."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def sum_of_known(values: list[float]) -> float:
    """Sum over the values that are not NaN; NaN if there are none."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) if known else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
