"""How many repeats a study has: a number, or a rule that adds them until comparisons are decided."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from mmcore.frozen import Frozen


class Sequential(Frozen):
    """Repeats of every arm up to ``min``, then more for the arms of undecided comparisons alone, up to ``max``.

    The looks at ``min``, ``min + step``, … and ``max`` share the study's alpha: looking often costs no false claims.
    """

    min: Annotated[int, Field(ge=2)]
    """Repeats of every arm, 2 or more; the first look."""
    max: PositiveInt
    """Repeats at which the study ends, decided or not; above ``min``."""
    stop: Literal["decided"] = "decided"
    """A comparison gets no more repeats once it is better, worse or equivalent."""
    step: PositiveInt = 1
    """Repeats from one look to the next: more than 1 keeps more workers busy."""

    @model_validator(mode="after")
    def _room(self) -> Sequential:
        if self.max <= self.min:
            raise ValueError(f"max must be above min: min is {self.min}, max is {self.max}")
        return self

    def __str__(self) -> str:
        """As on the command line: ``6..30``, or ``6..30/2`` with a step."""
        return f"{self.min}..{self.max}" + (f"/{self.step}" if self.step > 1 else "")


def parse_rule(text: str) -> Sequential:
    """A rule as it is written on the command line: ``6..30``, or ``6..30/2`` with a step.

    Raises:
        ValueError: in plain words.

    Example:
        >>> str(parse_rule("6..30"))
        '6..30'
    """
    found = re.fullmatch(r"(\d+)\.\.(\d+)(?:/(\d+))?", text)
    if found is None:
        raise ValueError(f"takes a number from 1, or MIN..MAX such as 6..30; found {text!r}")
    least, most, step = (int(part or 1) for part in found.groups())
    if least < 2 or most <= least or step < 1:
        raise ValueError(f"MIN..MAX/STEP needs MIN from 2, MAX above MIN and STEP from 1; found {text!r}")
    return Sequential(min=least, max=most, step=step)


Repeats = Annotated[
    Annotated[PositiveInt, Tag("number")] | Annotated[Sequential, Tag("rule")],
    Discriminator(lambda value: "rule" if isinstance(value, dict | Sequential) else "number"),
]
"""A number, or a rule that adds repeats until comparisons are decided."""
