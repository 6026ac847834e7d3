"""Passes over a corpus: which items are read for whom, and what a predictor does on them. I items of the corpus."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch

from mmcore.batch import Batch
from mmcore.config import RunConfig, Task
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser, fit_normaliser
from mmcore.data.prepared import Prepared
from mmcore.errors import SplitError
from mmcore.events import Note, OnEvent
from mmcore.language import number_of, say_of
from mmcore.once import Made, once
from mmcore.training.baselines import Baseline, fit_baselines
from mmcore.training.custom_metrics import CustomMetrics
from mmcore.training.evaluation import MODEL, Naive, Pass, Predict, evaluate
from mmcore.training.tally import Tally


def normaliser_of(prepared: Prepared, train: Sequence[int]) -> Normaliser:
    """Fitted on the training items, see :func:`mmcore.data.normalisation.fit_normaliser`; shared by the runs of a
    process that have these items in common. Placebos change nothing about it: every item's own values count."""
    return once("normaliser", _of_store(prepared, train), lambda: fit_normaliser(prepared, train))


def _of_store(prepared: Prepared, train: Sequence[int]) -> tuple[Hashable, ...]:
    return prepared.path, prepared.key, prepared.content, tuple(train)


class Data:
    """What all passes over the corpus have in common; it counts, by item, the windows that they read.

    Args:
        config: of the run.
        prepared: the store as the run reads it.
        train: the training items. Normaliser and naive predictors are fitted to them.
        normaliser: fitted to these items.
        task: resolved.
        on_event: receives a note where items are too short for a window.
    """

    def __init__(
        self,
        config: RunConfig,
        prepared: Prepared,
        train: Sequence[int],
        normaliser: Normaliser,
        task: Task,
        on_event: OnEvent,
    ) -> None:
        self.config, self.prepared, self.normaliser, self.task = config, prepared, normaliser, task
        self.train, self.on_event = tuple(train), on_event
        self.targets = prepared.schema.targets
        self.complete = [item.complete for item in prepared.items]
        self.names = [item.name for item in prepared.items]
        self.groups = [item.group for item in prepared.items]
        self.deviation_P = torch.as_tensor(normaliser.target_deviation_P)
        self.own = CustomMetrics(config.metrics, self.targets, normaliser.target_mean_P, normaliser.target_deviation_P)
        """Measures of the user's."""
        self.read_I = np.zeros(len(prepared.items), np.int64)

    def loader(self, side: str, items: Sequence[int], stride: int | None = None) -> Loader:
        """Windows of one side of the split, as the model reads them; a note lists items that are too short for one.

        Raises:
            SplitError: its items are too short for a single target.
        """
        loader = self._loader(self.prepared.schema.chosen(self.config.model.modalities), items, stride)
        if not loader.windows:
            raise SplitError(
                f"the {side} side of the split needs at least one window",
                found=f"{number_of(len(items), 'item')}, all too short for the task",
                next_step="Use longer items, or a shorter task.horizon",
            )
        # Items without a step were told when the corpus was prepared.
        there = sum(self.prepared.items[item].steps > 0 for item in items)
        short = there - len(np.unique(loader.table_W4[:, 0]))
        if short:
            text = say_of(
                short,
                "1 of {all} {side} items is too short for the task and is left out",
                "{n} of {all} {side} items are too short for the task and are left out",
                all=there,
                side=side,
            )
            self.on_event(Note(text))
        return loader

    def targets_only(self, items: Sequence[int]) -> Loader:
        """Every target once; of the values, which baselines do not read, only the narrowest modality's."""
        modalities = self.prepared.schema.modalities
        narrowest = min(modalities, key=lambda name: len(modalities[name].columns))
        return self._loader((narrowest,), items, None)

    def handful(self, loader: Loader) -> Batch:
        """A few windows from all over a side, at most eight and one batch: enough to put a question to a model."""
        count = min(8, loader.batch, loader.windows)
        return next(loader.batches(np.linspace(0, loader.windows - 1, count).astype(int)))

    def tally(self, predict: Predict, loader: Loader, detailed: bool = True, by_item: bool = False) -> Tally:
        """What the model does on a loader's windows."""
        return self.evaluate({MODEL: predict}, loader.batches(), detailed, by_item)[MODEL]

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        """The naive predictors, fitted on the training items; runs of a process that have them in common share them."""

        def made() -> tuple[Baseline, ...]:
            return tuple(fit_baselines(self.targets_only(self.train).batches(), self.targets, self.task))

        return self._shared("baselines", self._judged, made)

    def naive(self, items: Sequence[int]) -> Naive:
        """What the naive predictors do on some items, the yardstick of skill; shared as they are."""
        baselines = self.baselines

        def made() -> Naive:
            predictors: dict[str | None, Predict] = {b.name: b.predict for b in baselines}
            return Naive(baselines, self.evaluate(predictors, self.targets_only(items).batches()))

        return self._shared("naive", (*self._judged, tuple(items)), made)

    def evaluate(
        self,
        predictors: Mapping[str | None, Predict],
        batches: Iterable[Batch],
        detailed: bool = True,
        by_item: bool = False,
    ) -> dict[str | None, Tally]:
        """What several predictors do on the same batches, see :func:`mmcore.training.evaluation.evaluate`."""
        return evaluate(predictors, batches, self.targets, self.complete, self.deviation_P, detailed, by_item, self.own)

    def a_pass(self, detailed: bool = True, by_item: bool = False) -> Pass:
        """A pass to which predictions are added from outside."""
        return Pass(Tally(self.targets, self.complete, self.deviation_P, detailed, by_item, self.own))

    @cached_property
    def _judged(self) -> tuple[Hashable, ...]:
        """All that the naive predictors and their losses depend on, but for the items that they predict."""
        settings = self.config.model_dump_json(include={"data", "task", "metrics"})
        return (*_of_store(self.prepared, self.train), self.config.repeat, settings)

    def _shared(self, what: str, given: tuple[Hashable, ...], make: Callable[[], Made]) -> Made:
        """A result of passes over the corpus that runs share, see :func:`mmcore.once.once`.

        The windows that it rests on count as read, whoever read them.
        """
        fresh = False

        def counted() -> tuple[Made, np.ndarray]:
            nonlocal fresh
            fresh, before_I = True, self.read_I.copy()
            made = make()
            return made, self.read_I - before_I

        made, read_I = once(what, given, counted)
        if not fresh:
            self.read_I += read_I
        return made

    def windows_read(self, items: Sequence[int]) -> int:
        """Windows of these items that any pass has read so far, each time that it was read."""
        return int(self.read_I[list(items)].sum())

    def scored(self, tally: Tally, items: Sequence[int]) -> list[int]:
        """The items that had at least one counted target."""
        return [item for item in items if tally.count_IP[item].any()]

    def _loader(self, modalities: Sequence[str], items: Sequence[int], stride: int | None) -> Loader:
        return Loader(
            self.prepared,
            self.normaliser,
            self.config.data,
            self.task,
            modalities,
            items,
            self.config.training.batch,
            stride,
            self.read_I,
        )
