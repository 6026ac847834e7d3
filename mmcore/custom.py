"""Where a class of the user's is written, and the hash of its source. Nothing of it is imported here, nor is torch.

A class is looked for beside the study file, then among installed packages. ``package.module:Name`` names it; a name
without a colon is an entry point of the group ``mmstudy.parts``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from pydantic import BaseModel

from mmcore.config.custom import Reference
from mmcore.errors import ConfigError, nearest

GROUP = "mmstudy.parts"
"""The group of entry points under which an installed package may offer its classes by a short name."""
TAKEN = frozenset({*sys.stdlib_module_names, "mmcore", "mmstudy", "studies", "reports", "experiments"})
"""Names of modules that a file beside the study cannot have."""
AS_WRITTEN = "my_package.module:ClassName"

SETTLED = 3_000_000_000
"""Nanoseconds after which another change gives a file another time: some file systems count in steps of two seconds."""

Part = TypeVar("Part", bound=BaseModel)


@dataclass(frozen=True)
class Source:
    """What is known of a class before it is imported.

    Args:
        module, name: of the class.
        root: folder that the module's top-level name lies in.
        beside: whether that is the study's folder, not an installed package.
        files: all files whose text makes up the source, sorted.
    """

    module: str
    name: str
    root: Path
    beside: bool
    files: tuple[Path, ...]

    @property
    def reference(self) -> str:
        """``package.module:Name``."""
        return f"{self.module}:{self.name}"

    @property
    def neighbours(self) -> tuple[str, ...]:
        """Top-level modules of the root that the files belong to."""
        return tuple(sorted({path.relative_to(self.root).parts[0].removesuffix(".py") for path in self.files}))

    @property
    def hash(self) -> str:
        """128 bits over the names, relative to the root, and the bytes of all files."""
        return self.hash_of(*self.neighbours)

    def hash_of(self, *neighbours: str) -> str:
        """The same over the files of some top-level modules."""
        whole = hashlib.blake2b(digest_size=16)
        for path in self.files:
            if path.relative_to(self.root).parts[0].removesuffix(".py") not in neighbours:
                continue
            text = _digest(path)
            whole.update(f"{path.relative_to(self.root).as_posix()}\0{text}\n".encode())
        return whole.hexdigest()


def _digest(path: Path) -> str:
    """The hash of a file's bytes. A file of the last seconds may change again and keep its time and size, which follow
    the clock of the file system: it is always read."""
    state = path.stat()
    if time.time_ns() - state.st_mtime_ns < SETTLED:
        return _digest_now(path)
    return _digest_kept(path, state.st_mtime_ns, state.st_size)


def _digest_now(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def _digest_kept(path: Path, changed: int, size: int) -> str:
    return _digest_now(path)


# Finding -------------------------------------------------------------------------------------------------------------
def find_source(written: str, folder: Path | None = None, where: str | None = None) -> Source:
    """Where a class is written.

    A module of one file has this file as its source; a package has all of its ``.py`` files. What lies
    beside the study is followed: modules of the same folder that these files import belong to the source, too.

    Args:
        written: ``package.module:Name``, or the name of an entry point.
        folder: looked in first; None: the current folder.
        where: place in a config, for messages.

    Raises:
        ConfigError: no such module, name or entry point; a module without a source; a name that a module of Python or
            mmstudy has.
    """
    beside = absolute(Path.cwd() if folder is None else folder)
    module, name = _names(written, where)
    top, *inner = module.split(".")
    spec = PathFinder.find_spec(top, [str(beside)])
    is_beside = spec is not None and (spec.origin is not None or _holds(spec, inner))
    if is_beside and top in TAKEN:
        raise ConfigError(
            f"a module beside the study cannot be called '{top}', since a module of "
            f"{'Python' if top in sys.stdlib_module_names else 'mmstudy'} is called so",
            found=f"{spec.origin or beside / top}" if spec else None,
            next_step="Give the file or folder another name",
            where=where,
        )
    spec = spec if is_beside else _installed(top)
    if spec is None:
        raise _no_module(top, beside, where)
    if spec.submodule_search_locations is not None:
        root = absolute(next(iter(spec.submodule_search_locations))).parent
    else:
        root = absolute(spec.origin or beside).parent
    found = spec
    for depth, step in enumerate(inner, start=2):
        within = found.submodule_search_locations
        inside = None if within is None else PathFinder.find_spec(".".join(module.split(".")[:depth]), within)
        if inside is None:
            raise ConfigError(
                f"'{found.name}' has no module '{step}'",
                found=_place_of(found),
                next_step=nearest(step, sorted(m.name for m in iter_modules(within or []))),
                where=where,
            )
        found = inside
    if found.origin is None or not found.origin.endswith(".py"):
        raise ConfigError(
            f"'{module}' must be a module that is written in Python, since its source joins the fingerprint",
            found=_place_of(found),
            next_step=f"Name the file that holds the class: {AS_WRITTEN}",
            where=where,
        )
    _refuse_unknown(Path(found.origin), module, name, where)
    files = set(_files_of(spec))
    if is_beside:
        files = _followed(files, beside)
    return Source(module, name, root, bool(is_beside), tuple(sorted(files)))


def absolute(path: str | Path) -> Path:
    """From the root, without following links: a link beside the study counts as lying there."""
    return Path(os.path.abspath(path))


def _holds(spec: ModuleSpec, inner: list[str]) -> bool:
    """Whether a folder without ``__init__.py`` has the module; it may just as well hold data."""
    within = spec.submodule_search_locations
    return bool(inner) and PathFinder.find_spec(f"{spec.name}.{inner[0]}", within) is not None


def _names(written: str, where: str | None) -> tuple[str, str]:
    """Module and name, which an entry point may stand for."""
    if ":" not in written:
        offered = {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}
        if written not in offered:
            raise ConfigError(
                f"'{written}' names no class",
                expected=f"{AS_WRITTEN}, or an entry point of the group {GROUP}",
                next_step=nearest(written, sorted(offered)) if offered else f"Write {AS_WRITTEN}",
                where=where,
            )
        written = offered[written].partition("[")[0].strip()
    module, _, name = (part.strip() for part in written.partition(":"))
    if not name.isidentifier() or not all(step.isidentifier() for step in module.split(".")):
        raise ConfigError(
            "a class is named by its module and its name, with a colon between them",
            expected=AS_WRITTEN,
            found=written,
            where=where,
        )
    return module, name


def _installed(top: str) -> ModuleSpec | None:
    """The spec of a top-level module; unlike ``importlib.util.find_spec`` it does not trust what is imported."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(top, None)
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def _no_module(top: str, beside: Path, where: str | None) -> ConfigError:
    here = sorted(m.name for m in iter_modules([str(beside)]))
    return ConfigError(
        f"there is no module '{top}'",
        expected=f"{top}.py or {top}/ in {beside}, or an installed package",
        next_step=nearest(top, here) if here else "Put the file beside the study, or install its package",
        where=where,
    )


