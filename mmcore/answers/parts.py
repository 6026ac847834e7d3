"""What all results are made of: a frozen base, numbers that may be unknown, and scores by measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from mmcore.frozen import Frozen


class Part(Frozen):
    """A part of a result. Its numbers may be NaN, which JSON has as null."""

    model_config = ConfigDict(allow_inf_nan=True, serialize_by_alias=True)


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _numbers(value: Any) -> Any:
    # What is no list is left to the validator that follows.
    return tuple(map(_number, value)) if isinstance(value, list | tuple) else value


Number = Annotated[float, BeforeValidator(_number)]
"""NaN where there is nothing to measure; null in a file."""
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
"""A row of them."""


class Score(Part):
    """A model's score in one measure.

    Args:
        whole: NaN where the measure has no whole. components: by name.
    """

    whole: Number
    components: dict[str, Number]

    def of(self, component: str | None) -> float:
        """The score of a component, None: of the whole; NaN where it is not known."""
        return self.whole if component is None else self.components.get(component, math.nan)


class ScoreRow(Part):
    """Several scores in one measure, as of several levels or subsets: a number for each in every place."""

    whole: Numbers
    components: dict[str, Numbers]

    def of(self, component: str | None) -> tuple[float, ...]:
        """The scores of a component, None: of the whole; () where they are not known."""
        return self.whole if component is None else self.components.get(component, ())


Scores = Mapping[str, Score]
"""By measure."""
ScoreRows = Mapping[str, ScoreRow]
"""By measure."""
