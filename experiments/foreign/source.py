"""Which files are a runner's training code, and the hash of their content. Imports none of them."""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmcore.errors import StudyError
from studies.runner import AnyRunner, CommandRunner, FunctionRunner

_NOT_SOURCE = {"__pycache__", "node_modules", "mlruns", "outputs", "wandb", "lightning_logs"}
"""Folders without source code; so are those whose name begins with a dot."""
MOST = 5_000
"""Files of source code above which a folder is likely to hold data as well."""


@dataclass(frozen=True)
class Source:
    """The training code of a study.

    Args:
        folder: of the study's file; the training code runs there.
        files: its files as they are called within the folder, absolute where they are elsewhere; in order.
        digest: 32 hexadecimal digits, of names and content.
    """

    folder: Path
    files: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class OwnTraining:
    """What a study is about whose training code is the user's.

    Args:
        runner: a command or a function.
        source: the files of the training code.
    """

    runner: AnyRunner
    source: Source


def source_of(runner: AnyRunner, folder: Path, where: str) -> Source:
    """The files of a runner's training code: those that it lists, and those that the command names or the function's
    package holds.

    Args:
        folder: of the study's file.
        where: file and line of the runner.

    Raises:
        StudyError: a listed file that is not there, a folder with too many files, a module that cannot be found.
    """
    folder = folder.resolve()
    found: dict[str, Path] = {}
    for name in runner.source:
        path = folder / name
        if not path.exists():
            raise StudyError(
                "every entry of source must be a file or a folder",
                found=f"'{name}', which is not there",
                where=where,
                next_step=f"Write it relative to {folder}",
            )
        found |= _files(path, folder)
        if len(found) > MOST:
            raise StudyError(
                f"source must be training code: at most {MOST:,} files",
                found=f"more than that after '{name}'",
                where=where,
                next_step="List the folders of code, without data and results",
            )
    match runner:
        case CommandRunner():
            own = [path for word in _words(runner.command) if (path := folder / word).is_file()]
        case FunctionRunner():
            own = [_module(runner.function.partition(":")[0], folder, where)]
    for path in own:
        found |= _files(path, folder)
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(found):
        content = hashlib.blake2b(found[name].read_bytes(), digest_size=16).hexdigest()
        total.update(f"{_apart(name)}\0{content}\0".encode())
    return Source(folder, tuple(sorted(found)), total.hexdigest())


def runner_digest(runner: AnyRunner, source: Source) -> str:
    """32 hexadecimal digits of all that changes a run's numbers besides its settings and its repeat."""
    names = {"command", "function", "shell", "env", "config", "scores", "epochs"}
    parts = [runner.model_dump(mode="json", include=names), source.digest]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _words(command: str) -> list[str]:
    try:
        return [word for word in shlex.split(command) if not os.path.isabs(word)]
    except ValueError:
        return []


def _apart(name: str) -> str:
    """A file's name as it enters the digest: no absolute path, so that another machine has the same runs."""
    return Path(name).name if os.path.isabs(name) else name


def _files(path: Path, folder: Path) -> dict[str, Path]:
    each = _within(path) if path.is_dir() else (path,)
    return {_called(one.resolve(), folder): one for one in each}


def _called(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _within(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in _NOT_SOURCE and not one.startswith("."))
        for count, name in enumerate(sorted(files)):
            if not name.startswith(".") and not name.endswith((".pyc", ".pyo")):
                yield Path(root, name)
            if count > MOST:
                return


def search_path(folder: Path) -> list[str]:
    """Where a function's module is looked for: beside the study's file, then where Python looks."""
    return [str(folder), *(entry for entry in sys.path if entry)]


def _module(name: str, folder: Path, where: str) -> Path:
    """The file of a module, or the folder of its package where it is part of one; nothing is imported."""
    top, *inner = name.split(".")
    spec = _spec(top, search_path(folder))
    if spec is None:
        raise StudyError(
            f"there is no module '{top}'",
            expected=f"{top}.py or {top}/ in {folder}, or an installed package",
            where=where,
            next_step="Write function: package.module:name",
        )
    package = spec.submodule_search_locations
    at, places = top, list(package or ())
    for step in inner:
        at = f"{at}.{step}"
        spec = _spec(at, places)
        if spec is None:
            raise StudyError(
                f"there is no module '{at}'",
                expected=f"{step}.py or {step}/ in {', '.join(places) or top + ', which is a file'}",
                where=where,
                next_step="Write function: package.module:name",
            )
        places = list(spec.submodule_search_locations or ())
    if package:
        # The whole package: a module beside the function's may be what it calls.
        return Path(next(iter(package)))
    assert spec.origin is not None
    return Path(spec.origin)


def file_of_module(name: str, folder: Path) -> Path | None:
    """The file of a module itself; None where it cannot be found or has none. Nothing is imported."""
    places, spec = search_path(folder), None
    top, *inner = name.split(".")
    for at in (top, *(".".join((top, *inner[: number + 1])) for number in range(len(inner)))):
        spec = _spec(at, places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _spec(name: str, places: Iterable[str]) -> importlib.machinery.ModuleSpec | None:
    return importlib.machinery.PathFinder.find_spec(name, list(places))