def _place_of(spec: ModuleSpec) -> str:
    return str(spec.origin or next(iter(spec.submodule_search_locations or ["no file"])))


def _files_of(spec: ModuleSpec) -> Iterator[Path]:
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield absolute(spec.origin)
        return
    for location in spec.submodule_search_locations:
        yield from (path for path in absolute(location).rglob("*.py") if path.is_file())


def _followed(files: set[Path], folder: Path) -> set[Path]:
    """The files with those of modules of the folder that they import, directly or by way of one another."""
    known, todo = set(files), list(files)
    while todo:
        for top in _imported(todo.pop()) - TAKEN:
            spec = PathFinder.find_spec(top, [str(folder)])
            if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
                new = set(_files_of(spec)) - known
                known |= new
                todo += new
    return known


@dataclass(frozen=True)
class _Written:
    """What the text of a module says about names.

    Args:
        imported: top-level names of the modules that it imports, wherever in it.
        defined: names that it binds; ``*`` among them where they cannot all be known.
        classes: names of its classes, in alphabetical order.
    """

    imported: frozenset[str]
    defined: frozenset[str]
    classes: tuple[str, ...]


@lru_cache(maxsize=512)
def _written_in(text: bytes) -> _Written:
    """The names in a text: a class is looked up for each model that has it, and to parse its file takes longer than
    to make the model.

    Raises:
        SyntaxError, ValueError: it cannot be parsed.
    """
    tree = ast.parse(text)
    nodes = [*ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return _Written(
        frozenset({name.partition(".")[0] for name in names} - {""}),
        frozenset(_defined(nodes)),
        tuple(sorted(node.name for node in tree.body if isinstance(node, ast.ClassDef))),
    )


def _imported(path: Path) -> frozenset[str]:
    """Top-level names of the modules that a file imports, wherever in it; {} where it cannot be parsed."""
    try:
        return _written_in(path.read_bytes()).imported
    except (SyntaxError, ValueError):
        return frozenset()


def _refuse_unknown(path: Path, module: str, name: str, where: str | None) -> None:
    """Refuse a name that the text of a module does not define, before anything is imported."""
    try:
        written = _written_in(path.read_bytes())
    except (SyntaxError, ValueError) as problem:
        line = f":{problem.lineno}" if isinstance(problem, SyntaxError) else ""
        raise ConfigError(
            f"'{module}' cannot be read as Python",
            found=problem.msg if isinstance(problem, SyntaxError) else str(problem),
            next_step=f"Correct {path}{line}",
            where=where,
        ) from None
    if name not in written.defined and "*" not in written.defined:
        raise ConfigError(
            f"'{module}' does not define '{name}'",
            found=str(path),
            next_step=nearest(name, written.classes),
            where=where,
        )


def _defined(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that a module binds; ``*`` where they cannot all be known."""
    for node in nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                pass


# Sealing -------------------------------------------------------------------------------------------------------------
def sealed(config: Part, folder: Path | None = None) -> Part:
    """The same with the hash of each custom part's source, and the folder in which it was found.

    A config without custom parts is returned as it is.

    Args:
        config: a run's config, or a part of one.
        folder: looked in first; None: the current folder.

    Raises:
        ConfigError: a class cannot be found, or its source is not the one that was hashed before.
    """
    return _sealed(config, folder, "")


_PLAIN = frozenset({type(None), bool, int, float, str, tuple})


def _sealed(value: Any, folder: Path | None, path: str) -> Any:
    match value:
        case Reference():
            return _with_source(value, folder, path)
        case BaseModel():
            changed: dict[str, object] = {}
            for name, part in vars(value).items():
                # A search checks thousands of configs, most of whose fields are numbers and words. To ask pydantic
                # whether one of them is a model takes as long as all the rest.
                if type(part) in _PLAIN:
                    continue
                new = _sealed(part, folder, f"{path}.{name}".lstrip("."))
                if new is not part:
                    changed[name] = new
            return value.model_copy(update=changed) if changed else value
        case dict():
            inside = {name: _sealed(part, folder, f"{path}.{name}") for name, part in value.items()}
            return inside if any(inside[name] is not value[name] for name in value) else value
        case _:
            return value


def _with_source(part: Reference, folder: Path | None, path: str) -> Reference:
    own = absolute((Path.cwd() if folder is None else folder) / (part.folder or ""))
    source = find_source(part.class_, own, f"{path}.class".lstrip("."))
    refuse_changed(part, source, path or None)
    return part.model_copy(update={"class_": source.reference, "source": source.hash, "folder": str(own)})


def refuse_changed(part: Reference, source: Source, where: str | None = None) -> None:
    """Refuse a source that is not the one that was hashed when the run was planned.

    Raises:
        ConfigError: it is another one.
    """
    if part.source is not None and part.source != source.hash:
        raise ConfigError(
            f"the source of {source.reference} has changed since the run was planned",
            found=f"other text in {', '.join(source.neighbours)}, in {source.root}",
            next_step="Run the same command again: a changed source is another run",
            where=where,
        )


def custom_parts(config: BaseModel, path: str = "") -> dict[str, Reference]:
    """All custom parts of a config, by dotted path; a config that is one itself has its own path."""
    if isinstance(config, Reference):
        return {path: config}
    found: dict[str, Reference] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            found |= custom_parts(value, f"{path}.{name}".lstrip("."))
        elif isinstance(value, dict):
            for key, one in value.items():
                if isinstance(one, BaseModel):
                    found |= custom_parts(one, f"{path}.{name}.{key}".lstrip("."))
    return found
