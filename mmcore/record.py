"""The record of a run: what it was, and everything that it found. No torch.

A run makes one (:func:`mmcore.run.run`), ``experiments/records.py`` writes and reads it, and
``reports/records/frame.py`` turns the records of a study into tables. A field that records of earlier versions lack has
a default, which stands for "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import TrainingDiverged
from mmcore.facts import (
    Chosen,
    CorpusFacts,
    Environment,
    Failure,
    GateUse,
    Hardware,
    Leakage,
    Rounding,
    SplitFacts,
)
from mmcore.frozen import Number
from mmcore.scores import ItemLoss, NaiveClasses, Outcome, Reliability, Score


# The whole ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands first in a record, for readers that look at every run of a study.

    Args:
        fingerprint: the run's identity, 32 hexadecimal digits.
        failure: why the run failed; None where it is done.
        epochs: epochs trained. best_epoch: the epoch whose checkpoint was scored. stopped_early: by patience.
        steps: optimiser steps. seconds: training and scoring together, over all sessions of a resumed run.
    """

    fingerprint: str
    repeat: int
    status: Literal["done", "failed"]
    failure: Failure | None
    epochs: int
    best_epoch: int
    stopped_early: bool
    steps: int
    seconds: float

    @property
    def done(self) -> bool:
        """Whether it has a result."""
        return self.status == "done"

    @property
    def why(self) -> str:
        """Why it failed; empty where it is done."""
        return "" if self.failure is None else self.failure.text

    @property
    def is_final(self) -> bool:
        """Whether this is its last word: it is done, or its training diverged, which would happen again.

        Whatever else ended a run (a full disk, no memory, a worker that died) is kept and shown as a failure, too, but
        the next call of the same command tries again.
        """
        return self.done or (self.failure is not None and self.failure.error == TrainingDiverged.__name__)


@dataclass(frozen=True, kw_only=True, repr=False)
class Run(Head):
    """A run without its rows.

    Args:
        config: the whole config, defaults included; of a run that other code trained, its settings.
        parameters: number of trained parameters by part: ``total, embedding, fusion, encoder, head``; {} where no model
            was made.
        flops: floating-point operations of one forward pass over one window, by the same parts.
        numerics: version of the numerics.
        gates: by name; {} for a fusion without gates and for a failed run, None in records from before they were
            measured.
        rounding: None for a run in fp32.
        study, arm: for which the run was trained. started, finished: times in ISO format. All of them are empty until
            the record is kept.
    """

    config: RunConfig | ForeignConfig
    corpus: CorpusFacts
    split: SplitFacts
    parameters: Mapping[str, int]
    flops: Mapping[str, int]
    numerics: int
    leakage: Leakage = field(default_factory=Leakage)
    selection: Chosen = field(default_factory=Chosen)
    gates: Mapping[str, GateUse] | None = None
    hardware: Hardware = field(default_factory=Hardware)
    rounding: Rounding | None = None
    study: str = ""
    arm: str = ""
    environment: Environment = field(default_factory=Environment)
    started: str = ""
    finished: str = ""

    def __repr__(self) -> str:
        return f"<run of {self.name}: {self.status}>"

    @property
    def name(self) -> str:
        """The run in words."""
        return f"arm '{self.arm}', repeat {self.repeat}"

    @property
    def device(self) -> str | None:
        """What it was trained on; in records of earlier versions, what it was to be trained on."""
        return self.hardware.device or self.environment.device

    def reused_from(self, study: str) -> str | None:
        """The study for which it was trained, where that is another one; else None."""
        return None if self.study in ("", study) else self.study


@dataclass(frozen=True, kw_only=True, repr=False)
class Record(Run):
    """Everything a run has to say: :class:`Run`, and its rows.

    Args:
        scores: of the model and of the naive baselines.
        history: one flat row an epoch: ``epoch, steps, seconds, learning_rate, gradient_norm (mean),
            gradient_norm_max, clipped (share of steps), train/loss, train/loss/COMPONENT, validation/loss,
            validation/loss/COMPONENT, validation/skill, validation/skill/COMPONENT``, and the metric that chooses the
            epoch as ``validation/MEASURE`` or ``validation/MEASURE/COMPONENT``; where the weighting of losses is not
            fixed, also ``weight/COMPONENT``, the mean weight of the epoch's steps. Losses are plain ones, whatever is
            minimised.
        items: one row for each scored test item and component.
        outcomes: one row for each scored test item and parameter with a counted target.
        calibration: () where nothing is a class.
        naive_classes: one row for each parameter with classes.

    Records of earlier versions lack the last three.
    """

    scores: tuple[Score, ...]
    history: tuple[Mapping[str, Number], ...]
    items: tuple[ItemLoss, ...]
    outcomes: tuple[Outcome, ...] = ()
    calibration: tuple[Reliability, ...] = ()
    naive_classes: tuple[NaiveClasses, ...] = ()

    @property
    def run(self) -> Run:
        """The same without its rows."""
        return Run(**{each.name: getattr(self, each.name) for each in fields(Run)})

    def score(
        self, metric: str = "skill", component: str | None = None, split: str = "test", items: str = "all"
    ) -> float:
        """One number of the model.

        Args:
            metric: a measure, or ``COMPONENT/MEASURE``.

        Raises:
            KeyError: the run has no such score; lists those it has.
        """
        if component is None and "/" in metric:
            component, _, metric = metric.rpartition("/")
        for s in self.scores:
            if (s.split, s.items, s.metric, s.component, s.baseline, s.parameter) == (
                split, items, metric, component, None, None
            ):  # fmt: skip
                return s.value
        have = sorted({f"{s.component}/{s.metric}" if s.component else s.metric for s in self.scores if not s.baseline})
        raise KeyError(f"no score '{metric}' for component {component}, split '{split}'; there are {', '.join(have)}")
