"""One training: everything that decides its numbers, and where it happens.

A value here either changes the numbers of a run, and then it is part of the fingerprint, or stands in
:data:`NOT_NUMBERS`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt, model_validator

from mmcore.config.custom import CustomMetric
from mmcore.config.data import AugmentationConfig, DataConfig, SplitConfig, Task
from mmcore.config.model import Model, ModelConfig
from mmcore.config.training import LossConfig, TrainingConfig
from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.measures import MEASURES, Measure, parse_metric
from mmcore.names import Name

NOT_NUMBERS = ("corpus", "repeat", "device", "threads")
"""Fields that are not in the fingerprint: paths and machine. The content of the corpus and the repeat are added to it
separately."""


class EvaluationConfig(Frozen):
    """How a trained model is tested. Runs that differ only here share their training."""

    without: tuple[Name, ...] = ()
    """Modalities that are removed from the test items; training and selection still use them."""
    test: bool = True
    """Whether test items are read at all. Off during tuning, which judges settings on validation items."""


class RunConfig(Frozen):
    """One training: everything that decides its numbers, and where it happens."""

    corpus: str
    """Folder of the corpus (format 1)."""
    repeat: NonNegativeInt = 0
    """Number of the repeat. It determines the split and the initialisation, the same for every arm."""
    task: Task | None = None
    """What is predicted from what; None: forecast if the targets are features of a modality, else label."""
    data: DataConfig = DataConfig()
    """How tables become windows."""
    split: SplitConfig = SplitConfig()
    """Shares of train, validation and test."""
    model: Model = ModelConfig()
    """The network."""
    loss: LossConfig = LossConfig()
    """The loss that training minimises."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Random changes of training windows."""
    training: TrainingConfig = TrainingConfig()
    """The training loop."""
    metrics: dict[Name, CustomMetric] = {}
    """Measures of your own, by name; each is scored beside ours and may be the study's metric."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How the trained model is tested."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where to train; auto: cuda, then mps, then cpu."""
    threads: PositiveInt | None = None
    """CPU threads of the run; None: one."""

    @model_validator(mode="after")
    def _metrics_are_known(self) -> RunConfig:
        for name in self.metrics:
            if name in MEASURES or "/" in name:
                why = "a measure of ours is called so" if name in MEASURES else "a slash parts component and measure"
                raise ConfigError(
                    f"a metric of your own cannot be called '{name}', since {why}",
                    next_step="Give it another name",
                    where=f"metrics.{name}",
                )
        if self.training.select is not None:
            try:
                parse_metric(self.training.select, self.measures)
            except ConfigError as error:
                raise ConfigError(error.rule, next_step=error.next_step, where="training.select") from None
        return self

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures of :attr:`metrics`, by name."""
        return {name: metric.measure(name) for name, metric in self.metrics.items()}

    @property
    def trains(self) -> bool:
        """Whether this run trains its model; otherwise it uses the model of the run that is tested with all
        modalities."""
        return not self.evaluation.without
