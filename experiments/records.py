"""Records: the plain-data result of a finished run. Written last and atomically, so presence means done."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from filelock import FileLock, Timeout

from mmcore.analyses import AnyAnalysis, key
from mmcore.errors import RecordError, TrainingDiverged

RECORD = "record.json"
LOCK = "run.lock"
ANSWERS = "analyses"
FORMAT = 1


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write a run's record: to a temporary file, to disk, then in place in one step.

    NaN and infinite numbers become null: JSON has none.
    """
    text = json.dumps(finite({"format": FORMAT, **record}), indent=1, allow_nan=False, ensure_ascii=False)
    temporary = folder / (RECORD + f".{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / RECORD)


def read_record(folder: Path) -> dict[str, Any] | None:
    """A run's record, or None while it is not finished.

    Raises:
        RecordError: the file is there but unreadable, or of a later format.
    """
    return _read(folder / RECORD, lambda file: file.read())


def read_head(folder: Path) -> dict[str, Any] | None:
    """What a record says before its scores: status, failure, seconds, config and the like; None while not finished.

    A tenth of the record or less, for those who look at every run of a study.

    Raises:
        RecordError: as :func:`read_record`.
    """
    return _read(folder / RECORD, _head)


def _head(file: BinaryIO) -> bytes:
    """The record up to its scores, closed as JSON; all of it where they are not found."""
    text = b""
    while part := file.read(_PART):
        text += part
        # Within JSON a line break never stands inside a string, and keys of inner objects are indented further.
        end = text.find(_SCORES)
        if end >= 0:
            return text[:end] + b"}"
    return text


_SCORES = b',\n "scores": '
_PART = 16 * 1024
"""Bytes that are read at a time: a head has about 6,000."""


def _read(path: Path, text_of: Callable[[BinaryIO], bytes]) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record = orjson.loads(text_of(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise RecordError(
            "a record must be readable JSON",
            found=str(problem),
            where=str(path),
            next_step="Remove this file; the run is then resumed or trained again",
        ) from None
    if record.get("format") != FORMAT:
        raise RecordError(
            "the record has another format",
            expected=str(FORMAT),
            found=str(record.get("format")),
            where=str(path),
            next_step="Use the version of mmstudy that wrote it, or another --home",
        )
    return record


def is_final(record: dict[str, Any]) -> bool:
    """Whether a run's record is its last word: it is done, or its training diverged, which would happen again.

    Whatever else ended a run (a full disk, no memory, a worker that died) is kept and shown as a failure, too, but the
    next call of the same command tries again.
    """
    return record["status"] == "done" or (record["failure"] or {}).get("error") == TrainingDiverged.__name__


def forget(folder: Path) -> None:
    """Remove all of a run but its lock, so that it is trained again from the start."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".lock":
            path.unlink()


def epochs_trained(folder: Path) -> int:
    """Epochs that a resumed run would not repeat; 0 where there is no checkpoint."""
    if not (folder / "checkpoints" / "last.pt").exists():
        return 0
    try:
        return len(json.loads((folder / "history.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return 0


def finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(entry) for key, entry in value.items()}
        case list() | tuple():
            return [finite(entry) for entry in value]
        case _:
            return value


def answer_path(folder: Path, analysis: AnyAnalysis) -> Path:
    """The file of an answer in a run's folder."""
    return folder / ANSWERS / f"{key(analysis)}.json"


def is_locked(folder: Path) -> bool:
    """Whether a process trains the run right now; looks without leaving a file."""
    path = folder / LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
