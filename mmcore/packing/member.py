"""A run at the moment when its model is to be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mmcore.config import RunConfig
from mmcore.data.loader import Loader
from mmcore.events import OnEvent
from mmcore.scoring import Data
from mmcore.training.evaluation import Predict
from mmcore.training.loop import State, train
from mmcore.training.objective import Objective
from mmcore.training.selection import Selection


@dataclass(frozen=True, eq=False)
class Member:
    """Everything that its training needs; see :func:`mmcore.training.loop.train`.

    Args:
        loader, validation: windows of the two sides. data: passes over them. predict: the model as a predictor.
        computing: opens what holds for the process while the run computes: threads, and products on graphics cards.
    """

    state: State
    loader: Loader
    validation: Loader
    data: Data
    predict: Predict
    selection: Selection
    config: RunConfig
    objective: Objective
    fingerprint: str
    folder: Path
    on_event: OnEvent
    watch: Callable[[], Mapping[str, float]]
    computing: Callable[[], AbstractContextManager[None]]

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return self.state.finished(self.config.training)

    def train(self) -> None:
        """Train it by itself.

        Raises:
            TrainingDiverged: NaN or Inf in a loss or a gradient.
        """
        with self.computing():
            train(
                self.state,
                self.loader,
                lambda: self.data.tally(self.predict, self.validation, self.selection.detailed),
                self.selection,
                self.config,
                self.objective,
                self.fingerprint,
                self.folder,
                self.on_event,
                self.watch,
            )
