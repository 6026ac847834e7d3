"""One attempt at a run of foreign training code: settings in, scores out."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from experiments.foreign import call
from experiments.foreign.process import CODE, in_words, last_lines, run_process
from experiments.foreign.scores import Epochs, Reported, read_scores
from experiments.foreign.source import search_path
from mmcore.atomic import remove_leftovers, write_atomically
from mmcore.config import Plain
from mmcore.errors import MMStudyError
from mmcore.events import EpochDone, OnEvent
from studies.runner import AnyRunner, CommandRunner, FunctionRunner, Runner, as_word, nested, settings_of, words_of

OUTPUT = "output.log"
"""What the training code printed, in a run's folder."""
WORK = "work"
"""The folder that ``{workdir}`` stands for, in a run's folder."""
_HISTORY = "history.json"
_SCORES, _EPOCHS, _ERROR, _CALL = "scores.json", "epochs.jsonl", "error.json", "call.json"
"""Files of a function's call, in a run's folder: out of the way of its own files."""


class TrainingFailed(MMStudyError):
    """The training code ended without scores.

    Args:
        kind: what went wrong, for the record: the class of its own exception where that is known.
        traceback: of the training code's own frames; None where it left none.
    """

    def __init__(self, message: str, kind: str = "TrainingFailed", traceback: str | None = None) -> None:
        self.kind, self.traceback = kind, traceback
        super().__init__(message)


@dataclass(frozen=True)
class TrainingCode:
    """The training code of a study, as a worker needs to know it.

    Args:
        runner: a command or a function.
        folder: where it runs: that of the study's file.
        files: its source files.
        metric: of the study, which must be among the scores.
        epochs: of a whole training; 0 where nobody says.
        checkout: commit of the files, and whether they have changed since, where the worker has only a copy of them;
            None: the worker asks git.
    """

    runner: Runner
    folder: str
    files: tuple[str, ...]
    metric: str
    epochs: int = 0
    checkout: tuple[str | None, bool | None] | None = None


@dataclass(frozen=True)
class Trained:
    """What it left: its scores, and one row of history for each epoch that it reported."""

    reported: Reported
    history: tuple[dict[str, float], ...]


def train(code: TrainingCode, settings: Plain, repeat: int, place: Path, on_event: OnEvent) -> Trained:
    """Run the training code once, from the start.

    Args:
        settings: dotted name to value.
        place: the run's folder. Its folder ``work`` is emptied first, unless the runner resumes by itself.
        on_event: hears of each epoch; an exception raised there kills the training code.

    Raises:
        TrainingFailed: it ended without success, or was killed.
        ScoresError: what it reported cannot be used.
    """
    runner, workdir = code.runner, place / WORK
    _remove_leftovers(place)
    if not runner.resumes:
        _remove(workdir)
        (place / _HISTORY).unlink(missing_ok=True)
    workdir.mkdir(parents=True, exist_ok=True)
    scores, reports = _files(runner, place)
    for file in (scores, reports, place / _ERROR, place / "error.txt"):
        file.unlink(missing_ok=True)
    words = _command(code, settings_of(settings, {"repeat": repeat, "workdir": str(workdir)}), repeat, place)
    epochs = Epochs(reports, reports.name)

    def look(whole: bool = False) -> None:
        rows = epochs.new(whole)
        if rows:
            _keep(place / _HISTORY, epochs.history)
        for row in rows:
            on_event(EpochDone(int(row["epoch"]), code.epochs, row))

    ended = run_process(words, Path(code.folder), place / OUTPUT, env=runner.env, seconds=runner.timeout, look=look)
    if (why := in_words(ended, words, runner.timeout)) is not None:
        raise _failed(why, place)
    look(whole=True)
    return Trained(read_scores(scores, code.metric, scores.name), epochs.history)


def _files(runner: AnyRunner, place: Path) -> tuple[Path, Path]:
    """Of scores and of epochs."""
    match runner:
        case CommandRunner():
            return place / WORK / runner.scores, place / WORK / runner.epochs
        case FunctionRunner():
            return place / _SCORES, place / _EPOCHS


def _remove(workdir: Path) -> None:
    """Move the folder away before its files are removed: a process of an earlier attempt may not quite be dead."""
    if not workdir.exists():
        return
    away = workdir.with_name(f"{WORK}.{os.getpid()}{_AWAY}")
    shutil.rmtree(away, ignore_errors=True)
    workdir.rename(away)
    shutil.rmtree(away, ignore_errors=True)


_AWAY = ".old"


def _remove_leftovers(place: Path) -> None:
    """Remove what killed attempts left half-written or half-removed; the caller holds the lock of the run."""
    for folder in place.glob(f"{WORK}.*{_AWAY}"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in place.glob(".*.json.*"):
        file.unlink(missing_ok=True)
    remove_leftovers(place)


def _command(code: TrainingCode, settings: Plain, repeat: int, place: Path) -> list[str]:
    workdir = place / WORK
    match code.runner:
        case CommandRunner() as runner:
            file = place / f"settings.{runner.config}"
            plain = nested(settings)
            text = json.dumps(plain, indent=1) if runner.config == "json" else yaml.safe_dump(plain, sort_keys=False)
            file.write_text(text, encoding="utf-8")
            given = {
                "repeat": str(repeat),
                "workdir": str(workdir),
                "config": str(file),
                "python": sys.executable,
            }
            words = words_of(runner, {name: as_word(value) for name, value in settings.items()} | given)
            return ["/bin/sh", "-c", *words] if runner.shell else words
        case FunctionRunner() as runner:
            request = {
                "function": runner.function,
                "config": nested(settings),
                "repeat": repeat,
                "workdir": str(workdir),
                "path": search_path(Path(code.folder))[:1],
                "code": str(CODE),
                "scores": str(place / _SCORES),
                "epochs": str(place / _EPOCHS),
                "error": str(place / _ERROR),
            }
            (place / _CALL).write_text(json.dumps(request, indent=1), encoding="utf-8")
            return [sys.executable, "-P", call.__file__, str(place / _CALL)]


def _failed(why: str, place: Path) -> TrainingFailed:
    try:
        failure = json.loads((place / _ERROR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = last_lines(place / OUTPUT)
        return TrainingFailed(f"{why}; its last output: {said}" if said else f"{why}; it printed nothing")
    (place / "error.txt").write_text(failure["traceback"], encoding="utf-8")
    return TrainingFailed(failure["message"], failure["error"], failure["traceback"])


def _keep(file: Path, history: tuple[dict[str, float], ...]) -> None:
    """The epochs so far, where a search that is interrupted finds them."""
    text = json.dumps(history).encode()
    write_atomically(file, lambda target: target.write(text), flush=False)
