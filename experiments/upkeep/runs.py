"""The runs of a home: records, what was left beside them, and answers of analyses."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from experiments.examine import is_torn
from experiments.held import is_held
from experiments.home import Home
from experiments.records import ANSWERS, LOCK, RECORD, read_record
from experiments.upkeep.findings import Finding, entries, leftovers, of_system, read
from experiments.upkeep.numbers import contradictions
from mmcore.answers.answer import parse_answer
from mmcore.complaints import expectation
from mmcore.files import BrokenFile, read_bytes, read_kept
from mmcore.frozen import Number
from mmcore.language import sentence
from mmcore.record import Record

_NAME = re.compile(r"[0-9a-f]{32}")
_HISTORY: TypeAdapter[Any] = TypeAdapter(list[dict[str, Number]])
_OBJECT: TypeAdapter[Any] = TypeAdapter(dict[str, Any])


def check_runs(home: Home) -> Iterator[Finding | int]:
    """Everything in the folders of runs; a number for each run that was looked at: 1 where it is being trained now."""
    for folder in entries(home.runs):
        if not folder.is_dir() or not _NAME.fullmatch(folder.name):
            yield Finding(
                "leftover" if ".broken-" in folder.name else "broken", folder,
                sentence("the folder of a run is named by 32 hexadecimal digits"), None,
                sentence("Move it away: no command reads it"),
            )  # fmt: skip
            continue
        if is_held(folder / LOCK):
            yield 1
            continue
        yield 0
        try:
            yield from _check_run(folder)
        except OSError as problem:
            yield of_system(problem, folder)


def _check_run(folder: Path) -> Iterator[Finding]:
    kept: list[Record | None] = []
    yield from read(lambda: kept.append(read_record(folder)), folder / RECORD)
    if kept and kept[0] is not None:
        yield from _check_numbers(kept[0], folder)
    for name, kind, step in (
        (
            "history.json",
            _HISTORY,
            "Remove it: the record has the epochs of a finished run, and other runs write it again",
        ),
        ("config.json", _OBJECT, "The record holds the config, too: remove this file"),
        ("normalisation.json", _OBJECT, "Remove the run's folder, and train it again with mmstudy run STUDY"),
    ):
        if (folder / name).exists():
            yield from read(lambda p=folder / name, k=kind, s=step: read_kept(p, k, p.name, s), folder / name)
    for path in entries(folder / "checkpoints"):
        if path.suffix == ".pt" and not zipfile.is_zipfile(path):
            yield Finding(
                "broken", path, sentence("a checkpoint must be a whole file"), sentence("torn bytes"),
                sentence("Remove it: mmstudy run STUDY trains on from an earlier epoch; analyses of this run need it")
                if path.name != "best.pt"
                else sentence("Remove the run's folder, and train it again with mmstudy run STUDY"),
            )  # fmt: skip
    for path in entries(folder / ANSWERS):
        if path.suffix == ".json" and not path.name.startswith("."):
            yield from read(lambda p=path: _read_answer(p), path)
    for place in (folder, folder / "checkpoints", folder / ANSWERS):
        yield from leftovers(place, ".*.tmp", "*.old")


def _check_numbers(record: Record, folder: Path) -> Iterator[Finding]:
    """The first number of a record that does not follow from the others, and how many more there are."""
    found = [*contradictions(record, folder)]
    if not found:
        return
    first, more = found[0], len(found) - 1
    said = {"field": first.field, "found": f"{first.found:.9g}", "follows": f"{first.follows:.9g}"}
    yield Finding(
        "contradictory",
        folder / RECORD,
        sentence("the numbers of a run must follow from one another"),
        sentence("{field} is {found}, and by the others {follows}; {n} more differ", **said, n=more)
        if more
        else sentence("{field} is {found}, and by the others {follows}", **said),
        sentence("Bring this file back from a copy, or remove it: mmstudy run STUDY then tests the run again"),
    )


def _read_answer(path: Path) -> None:
    step = "mmstudy analyse STUDY sets it aside and makes the answer again"
    if is_torn(path):
        raise BrokenFile("an answer must be whole JSON", path, expected=None, found="a torn file", next_step=step)
    text = read_bytes(path)
    kind = orjson.loads(text).get("kind")
    if kind not in ("gates", "attention", "coalitions", "corruption", "errors"):
        raise BrokenFile("an answer must name its analysis", path, expected=None, found=repr(kind)[:40], next_step=step)
    try:
        parse_answer(kind, text)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        rule = f"'{'.'.join(map(str, first['loc']))}' of an answer cannot be understood"
        found = repr(first["input"])[:60]
        raise BrokenFile(rule, path, expected=expectation(first), found=found, next_step=step) from None
