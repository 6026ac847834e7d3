"""An arm of a finished study as something that predicts: its models, one a repeat, and what they say of new items."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.corpus import Corpus
from experiments.home import Home
from experiments.opening import open_request, with_own_models
from experiments.planning.plan import plan
from experiments.planning.request import Options, PlannedRun, Request
from experiments.predictions import Predictions, Written, frames_of, write_blocks
from experiments.records import read_record
from experiments.results import how_to_start
from mmcore.config import RunConfig
from mmcore.data.sources.writing import write_items, write_table, write_yaml
from mmcore.errors import CorpusError, RecordError, StudyError, nearest
from mmcore.fingerprint import training_fingerprint
from mmcore.frozen import without_defaults
from mmcore.language import number_of
from mmcore.schema import CorpusSchema
from mmcore.scores import value_of

if TYPE_CHECKING:
    from mmcore.predicting import Member

CHECKPOINT = Path("checkpoints", "best.pt")
NORMALISATION = "normalisation.json"

Which = Literal["all", "best"] | int
"""Of an arm's models: all of them together, the one that did best on its validation items, or that of one repeat."""

New = Corpus | str | os.PathLike[str] | Mapping[str, Any]
"""A corpus, its folder, or frames: modality to frame for one item, or item to such a mapping."""


@dataclass(frozen=True, repr=False)
class TrainedArm:
    """The models of an arm. Made by ``mmstudy.load(home, study, arm)``.

    Args:
        request: the study. home: where its runs lie. arm: its name.
        runs: the finished runs of the arm, by repeat.
    """

    request: Request[RunConfig]
    home: Home
    arm: str
    runs: tuple[PlannedRun[RunConfig], ...]

    def __repr__(self) -> str:
        models = number_of(len(self.runs), "model")
        return f"<arm '{self.arm}' of study '{self.request.study.name}': {models}, best repeat {self.best}>"

    @property
    def repeats(self) -> tuple[int, ...]:
        """Those whose model is there."""
        return tuple(run.repeat for run in self.runs)

    @property
    def schema(self) -> CorpusSchema:
        """Of the corpus that the models were trained on."""
        return self.request.schema

    @cached_property
    def best(self) -> int:
        """The repeat whose model did best on its own validation items, by the study's metric.

        Each repeat has other validation items, so the best may only have had the easiest ones. Test items have no say.
        """
        metric = self.request.study.metric
        sign = 1.0 if metric.measure.higher_is_better else -1.0
        kept: dict[int, float] = {}
        for run in self.runs:
            record = read_record(self.home.run(run.fingerprint or ""))
            assert record is not None
            value = sign * value_of(metric, record.scores, "validation")
            kept[run.repeat] = -math.inf if math.isnan(value) else value
        return max(kept, key=lambda repeat: (kept[repeat], -repeat))

    def predict(self, new: New, which: Which = "all") -> Predictions:
        """Predict for new items, which need no targets.

        Args:
            new: a :class:`mmstudy.Corpus`, the folder of one, or frames in memory: modality to frame (for one item), or
                item to modality to frame. A frame has the modality's columns, and those of its times; an item may lack
                modalities, as in training.
            which: all models, whose predictions are averaged; the best one; or that of a repeat.

        Returns:
            Tidy frames, see :class:`Predictions`.

        Raises:
            CorpusError: the corpus breaks its format, or differs from the one of the training; says where.
            RecordError: a checkpoint is gone; no such repeat.
        """
        with _folder_of(new, self.schema) as folder:
            return frames_of(self.members(which), self.schema, folder)

    def write(
        self, new: New, folder: str | os.PathLike[str], which: Which = "all", files: Literal["csv", "parquet"] = "csv"
    ) -> Written:
        """Predict for new items and write the rows as they come: of long footage no frame is held in memory.

        Args:
            new, which: as for :meth:`predict`. folder: where ``values`` and ``probabilities`` go. files: their kind.

        Raises:
            CorpusError, RecordError: as :meth:`predict`. OSError: the folder cannot be written.
        """
        with _folder_of(new, self.schema) as of_new:
            return write_blocks(self.members(which), self.schema, of_new, Path(folder), files)

    def members(self, which: Which = "all") -> list[Member]:
        """The chosen models, with what normalises their input.

        Raises:
            RecordError: a checkpoint is gone or torn, or belongs to another run; no such repeat.
        """
        return [_member(self.request, self.home, run) for run in self.chosen(which)]

    def chosen(self, which: Which) -> list[PlannedRun[RunConfig]]:
        """The runs of the chosen models.

        Raises:
            RecordError: no such repeat.
        """
        if which == "all":
            return list(self.runs)
        wanted = self.best if which == "best" else which
        found = [run for run in self.runs if run.repeat == wanted]
        if not found or isinstance(wanted, bool):
            raise RecordError(
                f"arm '{self.arm}' has no model of repeat {wanted!r}",
                expected=f"all, best, or one of {', '.join(map(str, self.repeats))}",
            )
        return found


