"""One running trial: the scores of its runs so far, and what it reports.

Pruning. After each epoch of its first repeat, a trial reports the objective of the best epoch so far, since this epoch
would count. Then it reports the mean over its repeats at the end of each. If the pruner ends the trial, its run is
stopped between two steps: it leaves a checkpoint but no record, and does not count as a failure. With ``wilcoxon`` each
repeat is one step. The pruner is asked after each report, in order, and knows only the trials that
:mod:`experiments.tuning.view` shows it. So a trial ends at the same epoch whether its run is trained now, was
interrupted, or is in the home already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

import optuna

from experiments.tuning.notes import TrialNotes
from mmcore.config import RunConfig
from mmcore.events import EpochDone, Event, Progress
from mmcore.record import Record
from studies.search.resolved import ResolvedSearch

Row = Mapping[str, float | None]
"""An epoch of a history; None where a column has no value."""


@dataclass
class OpenTrial:
    """A trial of this process that goes on.

    Args:
        search: what it is a trial of.
        trial: Optuna's, in the storage.
        view: the same in memory, with what it may know.
        notes: what is known of it as it begins: its proposal, settings and runs.
        config: what its settings mean.
        on_report: hears of each step and value that is reported.
        repeats: objectives of the repeats that are finished.
        records: their records.
        best: what chooses the epoch, higher is better, and the objective at the best epoch of the first repeat so far.
        seen: epochs of the first repeat that were looked at.
        steps: what was reported.
        pruned: whether it is to end early.
        shown: whether the user has heard of it.
    """

    search: ResolvedSearch
    trial: optuna.Trial
    view: optuna.Trial
    notes: TrialNotes
    config: RunConfig
    on_report: Callable[[int, float], None]
    repeats: list[list[float]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    best: tuple[float, float] = (-math.inf, math.nan)
    seen: int = 0
    steps: set[int] = field(default_factory=set)
    pruned: bool = False
    shown: bool = False

    @property
    def rank(self) -> int:
        """Of its proposal."""
        assert self.notes.rank is not None
        return self.notes.rank

    def epochs(self, record: Record | None) -> list[int]:
        """Epochs of each of its runs that it took, in order.

        Args:
            record: of the run at which it ended, where that one is not among the finished repeats.
        """
        taken = [known.epochs for known in self.records]
        if len(taken) == len(self.notes.fingerprints):
            return taken
        if self.pruned and not taken:
            return [self.seen]
        return taken if record is None else [*taken, record.epochs]

    def take(self, record: Record) -> Literal["goes on", "pruned", "no value"]:
        """A finished repeat, by its record; whether the trial goes on. :meth:`epoch` has had every row of the first."""
        values = [objective.of(record) for objective in self.search.objective]
        if not all(math.isfinite(value) for value in values):
            return "no value"
        self.repeats.append(values)
        self.records.append(record)
        if len(values) > 1:
            return "goes on"
        if self.search.pruner == "wilcoxon":
            self._report(len(self.repeats) - 1, values[0])
        else:
            self._report(len(self.repeats) * self.config.training.epochs, fmean(r[0] for r in self.repeats))
        self.pruned = len(self.repeats) < self.search.repeats and self.should_prune()
        return "pruned" if self.pruned else "goes on"

    def epoch(self, row: Row) -> bool:
        """An epoch of the first repeat: report what would count if it were the last; whether the trial ends here."""
        epoch = int(row["epoch"] or 0)
        if self.pruned or epoch <= self.seen:
            return self.pruned
        self.seen = epoch
        self._look(row)
        self.pruned = epoch < self.config.training.epochs and self.should_prune()
        return self.pruned

    def _look(self, row: Row) -> None:
        select = self.search.select(self.config)
        column = self.search.objective[0].column(select)
        if len(self.search.objective) > 1 or column is None or self.search.pruner == "wilcoxon":
            return
        criterion = row.get(select.column)
        if criterion is not None and math.isfinite(criterion):
            criterion = criterion if select.measure.higher_is_better else -criterion
        else:
            loss = row.get("validation/loss")
            criterion = float(row["epoch"] or 0) if loss is None or not math.isfinite(loss) else -loss
        value = row.get(column)
        if value is not None and math.isfinite(value) and criterion > self.best[0]:
            self.best = (criterion, value)
        if math.isfinite(self.best[1]):
            self._report(int(row["epoch"] or 0), self.best[1])

    def should_prune(self) -> bool:
        """What the pruner says; several objectives are never pruned."""
        return len(self.search.objective) == 1 and self.view.should_prune()

    def components(self) -> dict[str, dict[str, float]]:
        """Loss and skill of each component on validation items, mean over the finished repeats that have them."""
        gathered: dict[str, dict[str, list[float]]] = {}
        for record in self.records:
            for s in record.scores:
                mine = (s.split, s.items, s.baseline, s.parameter) == ("validation", "all", None, None)
                if mine and s.component and s.metric in ("loss", "skill") and not math.isnan(s.value):
                    gathered.setdefault(s.component, {}).setdefault(s.metric, []).append(s.value)
        return {c: {metric: fmean(values) for metric, values in known.items()} for c, known in gathered.items()}

    def _report(self, step: int, value: float) -> None:
        if step not in self.steps:
            self.steps.add(step)
            self.view.report(value, step)
            self.trial.report(value, step)
            self.on_report(step, value)


def in_trial(event: Event, repeat: int, repeats: int) -> Event:
    """An event of a run as one of its trial: epochs are counted on over the repeats."""
    match event:
        case Progress(epoch, epochs, step, steps):
            return Progress(repeat * epochs + epoch, repeats * epochs, step, steps)
        case EpochDone(epoch, epochs, row):
            return EpochDone(repeat * epochs + epoch, repeats * epochs, row)
        case other:
            return other
