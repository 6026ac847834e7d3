"""Which value of a metric with many steps is a run's score."""

from __future__ import annotations

from collections.abc import Sequence


def at_step(values: Sequence[float], step: str) -> float | None:
    """The last value, the largest or the smallest one; None where there is none.

    Args:
        values: in the order of steps. step: ``last``, ``max`` or ``min``.

    Example:
        >>> at_step([0.1, 0.3, 0.2], "max")
        0.3
    """
    if not values:
        return None
    match step:
        case "max":
            return max(values)
        case "min":
            return min(values)
        case _:
            return values[-1]
