"""Analyses of one finished run: made from its checkpoint, each kept in a file of the run's folder."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from experiments.execute import CHECKPOINTS, alone, tidy
from experiments.records import ANSWERS, answer_path
from experiments.restore import restored
from mmcore.analyses import AnyAnalysis
from mmcore.answers.answer import Answer, Failure, Result, parse_answer
from mmcore.atomic import FULL, disk_full, remove_leftovers, room_in, write_atomically
from mmcore.config import RunConfig
from mmcore.errors import CheckpointError, RecordError
from mmcore.events import Note, OnEvent
from mmcore.files import read_bytes, set_aside, unopened
from mmcore.language import say
from mmcore.own_code import frames_of

if TYPE_CHECKING:
    from mmcore.data.prepared import Prepared
    from mmcore.trained import Trained


def examine(
    config: RunConfig,
    analyses: Sequence[AnyAnalysis],
    folder: Path,
    prepared: Callable[[], Prepared],
    on_event: OnEvent,
) -> list[str]:
    """Answer questions about a finished run and keep the answers; one that fails does not stop the others.

    A lock on the run's folder keeps two commands from answering the same question: the second uses the answer of the
    first. A run whose checkpoint is torn is trained again first.

    Returns:
        The kinds that failed.

    Raises:
        MMStudyError: the run has no checkpoint, its device is not there, or the disk is full.
    """
    with alone(folder, on_event):
        known = ((analysis, read_answer(folder, analysis)) for analysis in analyses)
        asked = [analysis for analysis, answer in known if answer is None or answer.result is None]
        return _examine(config, asked, folder, prepared, on_event) if asked else []


def _examine(
    config: RunConfig,
    analyses: Sequence[AnyAnalysis],
    folder: Path,
    prepared: Callable[[], Prepared],
    on_event: OnEvent,
) -> list[str]:
    """The caller holds the lock of the run."""
    from mmcore.analyse import analyse

    for place in (folder, folder / CHECKPOINTS, folder / ANSWERS):
        remove_leftovers(place)
    trained = _opened(config, folder, prepared, on_event)
    failed = []
    for analysis in analyses:
        path = answer_path(folder, analysis)
        if is_torn(path):
            on_event(
                Note(
                    say(
                        "the answer of the analysis '{kind}' is torn; it is kept as {kept}",
                        kind=analysis.kind,
                        kept=set_aside(path),
                    )
                )
            )
        try:
            answer = analyse(trained, analysis)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise disk_full(error, folder) from error
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")
            failed.append(analysis.kind)
            frames = frames_of(error)
            at = f" (at {frames[-1]})" if frames else ""
            why = Failure(error=type(error).__name__, message=(str(error) or repr(error)) + at)
            answer = Answer(kind=analysis.kind, settings=analysis, failure=why)
        else:
            path.with_suffix(".txt").unlink(missing_ok=True)
        with room_in(folder):
            write_answer(path, answer)
    return failed


def _opened(config: RunConfig, folder: Path, prepared: Callable[[], Prepared], on_event: OnEvent) -> Trained:
    from mmcore.run import resolve_device
    from mmcore.trained import open_trained

    def opened() -> Trained:
        return open_trained(config, prepared(), folder, on_event, resolve_device(config.device))

    try:
        return opened()
    except CheckpointError:
        if not restored(config, folder, prepared, on_event):
            raise
        tidy(folder, done=True)
        return opened()


def is_torn(path: Path) -> bool:
    """Whether an answer is there but no whole JSON object. One of another version is whole, and is made anew."""
    try:
        return not isinstance(orjson.loads(read_bytes(path)), dict)
    except OSError:
        return False
    except ValueError:
        return True


def read_answer(folder: Path, analysis: AnyAnalysis) -> Answer[Result] | None:
    """An answer in a run's folder; None where there is none yet, or the file is torn or does not hold what an answer
    of this kind holds: then it is made anew.

    Raises:
        RecordError: this user may not read it.
    """
    path = answer_path(folder, analysis)
    try:
        return parse_answer(analysis.kind, read_bytes(path))
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as problem:
        raise unopened(RecordError, "the answer of an analysis", path, problem) from None


def write_answer(path: Path, answer: Answer[Result]) -> None:
    """To a temporary file, then in place in one step; NaN and infinite numbers become null."""
    write_atomically(path, lambda file: file.write(answer.to_json().encode()))
