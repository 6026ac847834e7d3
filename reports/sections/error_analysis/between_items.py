"""A second witness for conditions that items have as a whole: do groups of items differ by more than chance?

Repeats test the same items over and over, so many repeats of few items would show a difference between these items, and
no difference between genres. Here each group of items.csv (a speaker, a recording) is one observation: its mean loss
over its items and the repeats that tested them. Welch's t-test (Welch 1947) compares those of two conditions on the
logarithm of losses, or on gains. A verdict needs this witness and the test over repeats, both corrected; below
:data:`LEAST_GROUPS` groups on a side there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import ErrorsResult
from reports.records.long import spelt_out
from reports.statistics.comparisons import Sizes
from reports.statistics.intervals import t_quantile
from reports.statistics.unpaired import welch_p

LEAST_GROUPS = 5
"""Groups of items.csv on each side that a verdict needs: with four on each, one unusual speaker decides."""


@dataclass(frozen=True)
class Between:
    """What the tested items of two groups of a condition say.

    Args:
        items, base_items: tested in some repeat, in the group and in the group it is compared with.
        groups, base_groups: groups of items.csv among them.
        p: two-sided, uncorrected; NaN for too few groups.
        low, high: interval at 1 − 2·alpha of the difference, for a word that there is none; NaN with ``p``.
    """

    items: int
    base_items: int
    groups: int
    base_groups: int
    p: float
    low: float
    high: float

    @property
    def few(self) -> bool:
        """Whether there are too few groups for a verdict."""
        return not math.isfinite(self.p)

    def within(self, margin: float | None) -> bool:
        """Whether the whole interval lies within ± margin."""
        return margin is not None and -margin <= self.low and self.high <= margin


class ItemLosses:
    """Losses of test items by group of items.csv, over all repeats.

    Args:
        items: see :attr:`reports.records.frame.StudyResults.items`.
        answers: of the errors analysis: which items belong to which group of a condition.
    """

    def __init__(self, items: pd.DataFrame, answers: Sequence[Answered[ErrorsResult]]) -> None:
        self._items = items
        self.members: dict[tuple[str, str], set[str]] = {}
        for answer in answers:
            for condition in answer.result.conditions:
                for group in condition.groups if condition.of_items else ():
                    if group.group is not None:
                        self.members.setdefault((condition.name, group.group), set()).update(group.items or ())

    @cached_property
    def _by_arm(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Mean loss and naive loss of each item, by arm and component; indexed by item, with its group."""
        keys = ["arm", "component", "item", "group"]
        known: Any = self._items[self._items["loss"].notna()]
        means: Any = known.groupby(keys, sort=False, observed=True)[["loss", "naive_loss"]].mean().reset_index()
        parts: Any = spelt_out(means, *keys).sort_values(keys).groupby(["arm", "component"], sort=False)
        return {(arm, component): frame.set_index("item") for (arm, component), frame in parts}

    def _of(self, arm: str, component: str, condition: str, group: str) -> pd.DataFrame | None:
        frame: Any = self._by_arm.get((arm, component))
        members = self.members.get((condition, group))
        return None if frame is None or members is None else frame[frame.index.isin(list(members))]

    def counts(self, arm: str, component: str, condition: str, group: str) -> tuple[int, int]:
        """Items of the group that some repeat tested, and groups of items.csv among them."""
        frame: Any = self._of(arm, component, condition, group)
        return (0, 0) if frame is None else (len(frame), int(frame["group"].nunique()))

    def ratio(self, arm: str, component: str, condition: str, groups: tuple[str, str], level: float) -> Between | None:
        """The group against the base by logarithms of losses; None for a condition that items do not have as a whole.

        Args:
            groups: the group, and the base. level: of the interval.
        """
        sides = []
        for group in groups:
            frame: Any = self._of(arm, component, condition, group)
            if frame is None:
                return None
            losses_G = frame.groupby("group")["loss"].mean().to_numpy(np.float64)
            # No loss at all is left out, as in the ratios.
            sides.append((len(frame), np.log(losses_G[losses_G > 0])))
        return _welch(sides[0], sides[1], level)

    def gain(
        self, pair: tuple[str, str], component: str, condition: str, groups: tuple[str, str], level: float
    ) -> Between | None:
        """The gain of an arm on another in the group against that in the base, in skill."""
        sides = []
        for group in groups:
            frames: list[Any] = [self._of(name, component, condition, group) for name in pair]
            if frames[0] is None or frames[1] is None:
                return None
            both = frames[0].join(frames[1]["loss"].rename("loss_reference"), how="inner")
            gains = (both["loss_reference"] - both["loss"]).groupby(both["group"]).mean()
            # In skill, by the naive loss of the whole side: that of single groups may be next to nothing.
            gains_G = gains.to_numpy(np.float64) / float(both["naive_loss"].mean())
            sides.append((len(both), gains_G[np.isfinite(gains_G)]))
        return _welch(sides[0], sides[1], level)


def _welch(one: tuple[int, np.ndarray], other: tuple[int, np.ndarray], level: float) -> Between:
    """Two sides: number of items, and one number a group of items.csv."""
    (items, a_G), (base_items, b_G) = one, other
    counts = (items, base_items, len(a_G), len(b_G))
    if min(len(a_G), len(b_G)) < LEAST_GROUPS:
        return Between(*counts, math.nan, math.nan, math.nan)
    if np.ptp(a_G) == np.ptp(b_G) == 0:
        # Without any spread a t-test has no answer, and the difference needs none.
        difference = float(a_G[0] - b_G[0])
        return Between(*counts, 0.0 if difference else 1.0, difference, difference)
    sizes, difference = Sizes.of(a_G, b_G), float(a_G.mean() - b_G.mean())
    half = t_quantile(level, sizes.freedom() + 1) * sizes.error()
    p = welch_p(difference, sizes.error(), sizes.freedom())
    return Between(*counts, p, difference - half, difference + half)
