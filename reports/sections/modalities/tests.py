"""From records and answers to dossiers: which tests are made, and which are judged together.

Scores are those of the study's metric, paired by repeat. The section's questions make two families, of which each may
spend half of alpha (:mod:`reports.sections.family`), so that the chance of any false word in the section is at most
alpha where no modality does anything:

- over the study's metric itself: of every arm in the text, the gain, share, overlap (share − gain) and drop of
  every modality, its gain over its placebo, and what it scores alone; the interaction of every pair; and the gap to
  what is additive;
- the same of every other component.

With a single component there is one family. Whatever word is chosen (:mod:`reports.sections.modalities.dossier`) rests
on these.

R repeats, S subsets, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from mmcore.analyses import Absence
from reports.records.frame import StudyResults
from reports.sections.family import Test, judge_together
from reports.sections.modalities.dossier import Additive, Dossier, Pair, Part
from reports.sections.modalities.lattice import Lattice, lattices
from reports.sections.modalities.masked import Masked, masked
from reports.sections.modalities.placebos import Placebos, placebos
from reports.sections.yardstick import Yardstick
from reports.statistics.coalitions import interactions, last_gains, shapley
from reports.statistics.intervals import Estimate, estimate
from reports.verdicts.dominance import Dominance, dominance

Kind = Literal["gain", "share", "overlap", "alone", "drop", "placebo", "pair", "gap"]
OF_PARTS: tuple[Kind, ...] = ("gain", "share", "overlap", "alone", "drop", "placebo")


@dataclass(frozen=True)
class _Question:
    """What is tested against 0: of a modality, of a pair, or (gap) of the whole model."""

    kind: Kind
    component: str | None
    which: tuple[int, ...]


def assess(results: StudyResults) -> list[Dossier]:
    """One for each lattice of the study, and for each arm that was asked or has placebos and is in none; [] where there
    is none of these."""
    asked, controlled, makers, inside = masked(results), placebos(results), list[_Maker](), set[str]()
    for lattice in lattices(results):
        makers.append(_Maker(results, lattice, asked.get(lattice.arm), controlled.get(lattice.arm)))
        inside |= set(lattice.arms.values())
    rest = [a.name for a in results.study.arms if a.name not in inside and (a.name in asked or a.name in controlled)]
    makers += [_Maker(results, None, asked.get(arm), controlled.get(arm)) for arm in rest]
    judged = _judged(results, makers)
    return [maker.make(tests) for maker, tests in zip(makers, judged, strict=True)]


def _judged(results: StudyResults, makers: list[_Maker]) -> list[dict[_Question, Test]]:
    """Every question of every maker, in at most two families."""
    every = [(i, q, value_R) for i, maker in enumerate(makers) for q, value_R in maker.questions.items()]
    families = [[one for one in every if (one[1].component is None) == of_whole] for of_whole in (True, False)]
    families = [family for family in families if family]
    yardstick = Yardstick.of(results)
    judged: list[dict[_Question, Test]] = [{} for _ in makers]
    for family in families:
        tests = judge_together(
            [value_R for *_, value_R in family],
            alpha=results.study.alpha,
            overlap=results.overlap,
            margins=[yardstick.margin_of(q.component) for _, q, _ in family],
            families=len(families),
        )
        for (i, q, _), test in zip(family, tests, strict=True):
            if test is not None:
                judged[i][q] = test
    return judged


class _Maker:
    """The tests about one arm; None wherever a test was not made."""

    def __init__(
        self, results: StudyResults, lattice: Lattice | None, masked: Masked | None, placebos: Placebos | None
    ) -> None:
        self.results, self.lattice, self.masked, self.placebos = results, lattice, masked, placebos
        self.yardstick = Yardstick.of(results)
        first = lattice or masked or placebos
        assert first is not None
        self.arm, self.modalities = first.arm, first.modalities
        self.M = len(self.modalities)
        self.absences: tuple[Absence, ...] = masked.absences if masked is not None else ()
        self.main: Absence | None = next(iter(self.absences), None)
        known = [c for c in self.yardstick.others(results) if np.isfinite(self._whole(c)).any()]
        # With a single component the whole is that component.
        alone = self.yardstick.component is None and len(known) == 1
        self.components: tuple[str | None, ...] = (None, *(() if alone else known))

    @cached_property
    def questions(self) -> dict[_Question, np.ndarray]:
        """Everything that is tested against 0, (R,) each, without what is known in no repeat."""
        found: dict[_Question, np.ndarray] = {}
        for c in self.components:
            gain_RM = None if self.lattice is None else last_gains(self.lattice.values(c))
            share_RM = shapley(self.lattice.values(c)) if self.lattice is not None and self.lattice.complete else None
            over_RM = None if gain_RM is None or share_RM is None else share_RM - gain_RM
            placebo_RM = None if self.placebos is None else self.placebos.gains(c)
            asked = (gain_RM, share_RM, over_RM, self._alone(c), self._drops(c, self.main), placebo_RM)
            by_kind = zip(OF_PARTS, asked, strict=True)
            for kind, x_RM in by_kind:
                if x_RM is not None:
                    found |= {_Question(kind, c, (m,)): x_RM[:, m] for m in range(self.M)}
            if self.lattice is not None and self.lattice.complete:
                pair_RMM = interactions(self.lattice.values(c))
                for i, j in combinations(range(self.M), 2):
                    found[_Question("pair", c, (i, j))] = pair_RMM[:, i, j]
            if self.masked is not None:
                found[_Question("gap", c, ())] = self.yardstick.sign * (self._whole_masked(c) - self.masked.emap(c))
        return {q: value_R for q, value_R in found.items() if np.isfinite(value_R).any()}

    def make(self, tests: Mapping[_Question, Test]) -> Dossier:
        """The dossier."""
        parts = tuple(self._part(tests, m, c) for c in self.components for m in range(self.M))
        bring = {(part.modality, part.component): part.brings for part in parts}
        return Dossier(
            arm=self.arm,
            yardstick=self.yardstick,
            modalities=self.modalities,
            components=self.components,
            lattice=self.lattice,
            masked=self.masked,
            main=self.main,
            parts=parts,
            pairs=tuple(pair for c in self.components for pair in self._pairs(tests, c, bring)),
            additive=tuple(self._additive(tests[q], q.component) for q in tests if q.kind == "gap"),
        )

    def _part(self, tests: Mapping[_Question, Test], m: int, c: str | None) -> Part:
        gain, share, overlap, alone, drop, placebo = (tests.get(_Question(kind, c, (m,))) for kind in OF_PARTS)
        return Part(
            self.modalities[m], c, gain, share, overlap, alone, drop,
            {a: self._estimate(self._masked_drops(c, a)[:, m]) for a in self.absences},
            {a: self._estimate(self.masked.shares(a, c)[:, m]) for a in self.absences if self.masked},
            self._perceptual(m, c, "drop"), self._perceptual(m, c, "score"), placebo,
            self._made_of(tests, _Question("gain" if placebo is None else "placebo", c, (m,))),
            self._made_of(tests, _Question("drop", c, (m,))),
        )  # fmt: skip

    def _made_of(self, tests: Mapping[_Question, Test], question: _Question) -> Dominance | None:
        """Which components an effect on the whole comes from; None for a whole that is one component, or is one."""
        if question.component is not None or self.yardstick.component is not None or len(self.components) < 3:
            return None
        asked = [replace(question, component=c) for c in self.components if c is not None]
        values = {q.component: self.questions[q] for q in asked if q in self.questions}
        signs = {q.component: tests[q].sign for q in asked if q in tests}
        return dominance({c: v for c, v in values.items() if c}, {c: sign for c, sign in signs.items() if c})

    def _whole(self, component: str | None) -> np.ndarray:
        """Score with all modalities, (R,)."""
        if self.lattice is not None:
            return self.lattice.score(component, self.lattice.whole)
        if self.masked is None and self.placebos is not None:
            return self.placebos.score(component)
        return self._whole_masked(component)

    def _whole_masked(self, component: str | None) -> np.ndarray:
        """The same, as the analysis measured it; as the record has it where nothing was masked."""
        return self._masked_score(self.main, component, 2**self.M - 1)

    def _masked_score(self, absence: Absence | None, component: str | None, subset: int) -> np.ndarray:
        if self.masked is None or absence is None:
            return np.full(self.results.study.repeats, np.nan)
        return self.masked.score(absence, component, subset)

    def _alone(self, c: str | None) -> np.ndarray | None:
        if self.lattice is None:
            return None
        value_RS = self.lattice.values(c)
        return value_RS[:, [1 << m for m in range(self.M)]] - value_RS[:, :1]

    def _drops(self, c: str | None, absence: Absence | None) -> np.ndarray | None:
        return None if absence is None else self._masked_drops(c, absence)

    def _masked_drops(self, c: str | None, absence: Absence) -> np.ndarray:
        whole = 2**self.M - 1
        full_R = self._masked_score(absence, c, whole)
        lost_RM = np.stack([full_R - self._masked_score(absence, c, whole ^ 1 << m) for m in range(self.M)], -1)
        return self.yardstick.sign * lost_RM

    def _perceptual(self, m: int, c: str | None, part: Literal["drop", "score"]) -> Estimate | None:
        of = self.yardstick.resolve(c)
        if self.masked is None or of is None:
            return None
        estimate = self._estimate(self.masked.perceptual(self.modalities[m], of, part))
        return estimate if estimate.n else None

    def _pairs(
        self, tests: Mapping[_Question, Test], c: str | None, bring: Mapping[tuple[str, str | None], bool]
    ) -> list[Pair]:
        of_masked: dict[Absence, np.ndarray] = {a: self.masked.pairs(a, c) for a in self.absences if self.masked}
        return [
            Pair(
                self.modalities[i], self.modalities[j], c, tests.get(_Question("pair", c, (i, j))),
                {a: self._estimate(pair_RMM[:, i, j]) for a, pair_RMM in of_masked.items()},
                (bring[self.modalities[i], c], bring[self.modalities[j], c]),
                self._made_of(tests, _Question("pair", c, (i, j))),
            )
            for i, j in combinations(range(self.M), 2)
        ]  # fmt: skip

    def _additive(self, gap: Test, c: str | None) -> Additive:
        assert self.masked is not None
        emap_R = self.masked.emap(c)
        # A mean beside another one is over the same repeats.
        whole_R = np.where(np.isfinite(emap_R), self._whole_masked(c), np.nan)
        uncorrected = self._estimate(self.masked.emap(c, "uncorrected"))
        return Additive(c, self._estimate(whole_R), self._estimate(emap_R), uncorrected, gap)

    def _estimate(self, value_R: np.ndarray) -> Estimate:
        return estimate(value_R, 1 - self.results.study.alpha, self.results.overlap)
