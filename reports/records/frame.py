"""From the records of a study to tidy tables: the only place that turns records into tables.

``scores`` has one row a number of a finished run, ``baselines`` one row a number of a naive predictor and repeat,
``history`` one row an epoch, ``items`` one row a scored test item and component, ``outcomes`` one row a scored test
item and parameter. Everything after this file reads these tables, and what is left of the records without their rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from statistics import fmean
from typing import TypeVar, cast

import pandas as pd

from mmcore.answers.answer import Answered, Failure, Result
from mmcore.facts import CorpusFacts, Drawn, Side, SplitFacts
from mmcore.measures import MEASURES, Measure
from mmcore.quality import QualityRow
from mmcore.record import Record, Run
from mmcore.scores import NaiveClasses
from reports.records.collected import Collected
from reports.records.looks import Look
from reports.records.origin import Foreign, Origin
from reports.records.wide import WideTables
from studies.resolved import AnyStudy, ResolvedStudy, is_native
from studies.search.results import SearchResult

RUN_COLUMNS = (
    "arm", "repeat", "fingerprint", "status", "failure", "reused_from", "seconds", "epochs", "best_epoch",
    "stopped_early", "steps", "parameters", "flops", "train_groups", "validation_groups", "test_groups", "drawn",
    "commit", "dirty",
    "python", "torch", "platform", "device", "threads", "packages", "started", "finished", "probed_windows",
    "forbidden_gradient", "copy_skill", "numerics", "divided_groups", "test_windows_read", "gates", "precision",
    "twins", "all_groups", "sides", "rounding",
)  # fmt: skip
NAIVE_CLASS_COLUMNS = ("repeat", "parameter", "component", "classes")

Table = TypeVar("Table")
R = TypeVar("R", bound=Result | Failure)


@dataclass(frozen=True, repr=False)
class StudyResults:
    """A study and everything that its runs left behind, as tidy tables; their columns are named in
    :mod:`reports.records.long`.

    Args:
        study: the resolved study.
        runs: every run without its rows, failed ones too.
        scores: numbers of the models of finished runs; columns :data:`SCORE_COLUMNS`. NaN: nothing to measure.
        baselines: numbers of the naive predictors, once per repeat; columns :data:`BASELINE_COLUMNS`.
        history: one row an epoch: ``arm, repeat, status`` and the columns of a record's history.
        items: losses of finished runs by test item; columns :data:`ITEM_COLUMNS`. NaN: no target of it counts.
        outcomes: what finished runs did on each test item and parameter; columns :data:`OUTCOME_COLUMNS`. ``error`` is
            NaN for classes, ``cells`` None for continuous parameters; see :class:`mmcore.record.Outcome`. Without the
            runs whose records are of before it was kept.
        calibration: confidence against accuracy of class predictions on test items; columns
            :data:`CALIBRATION_COLUMNS`. Without the runs whose records are of before it was measured.
        naive_classes: the class that naive predictors name, once per repeat and parameter; columns
            :data:`NAIVE_CLASS_COLUMNS`, ``classes`` a tuple with one a track. Without the repeats whose records are of
            before it was kept.
        quality: rows of the corpus's quality report.
        corpus: from the first record that has it.
        analyses: answers of analyses, one a run and kind.
        search: what was tuned before the arms were compared.
        foreign: what is known of scores that mmstudy's own training did not make; None where it made them.
        earlier_looks: see :func:`reports.records.looks.earlier_looks`.
    """

    study: AnyStudy
    runs: tuple[Run, ...]
    scores: pd.DataFrame
    baselines: pd.DataFrame
    history: pd.DataFrame
    items: pd.DataFrame
    outcomes: pd.DataFrame
    calibration: pd.DataFrame
    naive_classes: pd.DataFrame
    quality: tuple[QualityRow, ...] = ()
    origin: Origin = field(default_factory=Origin)
    corpus: CorpusFacts = field(default_factory=CorpusFacts)
    analyses: tuple[Answered[Result | Failure], ...] = ()
    search: tuple[SearchResult, ...] = ()
    foreign: Foreign | None = None
    earlier_looks: tuple[Look, ...] = ()

    def __repr__(self) -> str:
        return f"<results of study '{self.study.name}': {len(self.runs)} runs, {len(self.scores)} scores>"

    def answers(self, kind: type[R]) -> list[Answered[R]]:
        """What an analysis found, one a run, in the order of the plan; without those that failed.

        Args:
            kind: the type of its results; :class:`Failure` for all that failed.
        """
        return [cast(Answered[R], answer) for answer in self.analyses if isinstance(answer.result, kind)]

    @cached_property
    def done(self) -> tuple[Run, ...]:
        """The finished runs."""
        return tuple(run for run in self.runs if run.done)

    def once(self, table: Callable[[StudyResults], Table]) -> Table:
        """A table that several readers need, computed for the first of them."""
        known = self.__dict__.setdefault("_known", {})
        if table not in known:
            known[table] = table(self)
        return known[table]

    @cached_property
    def drawn(self) -> Drawn:
        """How the test side came about; ``each_repeat`` where nothing is finished."""
        if self.foreign is not None:
            return "corpus" if self.foreign.shared else "each_repeat"
        known: set[Drawn | None] = {run.split.came_about for run in self.done}
        return (known.pop() if len(known) == 1 else None) or "each_repeat"

    @property
    def own_study(self) -> ResolvedStudy:
        """The study whose models mmstudy trains, for whatever looks at models and their configs.

        Raises:
            TypeError: the scores come from elsewhere.
        """
        if not is_native(self.study):
            raise TypeError("the models of these scores are not mmstudy's own")
        return self.study

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The measures that scores may name: the user's own, and of runs that mmstudy trained all that it knows."""
        own = self.study.metric.measure
        return {own.name: own} if self.foreign is not None else MEASURES | self.study.measures

    @property
    def paired(self) -> bool:
        """Whether arms are compared repeat by repeat."""
        return self.foreign is None or self.foreign.paired

    @property
    def components(self) -> tuple[str, ...]:
        """Loss components in the corpus's order."""
        return self.corpus.components

    @cached_property
    def overlap(self) -> float:
        """Test size ÷ training size in groups, mean over finished runs: the Nadeau–Bengio term.

        0 where all repeats share their test side: they do so on purpose, claims are about these items, and the term
        does not apply.
        """
        if self.foreign is not None:
            return self.foreign.overlap
        if self.drawn != "each_repeat" or not self.done:
            return 0.0
        return fmean(run.split.groups("test") / run.split.groups("train") for run in self.done)

    @cached_property
    def left_out(self) -> float:
        """Groups that a training side leaves out ÷ groups that it holds, mean over finished runs; 0 without any."""
        if self.foreign is not None:
            return self.foreign.left_out
        if not self.done:
            return 0.0
        splits = [run.split for run in self.done]
        return fmean((one.groups("validation") + one.groups("test")) / one.groups("train") for one in splits)

    @property
    def shared(self) -> bool:
        """Whether all repeats test the same items: then repeats alone say nothing about other items of the corpus."""
        return self.drawn != "each_repeat"

    def table(
        self, metric: str, component: str | None, items: str = "all", parameter: str | None = None
    ) -> pd.DataFrame:
        """One number per repeat (rows) and arm (columns), on the test split; NaN where it is not known.

        A measure that has values for parameters only (``mae``) gives a component the mean over its parameters.
        """
        found = self._score_tables.table((metric, component, items), parameter)
        return self._empty() if found is None else found

    def baseline_table(self, metric: str, component: str | None, parameter: str | None = None) -> pd.DataFrame:
        """One number per repeat (rows) and naive predictor (columns), on all test items."""
        found = self._baseline_tables.table((metric, component, "all"), parameter)
        return pd.DataFrame() if found is None else found

    def has(self, metric: str, component: str | None) -> bool:
        """Whether any finished run measured it at all (a NaN counts: it was tried)."""
        return (metric, component, "all") in self._score_tables.rows

    @cached_property
    def measured(self) -> tuple[tuple[str, str | None, str | None], ...]:
        """Every (metric, component, parameter) that finished runs scored on all test items, in order of mention."""
        return tuple(
            (metric, component, parameter)
            for (metric, component, items), rows in self._score_tables.rows.items()
            if items == "all"
            for parameter in rows
        )

    @cached_property
    def _score_tables(self) -> WideTables:
        return WideTables(self.scores, "arm")

    @cached_property
    def _baseline_tables(self) -> WideTables:
        return WideTables(self.baselines, "baseline")

    def _empty(self) -> pd.DataFrame:
        return pd.DataFrame(columns=[a.name for a in self.study.arms], dtype=float)


