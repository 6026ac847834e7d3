"""One run of foreign training code: its record if there is one, else run the code and write the record."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from experiments.environment import environment, environment_of
from experiments.execute import alone, failed_record, write_result
from experiments.foreign.attempt import Trained, TrainingCode, TrainingFailed, train
from experiments.foreign.scores import ScoresError
from experiments.records import record_or_aside
from mmcore.atomic import FULL, disk_full, is_full, remove_leftovers, room_in
from mmcore.config import ForeignConfig
from mmcore.events import Note, OnEvent
from mmcore.facts import CorpusFacts, Environment, SplitFacts
from mmcore.fingerprint import NUMERICS
from mmcore.record import Record


def foreign_trial(
    config: ForeignConfig,
    code: TrainingCode,
    repeat: int,
    workdir: Path,
    *,
    study: str,
    arm: str,
    fingerprint: str,
    threads: int,
    on_event: OnEvent,
) -> Record:
    """The record of a run, which is trained only if it has no record yet; see :func:`experiments.execute.trial`.

    Args:
        config: its settings.
        code: what trains it.
        repeat: number of the repeat.
        workdir: the run's folder.
        study, arm: which requested it first, for the record.
        threads: that were set in the environment of the training code, for the record.
        on_event: hears of epochs; an exception raised there kills the training code and leaves no record.

    Returns:
        The record; status ``failed`` with the reason if the code failed, was killed, or left no usable scores.

    Raises:
        MMStudyError: the disk is full; nothing is recorded.
    """
    with alone(workdir, on_event):
        record = record_or_aside(workdir, lambda text: on_event(Note(text)))
        if record is not None and record.is_final:
            return record
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            trained = train(code, config.settings, repeat, workdir, on_event)
        except (TrainingFailed, ScoresError, OSError) as error:
            if _lacks_room(error, workdir):
                # No fault of the run's: it is trained again once there is room.
                raise disk_full(error if isinstance(error, OSError) else OSError(), workdir) from error
            kind = error.kind if isinstance(error, TrainingFailed) else type(error).__name__
            seconds = time.perf_counter() - clock
            result = failed_record(config, fingerprint, kind, str(error), seconds, repeat)
        else:
            result = _record(trained, config, repeat, fingerprint, time.perf_counter() - clock)
        about = replace(_environment(code), threads=threads)
        # Before the record: no command comes back to tidy up after a process that was killed later.
        with contextlib.suppress(OSError):
            remove_leftovers(workdir)
        with room_in(workdir):
            return write_result(result, workdir, study, arm, started, about)


def _lacks_room(error: Exception, workdir: Path) -> bool:
    """Whether an attempt failed because a disk is full, its own or that of the training code."""
    if isinstance(error, OSError):
        return error.errno in FULL
    # What it said may have found no room either.
    return any(os.strerror(number) in str(error) for number in FULL) or is_full(workdir)


def _environment(code: TrainingCode) -> Environment:
    if code.checkout is None:
        return environment_of(Path(code.folder), code.files)
    commit, dirty = code.checkout
    return replace(environment(), commit=commit, dirty=dirty)


def _record(trained: Trained, config: ForeignConfig, repeat: int, fingerprint: str, seconds: float) -> Record:
    components = dict.fromkeys(s.component for s in trained.reported.scores if s.split == "test" and s.component)
    return Record(
        fingerprint=fingerprint,
        config=config,
        repeat=repeat,
        status="done",
        failure=None,
        corpus=CorpusFacts(components=tuple(components)),
        split=SplitFacts(),
        parameters={},
        flops={},
        epochs=max((int(row["epoch"]) for row in trained.history), default=0),
        best_epoch=0,
        stopped_early=False,
        steps=0,
        seconds=seconds,
        numerics=NUMERICS,
        gates={},
        scores=trained.reported.scores,
        history=trained.history,
        items=trained.reported.items,
    )
