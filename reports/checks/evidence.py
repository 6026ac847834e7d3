"""What the checks look at, and how they put names and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import pandas as pd

from mmcore.language import say
from reports.model.report import ArmRow, ComparisonRow, Outcome
from reports.numbers import listing
from reports.records.frame import StudyResults
from studies.resolved import ResolvedStudy

Found = tuple[Outcome, str]
"""An outcome and what was found; of a check that passed, nothing need be said."""

LOOKED_AT = ("clipped", "gradient_norm", "learning_rate", "train/loss", "validation/loss", "validation/skill")
"""Columns of histories that checks read."""
PASSED: Found = ("passed", "")
MOST_NAMED = 5
"""Arms or comparisons that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Evidence:
    """A study's results and what the report says of them.

    Args:
        comparisons: on the metric and per component.
        nothing_to_predict: components without a score.
    """

    results: StudyResults
    arms: Sequence[ArmRow]
    comparisons: Sequence[ComparisonRow]
    nothing_to_predict: Sequence[str]

    @property
    def study(self) -> ResolvedStudy:
        """The study whose models mmstudy trains, for checks that look at models and their configs."""
        return self.results.own_study

    @cached_property
    def curves(self) -> dict[str, list[pd.DataFrame]]:
        """Arm to the history of each of its finished runs, one row an epoch, in order; columns :data:`LOOKED_AT`."""
        history = self.results.history
        curves: dict[str, list[pd.DataFrame]] = {}
        read = [name for name in ("arm", "repeat", "epoch", *LOOKED_AT) if name in history]
        done = history.loc[history["status"] == "done", read]
        for key, rows in done.groupby(["arm", "repeat"], sort=False):
            curves.setdefault(cast(tuple[str, int], key)[0], []).append(cast(pd.DataFrame, rows))
        return curves

    def having(self, *columns: str) -> dict[str, list[pd.DataFrame]]:
        """Those curves, or none at all where a column was not recorded.

        Args:
            columns: of :data:`LOOKED_AT`.
        """
        assert set(columns) <= set(LOOKED_AT)
        return self.curves if set(columns) <= set(self.results.history.columns) else {}


def warn_if(warns: bool, text: Callable[[], str]) -> Found:
    """A warning with its text, or nothing to say."""
    return ("warning", text()) if warns else PASSED


def not_run(why: str) -> Found:
    """What the check needs is not there."""
    return "not run", why


def not_applicable(why: str) -> Found:
    """The study has nothing that the check could be about."""
    return "not applicable", why


def some(parts: Sequence[str], most: int = MOST_NAMED) -> str:
    """A listing that ends in a count where it would grow long.

    Example:
        >>> some(["a", "b", "c"], 3), some(["a", "b", "c", "d"], 2)
        ('a, b and c', 'a, b and 2 more')
    """
    if len(parts) <= most:
        return listing(list(parts))
    return listing([*parts[:most], say("{n} more", n=len(parts) - most)])


def quoted(names: Sequence[str]) -> str:
    """Arms by name in a sentence."""
    return some([say("'{name}'", name=name) for name in names])
