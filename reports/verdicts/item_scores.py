"""Scores as they would be on other test items: every run's measure on resamples of the groups that all repeats tested.

R repeats, G groups of items, P parameters of a component, B resamples, C classes, N rows of outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from mmcore.language import say
from mmcore.skill import skills_of
from reports.numbers import counted
from reports.records.frame import StudyResults
from reports.statistics.comparisons import Paired
from reports.statistics.measured import CLASS_MEASURES, mean_of_known, of_classes, ratio, sum_of_known
from reports.statistics.new_items import NewItems, effective_groups, on_new_items, times_drawn
from reports.verdicts.monitoring import Monitoring


class ItemScores:
    """What the runs did on each group of test items, and their measures on resamples of the groups.

    Rests on the records' outcomes by item and parameter. Scores of other code have the user's measure by item instead.
    Records of earlier versions have no outcomes; their losses by item
    and component serve for skill and loss, and no other measure can be had.
    """

    def __init__(self, results: StudyResults) -> None:
        rows = results.outcomes
        if rows.empty:
            rows = results.items.assign(parameter=results.items["component"], error=np.nan, cells=None)
        rows = cast(pd.DataFrame, rows[rows["count"] > 0]).reset_index(drop=True)
        known = results.items.drop_duplicates(["item", "group"])
        group_of: dict[str, str] = dict(zip(known["item"], known["group"], strict=True))
        groups, group_N = np.unique([group_of[item] for item in rows["item"]], return_inverse=True)
        repeats = {repeat: at for at, repeat in enumerate(results.study.numbers)}
        self.groups = len(groups)
        """Groups of items with any target that counts."""
        self.parameters: dict[str, str] = dict(
            rows[["parameter", "component"]].drop_duplicates().itertuples(index=False, name=None)
        )
        """Parameter to its component."""
        self._shape = len(repeats), self.groups
        self._place_N = np.array([repeats[repeat] for repeat in rows["repeat"]], int) * self.groups + group_N
        self._count_N = rows["count"].to_numpy(float)
        self._value_N = {name: rows[name].to_numpy(float) for name in ("loss", "naive_loss", "error")}
        self._cells_N: list[Sequence[Sequence[int]] | None] = list(rows["cells"])
        self._of = cast("dict[tuple[str, str], np.ndarray]", rows.groupby(["arm", "parameter"], sort=False).indices)
        self._own = results.foreign is not None
        self._whole = {name: measure.whole for name, measure in results.measures.items()}
        self._known: dict[tuple[str, str | None, str], np.ndarray | None] = {}
        self._rests_on: dict[tuple[str, str | None, str], float] = {}

    def resampled(self, measure: str, component: str | None, arm: str) -> np.ndarray | None:
        """An arm's measure on each resample of groups, (R, B) in the order of the study's repeats.

        Args:
            component: None: the whole, put together as the run's own score is.

        Returns:
            NaN for a repeat without a finished run, and where a resample has nothing to measure. None: the records do
            not hold what the measure needs (``average_precision``; all but skill and loss in records of before).
        """
        key = (measure, component, arm)
        if key not in self._known:
            self._known[key] = self._measure(*key)
        return self._known[key]

    def groups_of(self, measure: str, component: str | None, arm: str) -> float:
        """How many groups the measure rests on, in effect: the fewest among the parameters and classes that enter it.

        A component that 3 of 40 groups have targets of rests on 3, however many groups are tested.
        """
        key = (measure, component, arm)
        if key not in self._rests_on:
            self._rests_on[key] = self._fewest(*key)
        return self._rests_on[key]

    def _fewest(self, measure: str, component: str | None, arm: str) -> float:
        members = [p for p, its in self.parameters.items() if component in (None, its) and (arm, p) in self._of]
        fewest = [
            effective_groups(weight_G)
            for parameter in members
            for weight_G in self._weights(measure, self._of[arm, parameter])
            if weight_G.any()
        ]
        return min(fewest, default=0.0)

    def _weights(self, measure: str, at: np.ndarray) -> list[np.ndarray]:
        """Counted targets by group of one parameter, over all repeats; for measures by class, of each class."""
        if self._own or measure not in CLASS_MEASURES or measure == "accuracy" or self._cells_N[at[0]] is None:
            return [np.bincount(self._place_N[at] % self.groups, self._count_N[at], self.groups)]
        cells = [
            (self._place_N[row] % self.groups, cell[0], cell[2]) for row in at for cell in self._cells_N[row] or ()
        ]
        group_N, true_N, count_N = np.array(cells).T
        of_class = [true_N == c for c in np.unique(true_N)]
        return [np.bincount(group_N[of], count_N[of], self.groups) for of in of_class]

    def _measure(self, measure: str, component: str | None, arm: str) -> np.ndarray | None:
        if component is not None:
            return self._of_component(measure, component, arm)
        parts = [self._of_component(measure, c, arm) for c in dict.fromkeys(self.parameters.values())]
        known = [part for part in parts if part is not None]
        if not known:
            return None
        together = sum_of_known if self._whole[measure] == "sum" else mean_of_known
        return together(np.stack(known, -1))

    def _of_component(self, measure: str, component: str, arm: str) -> np.ndarray | None:
        rows = [self._of[arm, p] for p, its in self.parameters.items() if its == component and (arm, p) in self._of]
        if self._own:
            # The user's measure by item: its mean over the items of a resample.
            return mean_of_known(self._means("loss", rows)) if rows else None
        classes = [at for at in rows if self._cells_N[at[0]] is not None]
        match measure:
            case "skill":
                return skills_of(*self._losses(rows)) if rows else None
            case "relative_skill":
                loss_RB, naive_RB = self._losses(rows)
                return 1 - ratio(loss_RB, naive_RB) if rows else None
            case "loss":
                return self._losses(rows)[0] if rows else None
            case "log_loss":
                return mean_of_known(self._means("loss", classes)) if classes else None
            case "mae":
                continuous = [at for at in rows if np.isfinite(self._value_N["error"][at]).any()]
                return mean_of_known(self._means("error", continuous)) if continuous else None
            case _ if measure in CLASS_MEASURES and classes:
                known = [one for at in classes if (one := self._of_classes(measure, at)) is not None]
                return mean_of_known(np.stack(known, -1)) if known else None
            case _:
                return None

    def _losses(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The component's loss and its naive loss on each resample, (R, B) each: sums over its parameters."""
        return sum_of_known(self._means("loss", rows)), sum_of_known(self._means("naive_loss", rows))

    def _means(self, column: str, rows: Sequence[np.ndarray]) -> np.ndarray:
        """Means over the counted targets of each resample, (R, B, P)."""
        means = []
        for at in rows:
            count_N, place_N = self._count_N[at], self._place_N[at]
            sum_RB = self._drawn(place_N, self._value_N[column][at] * count_N)
            means.append(ratio(sum_RB, self._drawn(place_N, count_N)))
        return np.stack(means, -1) if means else np.empty((self._shape[0], 0, 0))

    def _drawn(self, place_N: np.ndarray, value_N: np.ndarray) -> np.ndarray:
        """Sums over the groups of each resample, (R, B)."""
        sum_RG = np.bincount(place_N, value_N, int(np.prod(self._shape))).reshape(self._shape)
        return sum_RG @ times_drawn(self.groups).T

    def _of_classes(self, measure: str, at: np.ndarray) -> np.ndarray | None:
        """One parameter's measure on each resample, (R, B); None for F1 of more than two classes."""
        cells = [(self._place_N[row], *cell) for row in at for cell in self._cells_N[row] or ()]
        place_N, true_N, predicted_N, count_N = np.array(cells, float).T
        C = int(max(true_N.max(), predicted_N.max(), 1)) + 1
        if measure == "f1" and C > 2:
            return None
        right_N = np.where(true_N == predicted_N, count_N, 0.0)

        def by_class(class_N: np.ndarray, value_N: np.ndarray) -> np.ndarray:
            sums = [self._drawn(place_N[of := class_N == c].astype(int), value_N[of]) for c in range(C)]
            return np.stack(sums, -1)

        return of_classes(measure, by_class(true_N, right_N), by_class(true_N, count_N), by_class(predicted_N, count_N))


