"""From records and answers to dossiers: which tests are made, and which are corrected together.

Tests are paired by repeat. For each arm the gains of its modalities, their shares, overlaps and drops, the interactions
of pairs and the gaps to what is additive are families of their own, each of them twice: over all components together,
and by component. Each is corrected (Holm) by itself.

R repeats, S subsets, M modalities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from mmcore.analyses import Absence
from reports.analyses.dossier import Additive, Dossier, Pair, Part, Test
from reports.analyses.lattice import Lattice, lattices
from reports.analyses.masked import Masked, masked
from reports.frame import StudyResults
from reports.statistics.coalitions import interactions, last_gains, shapley
from reports.statistics.comparisons import compare
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.verdicts import decide


def assess(results: StudyResults) -> list[Dossier]:
    """One for each lattice of the study, and for each arm that was asked and is in none; [] where there are neither."""
    asked, found, inside = masked(results), [], set[str]()
    for lattice in lattices(results):
        found.append(_Maker(results, lattice, asked.get(lattice.arm)).make())
        inside |= set(lattice.arms.values())
    return found + [_Maker(results, None, one).make() for arm, one in asked.items() if arm not in inside]


class _Maker:
    """Tests for one arm; None stands wherever a question was not asked."""

    def __init__(self, results: StudyResults, lattice: Lattice | None, masked: Masked | None) -> None:
        self.results, self.lattice, self.masked = results, lattice, masked
        # A margin in another unit than skill means nothing here.
        self.margin = results.study.margin if results.study.metric.measure.name == "skill" else None
        if lattice is not None:
            self.arm, self.modalities = lattice.arm, lattice.modalities
        else:
            assert masked is not None
            self.arm, self.modalities = masked.arm, masked.modalities
        self.M = len(self.modalities)
        self.absences: tuple[Absence, ...] = masked.absences if masked is not None else ()
        self.main: Absence | None = next(iter(self.absences), None)

    def make(self) -> Dossier:
        """The dossier."""
        every = [c for c in self.results.components if np.isfinite(self._whole(c)).any()]
        # With a single component the whole is that component.
        families: list[list[str | None]] = [[None], [*every] if len(every) > 1 else []]
        parts = tuple(part for family in families for part in self._parts(family))
        bring = {(part.modality, part.component): part.brings for part in parts}
        return Dossier(
            arm=self.arm,
            modalities=self.modalities,
            components=tuple(c for family in families for c in family),
            lattice=self.lattice,
            masked=self.masked,
            main=self.main,
            parts=parts,
            pairs=tuple(pair for family in families for pair in self._pairs(family, bring)),
            additive=tuple(one for family in families for one in self._additive(family)),
        )

    def _whole(self, component: str | None) -> np.ndarray:
        """Skill with all modalities, (R,)."""
        if self.lattice is not None:
            return self.lattice.skill(component, self.lattice.whole)
        return self._masked_skill(self.main, component, 2**self.M - 1)

    def _masked_skill(self, absence: Absence | None, component: str | None, subset: int) -> np.ndarray:
        if self.masked is None or absence is None:
            return np.full(self.results.study.repeats, np.nan)
        return self.masked.skill(absence, component, subset)

    def _parts(self, family: Sequence[str | None]) -> list[Part]:
        def every(of: Callable[[str | None], np.ndarray | None]) -> list[np.ndarray | None]:
            """By component, then modality: what ``of`` gives as (R, M)."""
            found = [of(c) for c in family]
            return [
                None if x_RM is None or np.isnan(x_RM[:, m]).all() else x_RM[:, m]
                for x_RM in found
                for m in range(self.M)
            ]

        tests = zip(
            *(
                self._tests(every(of))
                for of in (self._gains, self._shares, self._overlaps, lambda c: self._drops(c, self.main))
            ),
            strict=True,
        )
        asked = [(c, m) for c in family for m in range(self.M)]
        return [
            Part(
                self.modalities[m], c, gain, share, overlap, self._alone(m, c), drop,
                {a: self._estimate(self._drops(c, a)[:, m]) for a in self.absences},
                {a: self._estimate(self.masked.shares(a, c)[:, m]) for a in self.absences if self.masked},
                self._perceptual(m, c, "drop"), self._perceptual(m, c, "score"),
            )
            for (c, m), (gain, share, overlap, drop) in zip(asked, tests, strict=True)
        ]  # fmt: skip

    def _gains(self, c: str | None) -> np.ndarray | None:
        return None if self.lattice is None else last_gains(self.lattice.values(c))

    def _shares(self, c: str | None) -> np.ndarray | None:
        return shapley(self.lattice.values(c)) if self.lattice is not None and self.lattice.complete else None

    def _overlaps(self, c: str | None) -> np.ndarray | None:
        gain_RM, share_RM = self._gains(c), self._shares(c)
        return None if gain_RM is None or share_RM is None else share_RM - gain_RM

    def _drops(self, c: str | None, absence: Absence | None) -> np.ndarray:
        whole = 2**self.M - 1
        full_R = self._masked_skill(absence, c, whole)
        return np.stack([full_R - self._masked_skill(absence, c, whole ^ 1 << m) for m in range(self.M)], -1)

    def _alone(self, m: int, c: str | None) -> Estimate | None:
        if self.lattice is None:
            return None
        told = self._estimate(self.lattice.skill(c, 1 << m) - self.lattice.skill(c, 0))
        return told if told.n else None

    def _perceptual(self, m: int, c: str | None, part: str) -> Estimate | None:
        if self.masked is None or c is None:
            return None
        told = self._estimate(self.masked.perceptual(self.modalities[m], c, part))
        return told if told.n else None

    def _pairs(self, family: Sequence[str | None], bring: Mapping[tuple[str, str | None], bool]) -> list[Pair]:
        complete = self.lattice is not None and self.lattice.complete
        retrained = {c: interactions(self.lattice.values(c)) for c in family if self.lattice and complete}
        of_masked: dict[str | None, dict[Absence, np.ndarray]] = {
            c: {a: self.masked.pairs(a, c) for a in self.absences if self.masked} for c in family
        }
        asked = [(c, i, j) for c in family for i, j in combinations(range(self.M), 2)]
        tests = self._tests([retrained[c][:, i, j] if retrained else None for c, i, j in asked])
        return [
            Pair(
                self.modalities[i], self.modalities[j], c, test,
                {a: self._estimate(pair_RMM[:, i, j]) for a, pair_RMM in of_masked[c].items()},
                (bring[self.modalities[i], c], bring[self.modalities[j], c]),
            )
            for (c, i, j), test in zip(asked, tests, strict=True)
        ]  # fmt: skip

    def _additive(self, family: Sequence[str | None]) -> list[Additive]:
        if self.masked is None:
            return []
        emap = {c: self.masked.emap(c) for c in family}
        # A mean beside another one is over the same repeats.
        whole = {c: np.where(np.isfinite(emap[c]), self._whole(c), np.nan) for c in family}
        gaps = self._tests([whole[c] - emap[c] if np.isfinite(emap[c]).any() else None for c in family])
        return [
            Additive(
                c, self._estimate(whole[c]), self._estimate(emap[c]),
                self._estimate(self.masked.emap(c, "uncorrected")), gap,
            )
            for c, gap in zip(family, gaps, strict=True)
            if gap is not None
        ]  # fmt: skip

    def _tests(self, values: Sequence[np.ndarray | None]) -> list[Test | None]:
        """Each sample against 0, corrected together."""
        alpha, overlap = self.results.study.alpha, self.results.overlap
        family = [compare(v, np.zeros_like(v), alpha=alpha, overlap=overlap) for v in values if v is not None]
        made = iter(
            [
                Test(p, d, self.margin)
                for p, d in zip(family, decide(family, alpha=alpha, margin=self.margin), strict=True)
            ]
        )
        return [None if v is None else next(made) for v in values]

    def _estimate(self, value_R: np.ndarray) -> Estimate:
        return estimate(value_R, 1 - self.results.study.alpha, self.results.overlap)