def tidy(
    study: AnyStudy,
    records: Iterable[Record] | Collected,
    quality: Sequence[QualityRow] = (),
    origin: Origin | None = None,
    foreign: Foreign | None = None,
) -> StudyResults:
    """Tidy tables of a study's records, in the order of its arms and repeats whatever the order of the records.

    Args:
        study: the resolved study.
        records: of finished and failed runs; may be empty. An iterator must give them in the order of arms and repeats;
            then one is in memory at a time.
        quality: rows of the corpus's quality report.
        foreign: what is known of scores of other code; of a study that mmstudy trains, None.

    Raises:
        RecordError: records of an arm or repeat that the study does not have, two of one run, or records that cannot be
            mixed because corpus, task, numerics, split or scored targets differ; names both.
    """
    collected = records if isinstance(records, Collected) else Collected(study).add_all(records)
    collected.check()
    runs, tables = collected.runs, collected.long.tables()
    return StudyResults(
        study=study,
        runs=tuple(runs),
        scores=tables.scores,
        baselines=tables.baselines,
        history=tables.history,
        items=tables.items,
        outcomes=tables.outcomes,
        calibration=tables.calibration,
        naive_classes=_naive_classes(collected.naive_classes),
        quality=tuple(quality),
        origin=origin or Origin(),
        corpus=next((run.corpus for run in runs if run.corpus.content or run.corpus.components), CorpusFacts()),
        foreign=foreign if study.native else foreign or Foreign(),
    )


