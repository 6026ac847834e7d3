"""How the arms of a study were set up, and how its items were divided: what a reader needs to know of an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.language import later

SIDE_WORDS: tuple[str, ...] = (later("train"), later("validation"), later("test"))
"""Sides of a split, marked for the languages: a side is a key, and is said where it is shown."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        path: dotted, as in a config.
        values: one an arm, in the order of the arms; None where an arm has no such setting.
        differs: one an arm: whether it is another value than the reference's.
    """

    path: str
    values: tuple[str | None, ...]
    differs: tuple[bool, ...]


@dataclass(frozen=True)
class SideSize:
    """What one side of a split holds."""

    items: int
    groups: int
    windows: int


@dataclass(frozen=True)
class RepeatSizes:
    """The sides of a repeat's split, in the order of :attr:`Setup.sides`; all arms of the repeat share them."""

    repeat: int
    sizes: tuple[SideSize, ...]


@dataclass(frozen=True)
class Setup:
    """Settings of the arms, and sizes of the splits.

    Args:
        arms: their names.
        differing: settings in which arms differ. common: (path, value) of those in which they do not.
        sides: names of the sides; () where no split is known.
        sizes: one a repeat that has a finished run.
    """

    arms: tuple[str, ...] = ()
    differing: tuple[Setting, ...] = ()
    common: tuple[tuple[str, str], ...] = ()
    sides: tuple[str, ...] = ()
    sizes: tuple[RepeatSizes, ...] = ()

    @property
    def grouped(self) -> bool:
        """Whether any group has several items, so that both must be counted."""
        return any(one.items != one.groups for row in self.sizes for one in row.sizes)


NOTHING_KNOWN = Setup()
"""Of scores without settings and splits."""
