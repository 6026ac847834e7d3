"""What one arm's trained models scored on subsets of their modalities, gathered over repeats.

R repeats, S subsets (bit m of a subset is 1 where modality m is read), M modalities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmcore.analyses import Absence
from mmcore.answers.coalitions import CoalitionsResult
from mmcore.language import later, say, speaking
from reports.numbers import listing
from reports.records.frame import StudyResults
from reports.sections.yardstick import Yardstick
from reports.statistics.coalitions import interactions, shapley, shapley_of_orders

KIND = "coalitions"
WORDS: dict[Absence, str] = {
    "permuted": later("values of another item"),
    "mean": later("the training mean"),
    "zero": later("raw zeros"),
    "absent": later("marked absent"),
}
"""Ways of masking, in words; see :meth:`Masked.word` for a learned embedding of absence."""

LEARNED = later("absent (learned embedding)")
"""Told to be absent, where the model learned what stands for that."""


@dataclass(frozen=True)
class Masked:
    """Answers of the runs of one arm, which all masked the same modalities.

    Args:
        answers: by repeat. repeats: numbers of all R repeats, those without an answer among them.
    """

    arm: str
    answers: dict[int, CoalitionsResult]
    repeats: Sequence[int]
    yardstick: Yardstick

    @property
    def first(self) -> CoalitionsResult:
        """An answer: what it says of modalities and settings, all of them say."""
        return next(iter(self.answers.values()))

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of bits."""
        return self.first.modalities

    @property
    def absences(self) -> tuple[Absence, ...]:
        """Ways of masking that were measured in any repeat."""
        return tuple(kind for kind in WORDS if any(kind in answer.scores for answer in self.answers.values()))

    @property
    def sampled(self) -> bool:
        """Whether shares are estimates from random orders."""
        return self.first.orders is not None

    @property
    def single_donor(self) -> bool:
        """Whether a repeat has no additive projection, for a test item has a single other one to take values from."""
        return any(answer.single_donor for answer in self.answers.values())

    @property
    def alone(self) -> tuple[str, ...]:
        """Modalities that could not be permuted in some repeat."""
        return tuple(dict.fromkeys(name for answer in self.answers.values() for name in answer.alone))

    @property
    def learned(self) -> dict[str, float] | None:
        """What the learned embeddings of absence were trained on: mean share of the steps of training windows at which
        a modality was absent; None: nothing is learned about absence, or no answer says so."""
        known = [answer.learned for answer in self.answers.values() if answer.learned]
        return {name: float(np.mean([one[name] for one in known])) for name in self.modalities} if known else None

    @property
    def zero_absence(self) -> bool:
        """Whether some answer marked a modality absent although nothing was learned about absence."""
        return any("absent" in answer.scores and answer.learned is None for answer in self.answers.values())

    @property
    def untrained(self) -> tuple[str, ...]:
        """Modalities whose learned embedding of absence was never trained in some repeat."""
        known = [answer.learned for answer in self.answers.values() if answer.learned]
        return tuple(name for name in self.modalities if any(not one[name] for one in known))

    def word(self, absence: Absence, names: Sequence[str]) -> str:
        """:meth:`said` in English, as a key of tables."""
        with speaking("en"):
            return self.said(absence, names)

    def said(self, absence: Absence, names: Sequence[str]) -> str:
        """How these modalities were masked, in words: a learned embedding is named, and that it was never trained."""
        if absence != "absent" or self.learned is None:
            return say(WORDS[absence])
        never = [name for name in names if name in self.untrained]
        if not never:
            return say(LEARNED)
        if len(never) == len(names):
            return say("absent (learned embedding, never trained)")
        return say("absent (learned embedding, never trained for {names})", names=listing(never))

    def score(self, absence: Absence, component: str | None, subset: int) -> np.ndarray:
        """The study's measure by repeat, (R,); None: over all components."""
        return self._by_repeat(lambda answer: self._values(answer, absence, component).get(subset, np.nan))

    def shares(self, absence: Absence, component: str | None) -> np.ndarray:
        """Shapley values of the modalities, (R, M), more is better; estimates where orders were sampled."""
        M = len(self.modalities)
        share_RM = np.full((len(self.repeats), M), np.nan)
        for repeat, answer in self.answers.items():
            value = self._values(answer, absence, component)
            at = self.repeats.index(repeat)
            if value and answer.orders:
                share_RM[at] = shapley_of_orders(value, answer.orders)
            elif value:
                share_RM[at] = shapley(np.array([value[s] for s in range(2**M)], float))
        return self.yardstick.sign * share_RM

    def pairs(self, absence: Absence, component: str | None) -> np.ndarray:
        """Interaction indices of pairs, (R, M, M), more is better; NaN where subsets are only sampled."""
        M = len(self.modalities)
        pair_RMM = np.full((len(self.repeats), M, M), np.nan)
        for repeat, answer in self.answers.items():
            value = self._values(answer, absence, component)
            if value and not answer.orders:
                at = self.repeats.index(repeat)
                pair_RMM[at] = interactions(np.array([value[s] for s in range(2**M)], float))
        return self.yardstick.sign * pair_RMM

    def emap(self, component: str | None, part: Literal["corrected", "uncorrected"] = "corrected") -> np.ndarray:
        """Score of the additive projection, (R,)."""

        def value(answer: CoalitionsResult) -> float:
            return np.nan if answer.emap is None else self.yardstick.score(getattr(answer.emap, part), component)

        return self._by_repeat(value)

    def perceptual(self, modality: str, component: str, part: Literal["drop", "score"]) -> np.ndarray:
        """``drop`` of accuracy where the modality is permuted, or ``score``, that drop ÷ accuracy, (R,)."""

        def value(answer: CoalitionsResult) -> float:
            of = answer.perceptual and answer.perceptual[modality].get(component)
            return getattr(of, part) if of else np.nan

        return self._by_repeat(value)

    def _values(self, answer: CoalitionsResult, absence: Absence, component: str | None) -> dict[int, float]:
        """Score by subset, NaN where there is none; {} where this way of masking was not measured."""
        if absence not in answer.scores:
            return {}
        value_S = self.yardstick.scores(answer.scores[absence], component, len(answer.subsets))
        return dict(zip(answer.subsets, value_S.tolist(), strict=True))

    def _by_repeat(self, of: Callable[[CoalitionsResult], float]) -> np.ndarray:
        value_R = np.full(len(self.repeats), np.nan)
        for repeat, answer in self.answers.items():
            value_R[self.repeats.index(repeat)] = of(answer)
        return value_R


def masked(results: StudyResults) -> dict[str, Masked]:
    """By arm, in the order of the study: the arms whose runs were analysed."""
    by_arm: dict[str, dict[int, CoalitionsResult]] = {}
    for answer in results.answers(CoalitionsResult):
        by_arm.setdefault(answer.arm, {})[answer.repeat] = answer.result
    yardstick = Yardstick.of(results)
    return {
        arm.name: Masked(arm.name, by_arm[arm.name], results.study.numbers, yardstick)
        for arm in results.study.arms
        if arm.name in by_arm
    }
