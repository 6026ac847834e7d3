"""What the checks look at, and how they put names and outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from mmcore.language import say
from reports.model.report import ArmRow, ComparisonRow, Outcome
from reports.numbers import listing
from reports.records.frame import StudyResults
from reports.records.long import HISTORY_COLUMNS
from studies.resolved import ResolvedStudy

Found = tuple[Outcome, str]
"""An outcome and what was found; of a check that passed, nothing need be said."""

PASSED: Found = ("passed", "")
MOST_NAMED = 5
"""Arms or comparisons that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class History:
    """The history of a run.

    Args:
        columns: of a record's history by name, one number an epoch; NaN where the run recorded none.
    """

    repeat: int
    columns: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def mean(self, name: str) -> float:
        """Of a column over the epochs that recorded it; NaN where none did."""
        values_E = self.columns[name]
        known = values_E[~np.isnan(values_E)]
        return float(known.mean()) if len(known) else math.nan

    @property
    def epochs(self) -> int:
        """Rows."""
        return len(self.columns["epoch"])


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
    def curves(self) -> dict[str, list[History]]:
        """Arm to the history of each of its finished runs, in order."""
        history = self.results.history
        columns = {str(name): history[name].to_numpy() for name in history if name not in HISTORY_COLUMNS}
        arm_N, repeat_N = pd.factorize(history["arm"])[0], history["repeat"].to_numpy(int)
        # Rows of a run stand together, so each history is a part of these columns and no copy.
        begins = np.flatnonzero(np.diff(arm_N, prepend=-1) | np.diff(repeat_N, prepend=-1))
        curves: dict[str, list[History]] = {}
        for begin, end in pairwise([*begins.tolist(), len(history)]):
            if history["status"].iat[begin] == "done":
                own = {name: values[begin:end] for name, values in columns.items()}
                curves.setdefault(str(history["arm"].iat[begin]), []).append(History(int(repeat_N[begin]), own))
        return curves

    def having(self, *columns: str) -> dict[str, list[History]]:
        """Those curves, or none at all where a column was not recorded."""
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
