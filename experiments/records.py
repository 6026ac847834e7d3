"""Records on disk. A record is written last and atomically, so presence means done."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from experiments.held import is_held
from mmcore.analyses import AnyAnalysis, key
from mmcore.atomic import write_atomically
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import RecordError
from mmcore.facts import Environment
from mmcore.files import BrokenFile, broken_by, open_file, read_kept, set_aside, unopened
from mmcore.fingerprint import fingerprint_read, numerics
from mmcore.frozen import Number
from mmcore.language import say
from mmcore.record import Head, Record, Run
from mmcore.rows import Rows, rows_in, rows_of

RECORD = "record.json"
LOCK = "run.lock"
ANSWERS = "analyses"
FORMAT = 1
AGAIN = "mmstudy run STUDY sets this file aside and trains the run again"


@dataclass(frozen=True)
class Begun:
    """What is known of a run before it has a record: enough to open it in the tracking store.

    Args:
        corpus, content, path: name, content key and folder of the corpus, or of the training code.
        source: the study's file, for people; empty where it is not known.
    """

    study: str
    arm: str
    repeat: int
    fingerprint: str
    config: RunConfig | ForeignConfig
    corpus: str
    content: str
    path: str
    environment: Environment
    source: str = ""


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
        BrokenFile: the file is torn, anything in it has a wrong type, or it is the record of another run.
        RecordError: this user may not read the file, or it has another format.
    """
    record = _read(folder / RECORD, lambda file: file.read(), _RECORD)
    if record is not None:
        _belongs(record, folder)
        _has_its_config(record, folder)
    return record


def read_head(folder: Path) -> Head | None:
    """The head of a run's record; None while it is not finished.

    This reads a tenth of the record or less, since some callers read every run of a study.

    Raises:
        BrokenFile, RecordError: as :func:`read_record`; what stands after the head is not looked at, but for its end.
    """
    head = _read(folder / RECORD, _head, _HEAD)
    if head is not None:
        _belongs(head, folder)
    return head


def read_columns(folder: Path) -> tuple[Run, Rows] | None:
    """A run's record with its rows as columns, or None while it is not finished; in half the time of the whole record.

    Raises:
        BrokenFile, RecordError: as :func:`read_record`.
    """
    quick = _quickly(folder)
    if quick is None:
        record = read_record(folder)
        return None if record is None else (record.run, rows_of(record))
    _belongs(quick[0], folder)
    _has_its_config(quick[0], folder)
    return quick


def _quickly(folder: Path) -> tuple[Run, Rows] | None:
    """None for whatever is not just as it is written today: objects are made of that, which say what is wrong."""
    try:
        with open_file(folder / RECORD) as file:
            text = file.read()
        begin = text.find(_SCORES)
        if begin < 0 or not _OURS.match(text):
            return None
        rows = rows_in(orjson.loads(b"{" + text[begin + 1 :]))
        return None if rows is None else (_RUN.validate_json(text[:begin] + b"}", strict=True), rows)
    except (OSError, ValueError):
        return None


def record_if_whole(folder: Path) -> Record | None:
    """As :func:`read_record`, but a broken record counts as none: the worker that trains the run sets it aside."""
    try:
        return read_record(folder)
    except BrokenFile:
        return None


def record_or_aside(folder: Path, say: Callable[[str], None]) -> Record | None:
    """As :func:`read_record`, but a broken record is renamed, ``say`` is told, and the answer is None.

    The caller holds the lock of the run.
    """
    try:
        return read_record(folder)
    except BrokenFile as broken:
        say(put_aside(broken))
        return None


def put_aside(broken: BrokenFile) -> str:
    """Rename a broken file, and say so in one line."""
    kept = set_aside(broken.path)
    return say(
        "{rule} (found {found}); it is kept as {kept}, and the run is trained again",
        rule=broken.rule,
        found=broken.found,
        kept=kept,
    )


def _belongs(head: Head, folder: Path) -> None:
    """Refuse a record that was copied here from another run."""
    if _FINGERPRINT.fullmatch(folder.name) and head.fingerprint != folder.name:
        raise BrokenFile(
            "a record must lie in the folder of its own run",
            folder / RECORD,
            expected=f"fingerprint {folder.name}",
            found=f"that of run {head.fingerprint[:40]}",
            next_step=AGAIN,
        )


def _has_its_config(record: Run, folder: Path) -> None:
    """Refuse a record whose config is that of another run. Failed runs do not say what corpus they read."""
    if isinstance(record.config, ForeignConfig) or not record.corpus.content or record.numerics != numerics():
        return
    if not _FINGERPRINT.fullmatch(folder.name):
        return
    same = record.config.data.window is not None and record.config.repeat == record.repeat
    if not same or fingerprint_read(record.config, record.corpus.content) != folder.name:
        raise BrokenFile(
            "config and corpus of a record must be those of its run",
            folder / RECORD,
            expected=f"fingerprint {folder.name}",
            found="another config or corpus",
            next_step=AGAIN,
        )


_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_RECORD, _RUN, _HEAD = TypeAdapter(Record), TypeAdapter(Run), TypeAdapter(Head)


def _head(file: BinaryIO) -> bytes:
    """The record up to its scores, closed as JSON; all of it where they are not found or the end is torn off."""
    file.seek(0, os.SEEK_END)
    file.seek(-min(file.tell(), 16), os.SEEK_END)
    whole = file.read().rstrip().endswith(b"}")
    file.seek(0)
    if not whole:
        return file.read()
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
        with open_file(path) as file:
            text = text_of(file)
        if not _OURS.match(text):
            content = orjson.loads(text)
            if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] != FORMAT:
                raise _other_format(path, content["format"])
            found = f"{type(content).__name__} without one"
            raise BrokenFile("the record begins with its format", path, expected="1", found=found, next_step=AGAIN)
        return kind.validate_json(text, strict=True)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise unopened(RecordError, "the record", path, problem) from None
    except ValidationError as problem:
        raise broken_by(problem, path, "the record", AGAIN) from None
    except ValueError as problem:
        raise BrokenFile(
            "the record must be whole JSON", path, expected=None, found=str(problem), next_step=AGAIN
        ) from None


Told = TypeVar("Told", Record, Head)
_OURS = re.compile(rb'\s*\{\s*"format"\s*:\s*%d\s*[,}]' % FORMAT)
"""How the text of a record of this format begins."""


def _other_format(path: Path, found: int) -> RecordError:
    return RecordError(
        "the record has another format",
        expected=str(FORMAT),
        found=str(found),
        where=str(path),
        next_step="Use the version of mmstudy that wrote it, or another --home",
    )


def delete_run(folder: Path) -> None:
    """Remove all of a run but its lock, so that it is trained again from the start."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".lock":
            path.unlink()


def epochs_trained(folder: Path) -> int:
    """Epochs that a resumed run would not repeat; 0 where there is no checkpoint."""
    return len(read_history(folder)) if (folder / "checkpoints" / "last.pt").exists() else 0


def read_history(folder: Path) -> list[dict[str, Number]]:
    """Epochs of a run that is not finished, as it left them.

    [] where there is no history or a broken one: a resumed run writes it again.

    Raises:
        RecordError: this user may not read it.
    """
    try:
        rows = read_kept(folder / "history.json", _HISTORY, "the history", "The next run writes it again")
    except (FileNotFoundError, BrokenFile):
        return []
    return rows if all("epoch" in row for row in rows) else []


_HISTORY = TypeAdapter(list[dict[str, Number]])


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
    return is_held(folder / LOCK)
