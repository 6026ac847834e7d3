"""One training: everything that decides its numbers, and where it happens.

A value here either changes the numbers of a run, and then it is part of the fingerprint, or stands in
:data:`NOT_NUMBERS`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from mmcore.config.data import AugmentationConfig, DataConfig, SplitConfig, Task
from mmcore.config.model import ModelConfig
from mmcore.config.training import LossConfig, TrainingConfig
from mmcore.frozen import Frozen
from mmcore.names import Name

NOT_NUMBERS = ("corpus", "repeat", "device", "threads")
"""Left out of the fingerprint: paths and machine (the corpus counts by content, the repeat separately)."""


class EvaluationConfig(Frozen):
    """How a trained model is tested. Runs that differ here alone share their training."""

    without: tuple[Name, ...] = ()
    """Modalities that are taken away from the test items; training and selection see them."""
    test: bool = True
    """Whether test items are read at all. Off while settings are tuned, which is judged on validation items."""


class RunConfig(Frozen):
    """One training: everything that decides its numbers, and where it happens."""

    corpus: str
    """Folder of the corpus (format 1)."""
    repeat: NonNegativeInt = 0
    """Fixes the split and the initialisation, for every arm alike."""
    task: Task | None = None
    """What is predicted from what; None: forecast where the targets are a modality's features, else label."""
    data: DataConfig = DataConfig()
    """From tables to windows."""
    split: SplitConfig = SplitConfig()
    """Shares of train, validation and test."""
    model: ModelConfig = ModelConfig()
    """The network."""
    loss: LossConfig = LossConfig()
    """What is minimised."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """What is changed in training windows."""
    training: TrainingConfig = TrainingConfig()
    """How it is minimised."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How it is tested."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where to train; auto: cuda, then mps, then cpu."""
    threads: PositiveInt | None = None
    """CPU threads of the run; None: one."""

    @property
    def trains(self) -> bool:
        """Whether a run of its own trains the model; else it is that of a run which is tested with all modalities."""
        return not self.evaluation.without
