"""A run when others may do its work: when its model is to be trained, and when it is to be scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch

from mmcore.config import RunConfig
from mmcore.data.loader import Loader
from mmcore.events import OnEvent
from mmcore.record import Record
from mmcore.scoring import Data
from mmcore.training.evaluation import Pass, Predict
from mmcore.training.loop import State, train
from mmcore.training.objective import Objective
from mmcore.training.selection import Selection


@dataclass(frozen=True, eq=False)
class Member:
    """Everything that its training needs; see :func:`mmcore.training.loop.train`.

    Args:
        loader, validation: windows of the two sides. data: passes over them. predict: the model as a predictor.
        computing: opens what holds for the process while the run computes: threads, and products on graphics cards.
        asked: once it is trained and has its best parameters: windows of the sides that are scored, and what counts
            their predictions; () before.
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
    asked: tuple[tuple[Loader, Pass], ...] = ()

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

    def score(self) -> None:
        """Answer what it is asked by itself."""
        began = time.monotonic()
        with self.computing(), torch.inference_mode():
            for loader, found in self.asked:
                for batch in loader.batches():
                    found.add(self.predict(batch), batch)
        self.state.seconds += time.monotonic() - began


Steps: TypeAlias = Generator[Member, None, Record]
"""A run that waits twice until work is done elsewhere: with what is to be trained, and, unless the training diverged,
with what is to be scored. Its last word is the record. While it waits, its clock stands still."""


def advanced(steps: Steps, error: BaseException | None = None) -> Member | Record:
    """A run after its next step: waiting once more, or with its record.

    Args:
        error: what ended the work for which it waited; the run decides whether it becomes a record or is raised again.
    """
    try:
        return steps.send(None) if error is None else steps.throw(error)
    except StopIteration as done:
        return done.value


def concluded(steps: Steps, error: BaseException | None = None) -> Record:
    """The record of a run whose training is over, scored by itself; ``error`` as in :func:`advanced`."""
    now = advanced(steps, error)
    while isinstance(now, Member):
        try:
            now.score()
        except BaseException as problem:
            now = advanced(steps, problem)
        else:
            now = advanced(steps)
    return now
