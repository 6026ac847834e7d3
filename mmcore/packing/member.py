"""A run at the moment when its model is to be trained."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mmcore.config import RunConfig
from mmcore.data.loader import Loader
from mmcore.events import OnEvent
from mmcore.record import Record
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
                # Where it trains alone, its windows may stay on the device; a pack puts those of its members together.
                self.loader.keep(next(self.state.model.parameters()).device),
                lambda: self.data.tally(self.predict, self.validation, self.selection.detailed),
                self.selection,
                self.config,
                self.objective,
                self.fingerprint,
                self.folder,
                self.on_event,
                self.watch,
            )


Steps: TypeAlias = Generator[Member, None, Record]
"""A run that waits once, with what is to be trained, until that is done elsewhere; its last word is the record."""


def concluded(steps: Steps, error: BaseException | None = None) -> Record:
    """The record of a run whose training is over.

    Args:
        error: what ended the training; the run decides whether it becomes a record or is raised again.
    """
    try:
        steps.send(None) if error is None else steps.throw(error)
    except StopIteration as done:
        return done.value
    raise AssertionError("a run is trained once")
