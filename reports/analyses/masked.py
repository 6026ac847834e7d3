"""What one arm's trained models scored on subsets of their modalities, gathered over repeats.

R repeats, S subsets (bit m of a subset is 1 where modality m is read), M modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcore.analyses import Absence
from reports.frame import StudyResults
from reports.numerals import listing
from reports.statistics.coalitions import interactions, shapley, shapley_of_orders

KIND = "coalitions"
WORDS: dict[Absence, str] = {
    "permuted": "values of another item",
    "mean": "the training mean",
    "zero": "raw zeros",
    "absent": "told to be absent",
}
"""Ways of masking, in words; see :meth:`Masked.word` for a learned embedding of absence."""

LEARNED = "absent (learned embedding)"
"""Told to be absent, where the model learned what stands for that."""


@dataclass(frozen=True)
class Masked:
    """Answers of the runs of one arm, which all masked the same modalities.

    Args:
        answers: by repeat. repeats: R, those without an answer among them.
    """

    arm: str
    answers: dict[int, dict[str, Any]]
    repeats: int

    @property
    def first(self) -> dict[str, Any]:
        """An answer: what it says of modalities and settings, all of them say."""
        return next(iter(self.answers.values()))

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of bits."""
        return tuple(self.first["modalities"])

    @property
    def absences(self) -> tuple[Absence, ...]:
        """Ways of masking that were measured in any repeat."""
        return tuple(kind for kind in WORDS if any(kind in answer["skill"] for answer in self.answers.values()))

    @property
    def sampled(self) -> bool:
        """Whether shares are estimates from random orders."""
        return self.first["orders"] is not None

    @property
    def single_donor(self) -> bool:
        """Whether a repeat has no additive projection, for a test item has a single other one to take values from."""
        return any(answer.get("single_donor", False) for answer in self.answers.values())

    @property
    def alone(self) -> tuple[str, ...]:
        """Modalities that could not be permuted in some repeat."""
        return tuple(dict.fromkeys(name for answer in self.answers.values() for name in answer["alone"]))

    @property
    def learned(self) -> dict[str, float] | None:
        """What the learned embeddings of absence were trained on: mean share of the steps of training windows at which
        a modality was absent; None: nothing of absence is learned, or no answer tells."""
        told = [answer["learned"] for answer in self.answers.values() if answer.get("learned")]
        return {name: float(np.mean([one[name] for one in told])) for name in self.modalities} if told else None

    @property
    def zero_absence(self) -> bool:
        """Whether some answer is known to have been told to be absent with nothing learned."""
        return any("absent" in a["skill"] and a.get("learned", ()) is None for a in self.answers.values())

    @property
    def untrained(self) -> tuple[str, ...]:
        """Modalities whose learned embedding of absence was never trained in some repeat."""
        told = [answer["learned"] for answer in self.answers.values() if answer.get("learned")]
        return tuple(name for name in self.modalities if any(not one[name] for one in told))

    def word(self, absence: Absence, names: Sequence[str]) -> str:
        """How these modalities were masked, in words: a learned embedding is named, and that it was never trained."""
        if absence != "absent" or self.learned is None:
            return WORDS[absence]
        never = [name for name in names if name in self.untrained]
        if not never:
            return LEARNED
        told = "" if len(never) == len(names) else f" for {listing(never)}"
        return f"{LEARNED.removesuffix(')')}, never trained{told})"

    def skill(self, absence: Absence, component: str | None, subset: int) -> np.ndarray:
        """Skill by repeat, (R,), where all but a subset is masked; None: over all components."""
        return self._by_repeat(lambda answer: _values(answer, absence, component).get(subset))

    def shares(self, absence: Absence, component: str | None) -> np.ndarray:
        """Shapley values of the modalities, (R, M); estimates where orders were sampled."""
        M = len(self.modalities)
        share_RM = np.full((self.repeats, M), np.nan)
        for repeat, answer in self.answers.items():
            value = {s: np.nan if v is None else v for s, v in _values(answer, absence, component).items()}
            if value and answer["orders"]:
                share_RM[repeat] = shapley_of_orders(value, answer["orders"])
            elif value:
                share_RM[repeat] = shapley(np.array([value[s] for s in range(2**M)], float))
        return share_RM

    def pairs(self, absence: Absence, component: str | None) -> np.ndarray:
        """Interaction indices of pairs, (R, M, M); NaN where subsets are only sampled."""
        M = len(self.modalities)
        pair_RMM = np.full((self.repeats, M, M), np.nan)
        for repeat, answer in self.answers.items():
            value = _values(answer, absence, component)
            if value and not answer["orders"]:
                pair_RMM[repeat] = interactions(np.array([value[s] for s in range(2**M)], float))
        return pair_RMM

    def emap(self, component: str | None, part: str = "skill") -> np.ndarray:
        """Skill of the additive projection, (R,)."""
        return self._by_repeat(lambda answer: answer["emap"] and _of(answer["emap"][part], component))

    def perceptual(self, modality: str, component: str, part: str) -> np.ndarray:
        """``drop`` of accuracy where the modality is permuted, or ``score``, that drop ÷ accuracy, (R,)."""
        return self._by_repeat(
            lambda answer: answer["perceptual"] and answer["perceptual"][modality].get(component, {}).get(part)
        )

    def _by_repeat(self, of: Any) -> np.ndarray:
        value_R = np.full(self.repeats, np.nan)
        for repeat, answer in self.answers.items():
            value = of(answer)
            value_R[repeat] = np.nan if value is None else value
        return value_R


def masked(results: StudyResults) -> dict[str, Masked]:
    """By arm, in the order of the study: the arms whose runs were asked."""
    by_arm: dict[str, dict[int, dict[str, Any]]] = {}
    for answer in results.answers(KIND):
        by_arm.setdefault(answer["arm"], {})[answer["repeat"]] = answer["result"]
    return {
        arm.name: Masked(arm.name, by_arm[arm.name], results.study.repeats)
        for arm in results.study.arms
        if arm.name in by_arm
    }


def _values(answer: dict[str, Any], absence: Absence, component: str | None) -> dict[int, float | None]:
    """Skill by subset; {} where it was not measured."""
    if absence not in answer["skill"]:
        return {}
    values: Sequence[float | None] = _of(answer["skill"][absence], component)
    return dict(zip(answer["subsets"], values, strict=True))


def _of(told: dict[str, Any], component: str | None) -> Any:
    return told["whole"] if component is None else told["components"][component]