def _naive_classes(known: Mapping[int, tuple[NaiveClasses, ...]]) -> pd.DataFrame:
    rows = [(repeat, row.parameter, row.component, row.classes) for repeat, own in known.items() for row in own]
    return pd.DataFrame(rows, columns=list(NAIVE_CLASS_COLUMNS))


def runs_table(results: StudyResults) -> pd.DataFrame:
    """One row a run, failed ones too; columns :data:`RUN_COLUMNS`. What has parts of its own is JSON text."""
    texts: dict[int, str | None] = {}

    def once(part: object, text: Callable[[], str | None]) -> str | None:
        # Runs share parts, and ten thousand times the same text takes longer than all else of the table.
        if id(part) not in texts:
            texts[id(part)] = text()
        return texts[id(part)]

    rows = [_run_row(run, results.study, once) for run in results.runs]
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def _run_row(
    run: Run, study: AnyStudy, once: Callable[[object, Callable[[], str | None]], str | None]
) -> dict[str, object]:
    split, environment, leakage = run.split, run.environment, run.leakage
    same = ("arm", "repeat", "fingerprint", "status", "seconds", "epochs", "best_epoch", "stopped_early", "steps")
    return {
        **{name: getattr(run, name) for name in (*same, "started", "finished", "numerics", "device")},
        **{name: getattr(environment, name) for name in ("commit", "dirty", "python", "torch", "platform", "threads")},
        "failure": None if run.failure is None else str(run.failure),
        "reused_from": run.reused_from(study.name),
        "parameters": run.parameters.get("total"),
        "flops": run.flops.get("total"),
        **{f"{name}_groups": side.groups for name, side in split.sides.items()},
        "all_groups": split.all_groups or None,
        "drawn": split.came_about,
        "probed_windows": leakage.windows,
        "forbidden_gradient": leakage.forbidden_gradient,
        "copy_skill": leakage.copy_skill,
        "divided_groups": split.divided_groups,
        "test_windows_read": run.selection.test_windows_read,
        "gates": None if run.gates is None else _json({name: asdict(gate) for name, gate in run.gates.items()}),
        "precision": run.hardware.precision,
        "rounding": None if run.rounding is None else run.rounding.change,
        "twins": None if split.twins is None else json.dumps(split.twins),
        "sides": once(split, lambda: _sides(split)),
        "packages": once(environment, lambda: _json(environment.packages)),
    }


def _sides(split: SplitFacts) -> str | None:
    sides = {name: side for name, side in split.sides.items() if side.missing is not None}
    return json.dumps({name: _counted(side) for name, side in sides.items()}) if sides else None


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True)


def _counted(side: Side) -> dict[str, object]:
    labels = None if side.labels is None else {name: asdict(one) for name, one in side.labels.items()}
    return {"items": side.items, "missing": side.missing, "labels": labels, "cut": side.cut}
