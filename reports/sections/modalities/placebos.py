"""An arm, and the same arm with one modality from another item: their scores show what the modality's values bring.

R repeats, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmcore.config import RunConfig
from reports.records.frame import StudyResults
from reports.sections.yardstick import Yardstick


@dataclass(frozen=True)
class Placebos:
    """An arm, and the same with a placebo of one modality.

    Args:
        modalities: that the arm reads, in the corpus's order. controls: modality to the arm with its placebo.
    """

    results: StudyResults
    arm: str
    modalities: tuple[str, ...]
    controls: Mapping[str, str]

    def gains(self, component: str | None) -> np.ndarray:
        """The arm's score − that with a placebo, (R, M), more is better; NaN where a score or the control is missing.

        None: the study's metric itself.
        """
        whole_R = self.score(component)
        nothing_R = np.full(len(whole_R), np.nan)
        lost = [
            whole_R - self._column(self.controls[name], component) if name in self.controls else nothing_R
            for name in self.modalities
        ]
        return Yardstick.of(self.results).sign * np.stack(lost, -1)

    def score(self, component: str | None) -> np.ndarray:
        """The arm's score by repeat, (R,): NaN where it is not known."""
        return self._column(self.arm, component)

    def _column(self, arm: str, component: str | None) -> np.ndarray:
        yardstick, repeats = Yardstick.of(self.results), self.results.study.numbers
        table = self.results.table(yardstick.measure.name, yardstick.resolve(component))
        return table[arm].reindex(repeats).to_numpy(float) if arm in table else np.full(len(repeats), np.nan)


def placebos(results: StudyResults) -> dict[str, Placebos]:
    """By arm, in the order of the study: arms of which a study has a version that differs only in one placebo."""
    every = results.corpus.modalities
    found: dict[str, dict[str, str]] = {}
    trained = [arm for arm in results.own_study.arms if arm.config.trains]
    for control in trained:
        if len(control.config.data.placebo) != 1:
            continue
        (name,) = control.config.data.placebo
        own = next((arm.name for arm in trained if arm.config == _own(control.config)), None)
        if own is not None:
            found.setdefault(own, {}).setdefault(name, control.name)
    result = {}
    for arm in trained:
        if arm.name in found:
            reads = arm.config.model.modalities
            modalities = tuple(name for name in every if reads is None or name in reads)
            result[arm.name] = Placebos(results, arm.name, modalities, found[arm.name])
    return result


def _own(config: RunConfig) -> RunConfig:
    """The same with every modality of its own item."""
    return config.model_copy(update={"data": config.data.model_copy(update={"placebo": ()})})
