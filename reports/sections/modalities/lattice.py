"""Arms that differ only in the modalities they read: what models retrained on each subset score.

R repeats, S subsets (bit m of a subset is 1 where modality m is read), M modalities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from reports.records.frame import StudyResults
from reports.sections.yardstick import Yardstick
from studies.resolved import ResolvedArm

BLIND = ("constant", "prior")
"""Naive predictors that read nothing at all: what stands for the empty subset, which no model can be trained on."""
_MATCHED = ("width", "feed_forward", "layers")
"""What bringing arms to one size may change."""


@dataclass(frozen=True)
class Lattice:
    """A model that reads all modalities, and models like it that read some of them.

    Args:
        modalities: in the order of bits. arms: subset to arm, the whole among them.
    """

    results: StudyResults
    modalities: tuple[str, ...]
    arms: dict[int, str]

    @property
    def whole(self) -> int:
        """The subset of all modalities."""
        return 2 ** len(self.modalities) - 1

    @property
    def arm(self) -> str:
        """The arm that reads all of them."""
        return self.arms[self.whole]

    @property
    def complete(self) -> bool:
        """Whether every subset has its arm, and a predictor that reads nothing was scored."""
        return len(self.arms) == self.whole and self.blind is not None

    @property
    def yardstick(self) -> Yardstick:
        """What arms are judged by."""
        return Yardstick.of(self.results)

    @cached_property
    def blind(self) -> str | None:
        """The naive predictor that stands for reading nothing: the first that has a score in the study's metric."""
        known = [name for name in BLIND if name in set(self.results.baselines["baseline"])]
        scored = [name for name in known if np.isfinite(self._naive(name, None)).any()]
        return next(iter(scored or known), None)

    def score(self, component: str | None, subset: int) -> np.ndarray:
        """The study's measure by repeat, (R,): NaN where it is not known. None: over all components."""
        if not subset:
            return self._naive(self.blind, component)
        yardstick = self.yardstick
        table = self.results.table(yardstick.measure.name, yardstick.resolve(component))
        return self._column(table, self.arms.get(subset))

    def values(self, component: str | None) -> np.ndarray:
        """The same by repeat and subset, (R, S), with the sign by which more is better."""
        return self.yardstick.sign * np.stack([self.score(component, s) for s in range(self.whole + 1)], -1)

    def _naive(self, name: str | None, component: str | None) -> np.ndarray:
        yardstick = self.yardstick
        table = self.results.baseline_table(yardstick.measure.name, yardstick.resolve(component))
        return self._column(table, name)

    def _column(self, table: pd.DataFrame, name: str | None) -> np.ndarray:
        repeats = self.results.study.numbers
        return table[name].reindex(repeats).to_numpy(float) if name in table else np.full(len(repeats), np.nan)


def lattices(results: StudyResults) -> list[Lattice]:
    """The lattices of a study, in the order of its arms: at least one modality is left out by itself in each."""
    every = results.corpus.modalities
    alike: dict[str, list[tuple[frozenset[str], str]]] = {}
    for arm in results.own_study.arms:
        # A placebo is read but carries no information: an arm with one is not a subset of any.
        if arm.config.trains and not arm.config.data.placebo:
            reads = arm.config.model.modalities
            alike.setdefault(_rest(results, arm), []).append((frozenset(every if reads is None else reads), arm.name))
    found = []
    for group in alike.values():
        largest, _ = max(group, key=lambda pair: len(pair[0]))
        modalities = tuple(name for name in every if name in largest)
        arms: dict[int, str] = {}
        for reads, name in group:
            if reads <= largest:
                # Where arms are matched in size, the first one stands for its unmatched duplicate.
                arms.setdefault(sum(1 << m for m, one in enumerate(modalities) if one in reads), name)
        whole = 2 ** len(modalities) - 1
        if len(modalities) > 1 and any(whole ^ 1 << m in arms for m in range(len(modalities))):
            found.append(Lattice(results, modalities, arms))
    return found


def _rest(results: StudyResults, arm: ResolvedArm) -> str:
    """Everything of an arm but the modalities it reads."""
    model = arm.config.model.model_copy(update={"modalities": None})
    if results.study.match is not None:
        like = results.own_study.arm(results.study.reference).config.model
        model = model.model_copy(update={name: getattr(like, name) for name in _MATCHED})
    return arm.config.model_copy(update={"model": model}).model_dump_json()
