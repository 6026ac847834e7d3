"""On which items an arm is better: paired differences of loss by test item, as tidy tables.

C components, A arms, R repeats, I items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmcore.language import say
from mmcore.skill import skill_per_loss
from reports.records.frame import StudyResults
from reports.records.long import spelt_out
from reports.statistics.items import per_item, two_level
from reports.statistics.multiplicity import holm

DIFFERENCE_COLUMNS = (
    "arm", "reference", "component", "item", "group", "n", "difference", "low", "high", "deviation", "won",
)  # fmt: skip
OVERALL_COLUMNS = (
    "arm", "reference", "component", "difference", "low", "high", "p", "p_holm", "items", "groups", "repeats",
    "items_won",
)  # fmt: skip


def item_differences(results: StudyResults, whole: bool = False) -> pd.DataFrame:
    """One row per comparison of the study, component and item; columns :data:`DIFFERENCE_COLUMNS`.

    ``difference`` is the arm's loss − the reference's, mean over the ``n`` repeats that tested the item: below 0 the
    arm is better. ``low`` and ``high`` are its t interval at 1 − alpha, widened where splits overlap and not corrected
    for the number of items; ``won`` counts repeats in which the arm's loss is the lower one. Component None is all
    components together, of items that have targets in all of them. In a study of skill it is the mean over components
    of the difference of losses, each times the skill that a unit of it costs between the two arms (see
    :func:`mmcore.skill.skill_per_loss`, of losses over all repeats): −difference is what the item brings to the gain in
    skill, and no component can outweigh the others. Elsewhere losses are added up.

    Args:
        whole: leave out single components where a comparison has all together.
    """
    losses, level = _Losses.of(results), 1 - results.study.alpha
    rows = []
    for arm, reference, component, difference_RI in losses.differences(results.study.pairs, whole):
        estimates = per_item(difference_RI, level, results.overlap)
        won_I = (difference_RI < 0).sum(axis=0).tolist()
        rows += [
            (arm, reference, component, item, group, e.n, e.mean, e.low, e.high, e.deviation, won)
            for item, group, e, won in zip(losses.items, losses.groups, estimates, won_I, strict=True)
            if e.n
        ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def together(results: StudyResults) -> str:
    """How components are brought together, in words."""
    if results.study.metric.measure.name == "skill":
        return say("all components together, each weighted by how much skill a unit of its loss costs")
    return say("added up over all components")


def whole_differences(results: StudyResults) -> pd.DataFrame:
    """:func:`item_differences` without single components where a comparison has all together."""
    return item_differences(results, whole=True)


def item_overall(results: StudyResults) -> pd.DataFrame:
    """One row per comparison of the study and component; columns :data:`OVERALL_COLUMNS`.

    ``difference`` is the mean over all tests of an item in a repeat, below 0 where the arm is better; ``low`` and
    ``high`` are the two-level bootstrap interval at 1 − alpha, ``p`` its two-sided p. ``p_holm`` is corrected for the
    comparisons of all components together, the first row of each, as one family, and for all other rows as another.
    ``items_won`` counts items on which the arm's mean loss is the lower one.
    """
    losses, level = _Losses.of(results), 1 - results.study.alpha
    rows = []
    for arm, reference, component, difference_RI in losses.differences(results.study.pairs):
        found = two_level(difference_RI, losses.groups, level)
        # A sum over repeats has the sign of their mean.
        won = int((np.nansum(difference_RI, axis=0) < 0).sum())
        numbers = (found.mean, found.low, found.high, found.p, np.nan)
        rows.append((arm, reference, component, *numbers, found.items, found.groups, found.repeats, won))
    overall = pd.DataFrame(rows, columns=list(OVERALL_COLUMNS))
    again = overall.duplicated(["arm", "reference"])
    for family in (overall.index[~again], overall.index[again]):
        overall.loc[family, "p_holm"] = holm(overall.loc[family, "p"].to_list())
    return overall


@dataclass(frozen=True)
class _Losses:
    """Every loss by component, arm, repeat and item, NaN where there is none; items by name, with their groups.

    ``naive_CRI``, ``count_CRI``: naive loss and number of counted targets, the same for all arms; 0 where not known.
    ``skill``: whether components come together by what their losses cost of the skill.
    """

    loss_CARI: np.ndarray
    naive_CRI: np.ndarray
    count_CRI: np.ndarray
    skill: bool
    components: list[str]
    arms: dict[str, int]
    items: list[str]
    groups: list[str]

    @classmethod
    def of(cls, results: StudyResults) -> _Losses:
        rows = spelt_out(results.items, "item", "group")
        (component, components), (arm, arms), (repeat, repeats), (item, items) = (
            pd.factorize(rows[name], sort=name in ("repeat", "item")) for name in ("component", "arm", "repeat", "item")
        )
        loss_CARI = np.full((len(components), len(arms), len(repeats), len(items)), np.nan)
        loss_CARI[component, arm, repeat, item] = rows["loss"].to_numpy(float)
        groups = rows.drop_duplicates("item").set_index("item")["group"].reindex(items)
        naive_CRI, count_CRI = np.zeros((2, len(components), len(repeats), len(items)))
        for values_CRI, name in ((naive_CRI, "naive_loss"), (count_CRI, "count")):
            values_CRI[component, repeat, item] = np.nan_to_num(rows[name].to_numpy(float))
        names = {str(a): i for i, a in enumerate(arms)}
        skill = results.study.metric.measure.name == "skill"
        return cls(loss_CARI, naive_CRI, count_CRI, skill, list(components), names, list(items), groups.tolist())

    def weights(self, one: int, other: int) -> np.ndarray:
        """What each component's losses count by in the whole of two arms, (C,); 0: it stays out."""
        if not self.skill:
            return np.ones(len(self.components))
        both_CARI = self.loss_CARI[:, [one, other]]
        count_CRI = np.where(np.isfinite(both_CARI).all(axis=1), self.count_CRI, 0.0)
        sums_C2 = (np.nan_to_num(both_CARI) * count_CRI[:, None]).sum(axis=(2, 3))
        naive_C, counts_C = (self.naive_CRI * count_CRI).sum(axis=(1, 2)), count_CRI.sum(axis=(1, 2))
        means = [np.divide(x_C, counts_C, out=np.zeros_like(x_C), where=counts_C > 0) for x_C in (*sums_C2.T, naive_C)]
        # Where nothing is naively wrong there is no skill.
        weight_C = np.nan_to_num(skill_per_loss(*means))
        return weight_C / max(1, np.count_nonzero(weight_C))

    def differences(
        self, pairs: Sequence[tuple[str, str]], whole: bool = False
    ) -> Iterator[tuple[str, str, str | None, np.ndarray]]:
        """Arm, reference, component and difference_RI of what both have; all components together first, or alone."""
        for arm, reference in pairs:
            if arm not in self.arms or reference not in self.arms:
                continue
            difference_CRI = self.loss_CARI[:, self.arms[arm]] - self.loss_CARI[:, self.arms[reference]]
            known = np.flatnonzero(np.isfinite(difference_CRI).any(axis=(1, 2)))
            weight_C = self.weights(self.arms[arm], self.arms[reference])
            counted = known[weight_C[known] > 0]
            if len(known) > 1 and len(counted):
                # NaN where any part is: no item is compared on fewer components than the others.
                yield arm, reference, None, np.einsum("c,cri->ri", weight_C[counted], difference_CRI[counted])
                if whole:
                    continue
            for c in known:
                yield arm, reference, self.components[c], difference_CRI[c]
