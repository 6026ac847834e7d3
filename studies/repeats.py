"""How many repeats a study has, and where they start: a number, or a rule that adds them until comparisons are decided.

Repeat r fixes split and initialisation. Repeats 100 … 109 share neither with 0 … 9, so they can replicate a claim. A
test side that the corpus gives, or that is drawn once, is the same in all of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from mmcore.frozen import Frozen
from mmcore.limits import LARGEST, MOST_REPEATS, RepeatCount

FORMS = "takes a number from 1, or MIN..MAX such as 6..30, and @FIRST behind either, such as 10@100"


class Counted(Frozen):
    """A number of repeats, from some repeat on."""

    count: RepeatCount
    """Repeats of every arm."""
    first: NonNegativeInt | None = None
    """Number of the first one; None: 0, or after a search the first that no trial has used."""

    def __str__(self) -> str:
        """As on the command line: ``10``, or ``10@100``."""
        return f"{self.count}{_from(self.first)}"


class Sequential(Frozen):
    """Repeats of every arm up to ``min``, then more for the arms of undecided comparisons alone, up to ``max``.

    The looks at ``min``, ``min + step``, … and ``max`` share the study's alpha: looking often costs no false claims.
    """

    min: Annotated[int, Field(ge=2)]
    """Repeats of every arm, 2 or more; the first look."""
    max: RepeatCount
    """Repeats at which the study ends, decided or not; above ``min``."""
    stop: Literal["decided"] = "decided"
    """A comparison gets no more repeats once it is better, worse or equivalent."""
    step: PositiveInt = 1
    """Repeats from one look to the next: more than 1 keeps more workers busy."""
    first: NonNegativeInt | None = None
    """Number of the first repeat; None: 0, or after a search the first that no trial has used."""

    @model_validator(mode="after")
    def _room(self) -> Sequential:
        if self.max <= self.min:
            raise ValueError(f"max must be above min: min is {self.min}, max is {self.max}")
        return self

    def __str__(self) -> str:
        """As on the command line: ``6..30``, ``6..30/2`` with a step, ``6..30@100`` from repeat 100 on."""
        return f"{self.min}..{self.max}" + (f"/{self.step}" if self.step > 1 else "") + _from(self.first)


AnyRepeats: TypeAlias = "int | Counted | Sequential"
"""A number, one with its first repeat, or a rule."""


def _from(first: int | None) -> str:
    return "" if first is None else f"@{first}"


def parse_repeats(text: str) -> AnyRepeats:
    """Repeats as they are written on the command line: ``10``, ``6..30``, ``6..30/2`` with a step.

    ``@100`` behind any of these numbers the repeats from 100 on.

    Raises:
        ValueError: in plain words.

    Example:
        >>> parse_repeats("10"), str(parse_repeats("10@100")), str(parse_repeats("6..30/2@100"))
        (10, '10@100', '6..30/2@100')
    """
    found = re.fullmatch(r"(\d+)(?:\.\.(\d+)(?:/(\d+))?)?(?:@(\d+))?", text, re.ASCII)
    if found is None:
        raise ValueError(f"{FORMS}; found {text!r}")
    if any(part is not None and len(part) > len(str(LARGEST)) for part in found.groups()):
        raise ValueError(f"takes at most {MOST_REPEATS:,} repeats, and first repeats up to {LARGEST:,}")
    least, most, step, first = (None if part is None else int(part) for part in found.groups())
    if max(least or 0, most or 0) > MOST_REPEATS or (first or 0) > LARGEST:
        raise ValueError(f"takes at most {MOST_REPEATS:,} repeats, and first repeats up to {LARGEST:,}; found {text!r}")
    assert least is not None
    if most is None:
        if least < 1:
            raise ValueError(f"{FORMS}; found {text!r}")
        return least if first is None else Counted(count=least, first=first)
    if least < 2 or most <= least or step == 0:
        raise ValueError(f"MIN..MAX/STEP needs MIN from 2, MAX above MIN and STEP from 1; found {text!r}")
    return Sequential(min=least, max=most, step=step or 1, first=first)


def settled(asked: AnyRepeats | None, own: AnyRepeats | None, preset: int | None) -> Counted | Sequential | None:
    """The repeats to train: as asked on the command line, else as the study says, else as the preset does.

    Where the command line does not say where they start, they start where the study says: a quick try of a replication
    must not fall back on the repeats that it is to be independent of.

    Returns:
        None where nobody says how many.
    """
    chosen = asked or own or preset
    if chosen is None:
        return None
    whole = Counted(count=chosen) if isinstance(chosen, int) else chosen
    if whole.first is None and isinstance(own, Counted | Sequential):
        return whole.model_copy(update={"first": own.first})
    return whole


def _tag(value: object) -> str:
    if isinstance(value, Counted) or (isinstance(value, dict) and "count" in value):
        return "counted"
    return "rule" if isinstance(value, dict | Sequential) else "number"


Repeats = Annotated[
    Annotated[RepeatCount, Tag("number")] | Annotated[Counted, Tag("counted")] | Annotated[Sequential, Tag("rule")],
    Discriminator(_tag),
]
"""A number, ``{count: 10, first: 100}``, or a rule that adds repeats until comparisons are decided."""