def with_new_items(
    results: StudyResults,
    paired: Paired,
    pair: tuple[str, str],
    measure: str,
    component: str | None,
    difference_R: np.ndarray,
    monitoring: Monitoring | None = None,
) -> Paired:
    """The comparison with its second witness, the groups of test items; as it is where repeats test their own.

    Args:
        pair: arm and reference. measure, component: what is compared.
        difference_R: arm − reference by repeat, in the order of the study's repeats.
        monitoring: of a study that adds repeats: then those of the pair's last look are read.
    """
    if not results.shared:
        return paired
    read = slice(None if monitoring is None else monitoring.looks[pair].repeats)
    return replace(paired, shared=True, new_items=_new_items(results, pair, measure, component, difference_R, read))


def _new_items(
    results: StudyResults,
    pair: tuple[str, str],
    measure: str,
    component: str | None,
    difference_R: np.ndarray,
    read: slice,
) -> NewItems | None:
    scores = results.once(ItemScores)
    one_RB, other_RB = (scores.resampled(measure, component, arm) for arm in pair)
    if one_RB is None or other_RB is None:
        return None
    return on_new_items(
        difference_R[read],
        (one_RB - other_RB)[read],
        min(scores.groups_of(measure, component, arm) for arm in pair),
        alpha=results.study.alpha,
        left_out=results.left_out,
    )


def tested_text(results: StudyResults, part: str | None) -> str:
    """The test items that all repeats share, in words: ``31 test items``, with their groups where these are fewer.

    Without a number where no run recorded its items.

    Args:
        part: count the items of this component alone, where each is a data set; None: all.
    """
    rows = results.items if part is None else results.items[results.items["component"] == part]
    items, groups = len(set(rows["item"])), len(set(rows["group"]))
    if not items:
        return say("test items")
    text = counted(items, "test item")
    return text if groups == items else say("{items} of {groups}", items=text, groups=counted(groups, "group"))
