"""What each modality is good for, as data: retrained without it, masked in the trained model, together with others.

Every number is a score in the study's metric, or a difference of scores, signed so that more is better. The rules by
which a word is chosen stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmcore.analyses import Absence
from mmcore.language import later, speaking
from reports.sections.family import Test
from reports.sections.modalities.lattice import Lattice
from reports.sections.modalities.masked import Masked
from reports.sections.yardstick import Yardstick
from reports.statistics.intervals import Estimate
from reports.verdicts.dominance import Dominance

Useful = Literal[
    "useful",
    "redundant",
    "partly redundant",
    "harmful",
    "not needed",
    "differs by component",
    "not shown",
]
Used = Literal["used", "misleading", "not used", "differs by component", "not shown"]
Interplay = Literal["together", "overlap", "hinder", "apart", "differs by component", "not shown"]


def differs(test: Test | None, made_of: Dominance | None) -> bool:
    """Whether a word for all components would describe only one of them, or average components that disagree."""
    if test is None or made_of is None:
        return False
    return made_of.disagree or (test.sign != 0 and made_of.dominated)


@dataclass(frozen=True)
class Part:
    """One modality and one component; None: the study's metric itself.

    Args:
        gain: score with all modalities − score of models trained without this one. share: Shapley value over all
            subsets, each retrained. overlap: share − gain. alone: score of reading it alone − of reading nothing.
        drop: score − score where it is masked in the main way. drops, shares: the same, and Shapley values, for each
            way of masking.
        accuracy, perceptual: drop of accuracy where it is permuted, and that ÷ accuracy.
        placebo: score with all modalities − score of models trained with a placebo of this one: of the same size, so
            that size explains none of it. What is useful rests on it where the study has that arm.
        gain_of, drop_of: which components the gain (over the placebo, where there is one) and the drop of the whole
            come from; None: it has no components.
    """

    modality: str
    component: str | None
    gain: Test | None
    share: Test | None
    overlap: Test | None
    alone: Test | None
    drop: Test | None
    drops: Mapping[Absence, Estimate]
    shares: Mapping[Absence, Estimate]
    accuracy: Estimate | None
    perceptual: Estimate | None
    placebo: Test | None = None
    gain_of: Dominance | None = None
    drop_of: Dominance | None = None

    @property
    def anew(self) -> Test | None:
        """What its use next to all others rests on: its placebo where there is one, else models without it."""
        return self.gain if self.placebo is None else self.placebo

    @property
    def useful(self) -> Useful | None:
        """Does training with it help? None: no models were trained with a placebo of it, nor without it."""
        test = self.anew
        if test is None:
            return None
        if differs(test, self.gain_of):
            return "differs by component"
        if test.sign:
            return "useful" if test.sign > 0 else "harmful"
        brings = self.share is not None and self.share.sign > 0
        if test.none:
            return "redundant" if brings else "not needed"
        return "partly redundant" if brings and self.overlap and self.overlap.sign > 0 else "not shown"

    @property
    def brings(self) -> bool:
        """Whether it is shown to bring more than counts as none: next to all others, over all subsets, or alone."""
        return any(test is not None and test.sign > 0 for test in (self.anew, self.share, self.alone))

    @property
    def used(self) -> Used | None:
        """Does the trained model rely on it? None: not analysed."""
        if self.drop is None:
            return None
        if differs(self.drop, self.drop_of):
            return "differs by component"
        if self.drop.sign:
            return "used" if self.drop.sign > 0 else "misleading"
        return "not used" if self.drop.none else "not shown"

    @property
    def disagreement(self) -> str | None:
        """What is odd where both are known, as a key in English; None: they agree, or one is not shown."""
        if self.placebo is not None and self.placebo.none and self.gain is not None and self.gain.sign > 0:
            return later("helps in training, yet a placebo of the same size helps as much")
        controlled = self.placebo is not None
        match self.useful, self.used:
            case ("redundant" | "not needed", "used"):
                if controlled:
                    return later("is used, yet a model trained with a placebo in its place does as well")
                return later("is used, yet a model trained without it does as well")
            case ("harmful", "used"):
                if controlled:
                    return later("is used, yet a model trained with a placebo in its place does better")
                return later("is used, yet a model trained without it does better")
            case ("useful", "not used"):
                return later("helps in training, yet the trained model does as well without it")
            case ("useful", "misleading"):
                return later("helps in training, yet the trained model does better with another item's values")
            case _:
                return None


@dataclass(frozen=True)
class Pair:
    """Two modalities and one component; None: all components.

    Args:
        retrained: interaction index over all subsets, each retrained. masked: the same of the trained model, for
            each way of masking. bring: whether each of the two is shown to bring anything, without which there is
            nothing that they could do together or twice. made_of: which components the index of the whole comes from.
    """

    one: str
    other: str
    component: str | None
    retrained: Test | None
    masked: Mapping[Absence, Estimate]
    bring: tuple[bool, bool]
    made_of: Dominance | None = None

    @property
    def word(self) -> Interplay | None:
        """Do they need each other? None: not every subset was trained."""
        if self.retrained is None:
            return None
        if differs(self.retrained, self.made_of):
            return "differs by component"
        if self.retrained.none:
            return "apart"
        if self.retrained.sign < 0:
            return "overlap" if all(self.bring) else "hinder"
        return "together" if self.retrained.sign > 0 and all(self.bring) else "not shown"


@dataclass(frozen=True)
class Additive:
    """What a model scores without any interaction of modalities, by component; None: all components.

    Args:
        gap: its score − that of its additive projection, more is better.
    """

    component: str | None
    score: Estimate
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
    yardstick: Yardstick
    modalities: tuple[str, ...]
    components: tuple[str | None, ...]
    lattice: Lattice | None
    masked: Masked | None
    main: Absence | None
    parts: tuple[Part, ...]
    pairs: tuple[Pair, ...]
    additive: tuple[Additive, ...]

    @property
    def controlled(self) -> bool:
        """Whether the study has a placebo of some modality, on which the word ``useful`` rests."""
        return any(part.placebo is not None for part in self.parts)

    def way(self, absence: Absence | None, names: Sequence[str] | None = None) -> str:
        """:meth:`said_way` in English, as a key of tables."""
        with speaking("en"):
            return self.said_way(absence, names)

    def said_way(self, absence: Absence | None, names: Sequence[str] | None = None) -> str:
        """A way of masking these modalities, in words; None: all of them. Empty where nothing was masked."""
        if self.masked is None or absence is None:
            return ""
        return self.masked.said(absence, self.modalities if names is None else names)

    def part(self, modality: str, component: str | None) -> Part:
        """The part of that modality and component."""
        return next(p for p in self.parts if (p.modality, p.component) == (modality, component))