def trained_arm(name: str, home: Home, options: Options, arm: str) -> TrainedArm:
    """Open an arm.

    Raises:
        StudyError: no such arm, or its training code is the user's.
        RecordError: none of its runs is finished.
    """
    request = with_own_models(open_request(name, home, options), "predict")
    names = [one.name for one in request.study.arms]
    if arm not in names:
        raise StudyError(f"study '{request.study.name}' has no arm '{arm}'", next_step=nearest(arm, names))
    config = next(one.config for one in request.study.arms if one.name == arm)
    if config.data.placebo:
        raise StudyError(
            f"arm '{arm}' reads {', '.join(config.data.placebo)} from other items, as a placebo, and so cannot predict",
            next_step="Name an arm that reads each item's own streams",
        )
    runs = tuple(run for run in plan(request, home).runs if run.arm == arm and run.state == "done")
    if not runs:
        raise RecordError(
            f"arm '{arm}' of study '{request.study.name}' has no finished run yet",
            where=str(home.runs),
            next_step=how_to_start(request, home),
        )
    return TrainedArm(request, home, arm, runs)


def weights_of(home: Home, fingerprint: str, config: RunConfig, content: str) -> Path | None:
    """The folder with a finished run's checkpoint; None where that is gone.

    Runs that differ in testing alone share a training, and its checkpoint.
    """
    for name in (fingerprint, training_fingerprint(config, content)):
        if (home.run(name) / CHECKPOINT).exists():
            return home.run(name)
    return None


def _member(request: Request[RunConfig], home: Home, run: PlannedRun[RunConfig]) -> Member:
    from mmcore.predicting import open_member
    from mmcore.training.checkpoint import UnreadableCheckpoint

    content, name = request.content or "", run.fingerprint or ""
    record = read_record(home.run(name))
    assert record is not None
    assert isinstance(record.config, RunConfig)
    folder = weights_of(home, name, record.config, content)
    if folder is None:
        raise RecordError(
            f"the checkpoint of arm '{run.arm}', repeat {run.repeat}, is gone, so the model cannot predict",
            where=str(home.run(training_fingerprint(record.config, content)) / CHECKPOINT),
            next_step="Bring it back from a copy of the home. Or rename the run's folder and run the study again: this "
            "trains this run alone",
        )
    try:
        # The window of the run is part of the record even where the study leaves it to the corpus.
        return open_member(record.config, request.schema, content, folder)
    except UnreadableCheckpoint as error:
        raise RecordError(
            f"the checkpoint of arm '{run.arm}', repeat {run.repeat}, is torn, so the model cannot predict",
            found=error.found,
            where=error.where,
            next_step=f"Bring it back from a copy of the home. Or rename {folder} and run the study again: this trains "
            "this run alone",
        ) from error


@contextmanager
def _folder_of(new: New, schema: CorpusSchema) -> Iterator[Path]:
    """The folder of what is given; frames are written into a temporary one."""
    if not isinstance(new, Mapping):
        yield Path(os.fspath(new)).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mmstudy-predict-") as name:
        _write(new, schema, Path(name))
        yield Path(name)


def _write(new: Mapping[str, Any], schema: CorpusSchema, folder: Path) -> None:
    """Frames as a corpus with the schema of the training."""
    import numpy as np
    import pandas as pd

    if not new:
        raise CorpusError("there is nothing to predict for", expected="modality to frame, or item to such a mapping")
    single = any(isinstance(table, pd.DataFrame) for table in new.values())
    items: Mapping[str, Any] = {"item": new} if single else new
    write_yaml(folder / "corpus.yaml", without_defaults(schema) | {"format": 1})
    write_items(folder, ["item", "group"], [[str(item)] * 2 for item in items])
    for name in schema.modalities:
        (folder / name).mkdir()
    for item, tables in items.items():
        if not isinstance(tables, Mapping):
            raise CorpusError(
                "each item maps modalities to frames", found=f"a {type(tables).__name__}", where=f"item '{item}'"
            )
        for name, table in tables.items():
            if name not in schema.modalities:
                raise CorpusError(
                    f"'{name}' is no modality of the training's corpus",
                    where=f"item '{item}'",
                    next_step=nearest(str(name), list(schema.modalities)),
                )
            if table is None:
                continue
            if not isinstance(table, pd.DataFrame):
                raise CorpusError(
                    "a modality is a pandas frame",
                    found=f"a {type(table).__name__}",
                    where=f"item '{item}', modality '{name}'",
                )
            frame = table.reset_index() if table.index.name in schema.modalities[name].columns_of_time else table
            write_table(folder / name / f"{item}.parquet", {str(c): np.asarray(frame[c]) for c in frame.columns})
