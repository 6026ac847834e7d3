"""Estimates the time lag between two streams from the steps at which both change.

The change of a stream at a step is the mean absolute first difference of its columns, each divided by its own root mean
square in the item; for segments it also counts where one starts or ends. Two streams of one recording change together
more often than by chance; the lag with the highest correlation of changes is the estimate. Two numbers show how certain
it is: by how many standard deviations this correlation exceeds those at other lags, and how many items agree on their
own.

S steps of an item, F raw features, L lags from −reach to reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.signal import correlate
from scipy.stats import binomtest

from mmcore.data.prepared import Prepared

LONGEST = 10.0
"""Seconds; lags beyond are not looked for, but for the :data:`FEWEST` steps."""
FEWEST = 50
"""Steps in either direction that are looked at, unless a quarter of the usual item is shorter: chance is known from
the other lags, so there must be many."""
ENOUGH = 6.0
"""A peak this many standard deviations above other lags is not due to chance: the largest of some hundred normal values
is below 4."""
NOT_ZERO = 3.0
"""Standard deviations by which the peak must exceed the correlation at lag 0."""
AGREEING = 2
"""An item agrees if its own lag is within this many steps."""
CHANCE = 0.01
"""Probability of that many agreeing items by chance, above which the lag is not called sure."""


@dataclass(frozen=True)
class Lag:
    """The time lag between two modalities.

    Args:
        modality, against: the pair.
        seconds: lag of the highest correlation; above 0: ``modality`` is later. Steps, where rows are steps.
        correlation, at_zero: of the changes, at that lag and at 0; −1 … 1.
        deviations: how far that correlation stands above the median of the others, in their robust standard deviation.
        items, agree: items that have both, and those whose own lag is within two steps of it.
        verdict: ``lag``, ``none`` (certain, and not distinguishable from 0), ``unknown`` (no peak beyond chance).
    """

    modality: str
    against: str
    seconds: float
    correlation: float
    at_zero: float
    deviations: float
    items: int
    agree: int
    verdict: str


def lags_of(prepared: Prepared) -> list[Lag]:
    """A lag for each pair of modalities, in the schema's order; pairs that no item has together are left out."""
    schema = prepared.schema
    step = schema.step or 1.0
    lengths = [item.steps for item in prepared.items if item.steps]
    reach = int(min(max(LONGEST / step, FEWEST), float(np.median(lengths)) / 4)) if lengths else 0
    changes = {name: _changes(prepared, name) for name in schema.modalities}
    found = []
    for one, other in combinations(schema.modalities, 2):
        pairs = [(a, b) for a, b in zip(changes[one], changes[other], strict=True) if len(a) > 2 * reach]
        curves = [curve for a, b in pairs if (curve := _correlation_L(a, b, reach)) is not None]
        if curves and reach >= AGREEING:
            found.append(_judge(one, other, np.array(curves), reach, step))
    return found


def change_of(values_SF: np.ndarray) -> np.ndarray:
    """The change at every step but the first: (S − 1,), mean 0; 0 where nothing is known or nothing ever changes."""
    difference_SF = np.diff(np.asarray(values_SF, np.float32), axis=0)
    known_SF = ~np.isnan(difference_SF)
    size_SF = np.abs(np.where(known_SF, difference_SF, 0)).astype(np.float64)
    counts_F = np.maximum(known_SF.sum(axis=0), 1)
    scale_F = np.sqrt(np.square(size_SF).sum(axis=0) / counts_F)
    moving_F = scale_F > 0
    size_SF, known_SF = size_SF[:, moving_F] / scale_F[moving_F], known_SF[:, moving_F]
    columns_S = known_SF.sum(axis=1)
    change_S = size_SF.sum(axis=1) / np.maximum(columns_S, 1)
    there_S = columns_S > 0
    return np.where(there_S, change_S - (change_S[there_S].mean() if there_S.any() else 0.0), 0.0)


def _changes(prepared: Prepared, name: str) -> list[np.ndarray]:
    values, at = prepared.values[name], list(prepared.schema.modalities).index(name)
    spans = [slice(item.offset, item.offset + item.steps) for item in prepared.items]
    if not prepared.schema.modalities[name].intervals:
        return [change_of(values[span]) for span in spans]
    # Of segments, where they start and end is a change too, and often the only one.
    return [change_of(np.column_stack([values[span], prepared.present[span, at]])) for span in spans]


def _correlation_L(a_S: np.ndarray, b_S: np.ndarray, reach: int) -> np.ndarray | None:
    """Correlation at lags −reach … reach, above 0 where a is later; None where one of the two never changes."""
    size = np.sqrt((a_S @ a_S) * (b_S @ b_S))
    if not size > 0:
        return None
    middle = len(b_S) - 1
    return correlate(a_S, b_S, "full", "auto")[middle - reach : middle + reach + 1] / size


def _judge(one: str, other: str, curves_IL: np.ndarray, reach: int, step: float) -> Lag:
    mean_L = curves_IL.mean(axis=0)
    peak = int(mean_L.argmax())
    away_L = np.abs(np.arange(len(mean_L)) - peak) > AGREEING
    middle = float(np.median(mean_L[away_L]))
    deviation = max(1.4826 * float(np.median(np.abs(mean_L[away_L] - middle))), 1e-12)
    agree = int((np.abs(curves_IL.argmax(axis=1) - peak) <= AGREEING).sum())
    items = len(curves_IL)
    chance = binomtest(agree, items, (2 * AGREEING + 1) / len(mean_L), alternative="greater").pvalue
    deviations = (float(mean_L[peak]) - middle) / deviation
    # A single item agrees with itself: the peak alone must do.
    sure = deviations >= ENOUGH and (items == 1 or chance < CHANCE)
    apart = (float(mean_L[peak]) - float(mean_L[reach])) / deviation >= NOT_ZERO
    verdict = "unknown" if not sure else "lag" if apart else "none"
    seconds = round((peak - reach) * step, 6)
    return Lag(one, other, seconds, float(mean_L[peak]), float(mean_L[reach]), deviations, items, agree, verdict)
