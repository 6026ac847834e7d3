"""Scores of probes: every measure, so that a report can choose the metric of its study."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcore.answers.parts import Score, ScoreRow
from mmcore.training.evaluation import Measured

DIGITS = 6
"""Digits after the point: far below what any margin asks for."""


def mixed(parts: Sequence[tuple[float, Measured]]) -> Measured:
    """The sum of scores times their weights, measure by measure; NaN where any of them is.

    Args:
        parts: weight and scores, at least one, all with the same measures and components.

    Example:
        >>> mixed([(0.5, {"loss": {None: 2.0}}), (0.5, {"loss": {None: 4.0}})])
        {'loss': {None: 3.0}}
    """
    (_, first), *_ = parts
    return {
        measure: {c: sum(weight * scores[measure][c] for weight, scores in parts) for c in by_component}
        for measure, by_component in first.items()
    }


def scores_of(scores: Measured) -> dict[str, Score]:
    """By measure; NaN where a measure has no whole, or a number is not finite."""
    return {
        measure: Score(
            whole=rounded(by_component.get(None, math.nan)),
            components={c: rounded(value) for c, value in by_component.items() if c is not None},
        )
        for measure, by_component in scores.items()
    }


def rows_of(scores: Sequence[Measured]) -> dict[str, ScoreRow]:
    """The same of several scores, all with the same measures and components; at least one."""
    points = [scores_of(row) for row in scores]
    return {
        measure: ScoreRow(
            whole=tuple(one[measure].whole for one in points),
            components={c: tuple(one[measure].components[c] for one in points) for c in score.components},
        )
        for measure, score in points[0].items()
    }


def rounded(value: float) -> float:
    """To :data:`DIGITS`; NaN for what is not finite."""
    return round(value, DIGITS) if math.isfinite(value) else math.nan
