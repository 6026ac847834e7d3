"""How a study that adds repeats until its comparisons are decided went, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Looks:
    """The looks at one comparison of a study that adds repeats until comparisons are decided.

    Args:
        done: numbers of repeats at which it was looked at, rising; () before the first look.
        stopped_at: the look that decided it; None: undecided so far.
        next: the look that it waits for; None: it was decided, or the study is over.
        planned: looks that the rule plans at most.
    """

    done: tuple[int, ...]
    stopped_at: int | None
    next: int | None
    planned: int

    @property
    def repeats(self) -> int:
        """Repeats that its last look read; 0 before the first."""
        return self.done[-1] if self.done else 0


@dataclass(frozen=True)
class SequentialFacts:
    """How a study that adds repeats went.

    Args:
        least, most, step: its rule: repeats at the first look, at the last, and between looks.
        looks: looks that took place. waiting: the look that waits for runs; None: the study is over.
        runs, runs_at_most: runs that the rule required, and the runs of all arms at ``most``.
        seconds_spared: of one worker, for the runs that are not needed; 0 while the study goes on.
        text: all of it in words.
    """

    least: int
    most: int
    step: int
    looks: tuple[int, ...]
    waiting: int | None
    runs: int
    runs_at_most: int
    seconds_spared: float
    text: str
