"""Records on disk. A record is written last and atomically, so presence means done."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson
from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from mmcore.analyses import AnyAnalysis, key
from mmcore.atomic import write_atomically
from mmcore.config import RunConfig
from mmcore.errors import RecordError
from mmcore.facts import Environment
from mmcore.record import Head, Record

RECORD = "record.json"
LOCK = "run.lock"
ANSWERS = "analyses"
FORMAT = 1
AGAIN = "Remove this file; the run is then resumed or trained again"


@dataclass(frozen=True)
class Begun:
    """What is known of a run before it has a record: enough to open it in the tracking store.

    Args:
        corpus, content, path: name, content key and folder of the corpus.
    """

    study: str
    arm: str
    repeat: int
    fingerprint: str
    config: RunConfig
    corpus: str
    content: str
    path: str
    environment: Environment


def write_record(folder: Path, record: Record) -> None:
    """Write a run's record: to a temporary file, to disk, then in place in one step.

    NaN and infinite numbers become null: JSON has none.
    """
    text = _RECORD.dump_json(record, indent=1)
    whole = b'{\n "format": %d,' % FORMAT + text.removeprefix(b"{")
    write_atomically(folder / RECORD, lambda file: file.write(whole))


def read_record(folder: Path) -> Record | None:
    """A run's record, or None while it is not finished.

    Raises:
        RecordError: the file is there but unreadable, of a later format, or anything in it has a wrong type.
    """
    return _read(folder / RECORD, lambda file: file.read(), _RECORD)


def read_head(folder: Path) -> Head | None:
    """The head of a run's record; None while it is not finished.

    This reads a tenth of the record or less, since some callers read every run of a study.

    Raises:
        RecordError: as :func:`read_record`.
    """
    return _read(folder / RECORD, _head, _HEAD)


_RECORD, _HEAD = TypeAdapter(Record), TypeAdapter(Head)


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
"""Bytes that are read at a time: what stands before the scores has about 6,000."""


def _read(path: Path, text_of: Callable[[BinaryIO], bytes], kind: TypeAdapter[Told]) -> Told | None:
    try:
        with open(path, "rb") as file:
            text = text_of(file)
        if not _OURS.match(text):
            raise _other_format(path, orjson.loads(text))
        return kind.validate_json(text, strict=True)
    except FileNotFoundError:
        return None
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise _unreadable(path, first["msg"]) from None
        raise RecordError(
            f"'{'.'.join(map(str, first['loc']))}' of the record cannot be understood",
            expected=first["msg"],
            found=repr(first["input"])[:60],
            where=str(path),
            next_step=AGAIN,
        ) from None
    except (OSError, ValueError) as problem:
        raise _unreadable(path, str(problem)) from None


Told = TypeVar("Told", Record, Head)
_OURS = re.compile(rb'\s*\{\s*"format"\s*:\s*%d\s*[,}]' % FORMAT)
"""How the text of a record of this format begins."""


def _other_format(path: Path, content: object) -> RecordError:
    return RecordError(
        "the record has another format",
        expected=str(FORMAT),
        found=str(content.get("format") if isinstance(content, dict) else type(content).__name__),
        where=str(path),
        next_step="Use the version of mmstudy that wrote it, or another --home",
    )


def _unreadable(path: Path, found: str) -> RecordError:
    return RecordError("a record must be readable JSON", found=found, where=str(path), next_step=AGAIN)


def delete_run(folder: Path) -> None:
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
