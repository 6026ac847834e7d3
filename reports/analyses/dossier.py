"""What each modality is good for, as data: retrained without it, masked in the trained model, together with others.

Every number is a skill or a difference of skills. The rules by which a word is chosen stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmcore.analyses import Absence
from reports.analyses.lattice import Lattice
from reports.analyses.masked import Masked
from reports.statistics.comparisons import Paired
from reports.statistics.intervals import Estimate
from reports.statistics.verdicts import Decision

Useful = Literal["useful", "redundant", "partly redundant", "harmful", "not needed", "not shown"]
Used = Literal["used", "misleading", "not used", "not shown"]
Interplay = Literal["together", "overlap", "hinder", "apart", "not shown"]


@dataclass(frozen=True)
class Test:
    """A mean over repeats against 0, and its decision within its family."""

    __test__ = False

    paired: Paired
    decision: Decision
    margin: float | None

    @property
    def estimate(self) -> Estimate:
        """Mean and interval."""
        return self.paired.difference

    @property
    def sign(self) -> int:
        """1 above 0, −1 below, where that is decided and more than the study counts as none; else 0."""
        mean, least = self.estimate.mean, self.margin or 0.0
        if self.decision.verdict == "better" and mean > least:
            return 1
        return -1 if self.decision.verdict == "worse" and mean < -least else 0

    @property
    def none(self) -> bool:
        """Whether it is shown to be no more than the study counts as none."""
        narrow, verdict = self.paired.narrow, self.decision.verdict
        # A difference that is real may still be shown to be a small one: its whole interval, not its mean alone.
        within = self.margin is not None and -self.margin <= narrow.low and narrow.high <= self.margin
        return verdict == "equivalent" or (verdict in ("better", "worse") and within)


@dataclass(frozen=True)
class Part:
    """One modality and one component; None: all components.

    Args:
        gain: skill with all modalities − skill of models trained without this one. share: Shapley value over all
            subsets, each trained anew. overlap: share − gain. alone: skill of reading it alone − of reading nothing.
        drop: skill − skill where it is masked in the main way. drops, shares: the same, and Shapley values, for each
            way of masking.
        accuracy, perceptual: drop of accuracy where it is permuted, and that ÷ accuracy.
    """

    modality: str
    component: str | None
    gain: Test | None
    share: Test | None
    overlap: Test | None
    alone: Estimate | None
    drop: Test | None
    drops: Mapping[Absence, Estimate]
    shares: Mapping[Absence, Estimate]
    accuracy: Estimate | None
    perceptual: Estimate | None

    @property
    def useful(self) -> Useful | None:
        """Does training with it help? None: no models were trained without it."""
        if self.gain is None:
            return None
        if self.gain.sign:
            return "useful" if self.gain.sign > 0 else "harmful"
        brings = self.share is not None and self.share.sign > 0
        if self.gain.none:
            return "redundant" if brings else "not needed"
        return "partly redundant" if brings and self.overlap and self.overlap.sign > 0 else "not shown"

    @property
    def brings(self) -> bool:
        """Whether it is shown to bring more than the study counts as none: over all subsets, or read alone."""
        least = (self.gain.margin if self.gain else None) or 0.0
        alone = self.alone is not None and self.alone.low > 0 and self.alone.mean > least
        return alone or (self.share is not None and self.share.sign > 0)

    @property
    def used(self) -> Used | None:
        """Does the trained model rely on it? None: it was not asked."""
        if self.drop is None:
            return None
        if self.drop.sign:
            return "used" if self.drop.sign > 0 else "misleading"
        return "not used" if self.drop.none else "not shown"

    @property
    def disagreement(self) -> str | None:
        """What is odd where both are known; None: they agree, or one is not shown."""
        match self.useful, self.used:
            case ("redundant" | "not needed", "used"):
                return "is used, yet a model trained without it does as well"
            case ("harmful", "used"):
                return "is used, yet a model trained without it does better"
            case ("useful", "not used"):
                return "helps in training, yet the trained model does as well without it"
            case ("useful", "misleading"):
                return "helps in training, yet the trained model does better with another item's values"
            case _:
                return None


@dataclass(frozen=True)
class Pair:
    """Two modalities and one component; None: all components.

    Args:
        retrained: interaction index over all subsets, each trained anew. masked: the same of the trained model, for
            each way of masking. bring: whether each of the two is shown to bring anything, without which there is
            nothing in which they could overlap.
    """

    one: str
    other: str
    component: str | None
    retrained: Test | None
    masked: Mapping[Absence, Estimate]
    bring: tuple[bool, bool]

    @property
    def word(self) -> Interplay | None:
        """Do they need each other? None: not every subset was trained."""
        if self.retrained is None:
            return None
        if self.retrained.sign:
            less = "overlap" if all(self.bring) else "hinder"
            return "together" if self.retrained.sign > 0 else less
        return "apart" if self.retrained.none else "not shown"


@dataclass(frozen=True)
class Additive:
    """What a model scores without any interaction of modalities, by component; None: all components.

    Args:
        gap: its skill − that of its additive projection.
    """

    component: str | None
    skill: Estimate
    projected: Estimate
    uncorrected: Estimate
    gap: Test


@dataclass(frozen=True)
class Dossier:
    """All of it for one arm.

    Args:
        main: the way of masking that ``used`` rests on; None: nothing was masked.
    """

    arm: str
    modalities: tuple[str, ...]
    components: tuple[str | None, ...]
    lattice: Lattice | None
    masked: Masked | None
    main: Absence | None
    parts: tuple[Part, ...]
    pairs: tuple[Pair, ...]
    additive: tuple[Additive, ...]

    def way(self, absence: Absence | None, names: Sequence[str] | None = None) -> str:
        """A way of masking these modalities, in words; None: all of them. Empty where nothing was masked."""
        if self.masked is None or absence is None:
            return ""
        return self.masked.word(absence, self.modalities if names is None else names)

    def part(self, modality: str, component: str | None) -> Part:
        """The part of that modality and component."""
        return next(p for p in self.parts if (p.modality, p.component) == (modality, component))
