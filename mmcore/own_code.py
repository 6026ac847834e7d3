"""Classes of the user's: import them, make objects of them, and tell their frames of a traceback from ours.

A class is given what its signature names: of what a family offers (``width``, ``modalities`` …) and of the config's
``args``. So it need not inherit from anything of ours, nor import us.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mmcore.config.custom import Reference
from mmcore.custom import Source, absolute, find_source, refuse_changed
from mmcore.errors import ConfigError, MMStudyError, nearest


class _Fresh(SourceFileLoader):
    """Reads the text itself: bytecode that Python kept is told apart by whole seconds only."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError("no bytecode is read or written")


class _BesideFinder(MetaPathFinder):
    """Finds the modules that lie beside a study, by name; no other file of that folder can hide an installed module."""

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folder = self.folders.get(fullname.partition(".")[0])
        if folder is None:
            return None
        spec = PathFinder.find_spec(fullname, [str(folder)] if path is None else path)
        if spec is not None and spec.origin is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Fresh(fullname, spec.origin)
        return spec


_BESIDE = _BesideFinder()
_HASHES: dict[str, str] = {}
"""The source of modules that were imported here first, as it was then, by top-level name."""
_FILES: dict[str, Path] = {}
"""Files of the user's that were imported, and the folder that each is told relative to."""


def load_class(part: Reference) -> Any:
    """The class that a part names, imported from the text that its source was hashed from.

    Raises:
        ConfigError: it cannot be found or imported, or its text has changed.
    """
    source = find_source(part.class_, None if part.folder is None else Path(part.folder))
    refuse_changed(part, source)
    _FILES.update({str(path): source.root for path in source.files})
    _make_importable(source)
    try:
        module = importlib.import_module(source.module)
    except Exception as error:
        where = (_line_of(error),) if isinstance(error, SyntaxError) else frames_of(error)
        raise ConfigError(
            f"{source.module} cannot be imported",
            found=f"{type(error).__name__}: {error}" + (f" (at {where[-1]})" if where else ""),
            next_step=f"Correct {source.module}, or install what it imports",
        ) from error
    if not hasattr(module, source.name):
        raise ConfigError(f"'{source.module}' does not define '{source.name}'", found=str(module.__file__))
    return getattr(module, source.name)


def _line_of(error: SyntaxError) -> str:
    return f"{error.filename}, line {error.lineno}"


def _make_importable(source: Source) -> None:
    """Let Python find the modules of a source; those that were imported here from another text are imported anew."""
    if _BESIDE not in sys.meta_path:
        sys.meta_path.insert(0, _BESIDE)
    for top in source.neighbours:
        if source.beside:
            _BESIDE.folders[top] = source.root
        else:
            _BESIDE.folders.pop(top, None)
        text = f"{source.root}\0{source.hash_of(top)}"
        known, ours = sys.modules.get(top), top in _HASHES
        if known is not None and _HASHES.get(top) != text:
            if source.beside and not ours and not _lies_in(known, source.root):
                raise ConfigError(
                    f"a module beside the study cannot be called '{top}', since another one of this name is in use",
                    found=str(getattr(known, "__file__", None)),
                    next_step="Give the file or folder another name",
                )
            if source.beside or ours:
                _drop_modules(top)
        if known is None or source.beside or ours:
            _HASHES[top] = text
    if source.module not in sys.modules:
        importlib.invalidate_caches()


def _drop_modules(top: str) -> None:
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", []))
    return any(folder in absolute(place).parents for place in places if place)


# Calling -------------------------------------------------------------------------------------------------------------
def construct(made: Any, part: Reference, offered: Mapping[str, object]) -> Any:
    """An object of a class: its constructor gets ``args``, and of what is offered whatever it names.

    Raises:
        ConfigError: the constructor does not take one of ``args``, or needs what nobody gives.
    """
    return made(**arguments(made, part, offered))


def arguments(made: Any, part: Reference, offered: Mapping[str, object]) -> dict[str, object]:
    """What a constructor is called with; see :func:`construct`."""
    by_name, takes_any = _parameters(made)
    unknown = [] if takes_any else [name for name in part.args if name not in by_name]
    if unknown:
        takes = [name for name in by_name if name not in offered]
        raise ConfigError(
            f"{part.class_} does not take the argument '{unknown[0]}'",
            found=f"args: {', '.join(part.args)}",
            next_step=nearest(unknown[0], takes) if takes else "It takes no argument of its own: leave args out",
        )
    given = {name: value for name, value in offered.items() if name in by_name} | dict(part.args)
    missing = [name for name, required in by_name.items() if required and name not in given]
    if missing:
        raise ConfigError(
            f"{part.class_} needs the argument '{missing[0]}'",
            expected=f"it in args, or one of what is offered: {', '.join(offered)}",
            found=f"args: {', '.join(part.args) or 'none'}",
            next_step=f"Add args: {{{missing[0]}: …}}",
        )
    return given


def parameters_of(made: Any) -> tuple[str, ...]:
    """Names of the parameters of a class's constructor, or of a function."""
    return tuple(_parameters(made)[0])


def _parameters(made: Any) -> tuple[dict[str, bool], bool]:
    """Names of a callable's parameters with whether each is required, and whether it takes any name."""
    start = getattr(made, "__init__", made) if inspect.isclass(made) else made
    if getattr(start, "__qualname__", "") == "Module.__init__":
        # torch's own, which takes anything and then refuses it.
        return {}, False
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):
        return {}, True
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return {p.name: p.default is p.empty for p in named}, takes_any


def named_inputs(function: Callable[..., object], what: str, offered: Iterable[str]) -> tuple[str, ...]:
    """Those of the offered inputs that a function names.

    Args:
        what: the function, for messages: ``forward of my_pkg.fusion:Mine``.

    Raises:
        ConfigError: it needs an input that is not offered.
    """
    by_name, _ = _parameters(function)
    choices = list(offered)
    for name, required in by_name.items():
        if required and name not in choices:
            raise ConfigError(
                f"{what} asks for an input '{name}' that is not offered",
                next_step=nearest(name, choices),
            )
    return tuple(name for name in choices if name in by_name)


# Tracebacks ----------------------------------------------------------------------------------------------------------
def frames_of(error: BaseException) -> tuple[str, ...]:
    """The user's frames of a traceback, outermost first: ``my_pkg/fusion.py, line 12, in forward: return x[3]``.

    () where the error arose elsewhere.
    """
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = absolute(frame.filename)
        root = _FILES.get(str(path))
        if root is not None:
            place = path.relative_to(root).as_posix()
            frames.append(f"{place}, line {frame.lineno}, in {frame.name}: {(frame.line or '').strip()}".rstrip(": "))
    return tuple(frames)


@contextmanager
def as_config_errors(doing: str) -> Iterator[None]:
    """Tell an exception of the user's code as one line, where no run can record it.

    Args:
        doing: what is done meanwhile, as in ``a model is counted``.

    Raises:
        ConfigError: in the place of an exception that has frames of the user's; others are left as they are.
    """
    try:
        yield
    except MMStudyError:
        raise
    except Exception as error:
        frames = frames_of(error)
        if not frames:
            raise
        raise ConfigError(
            f"a class of yours raised an error while {doing}",
            found=f"{type(error).__name__}: {error} (at {frames[-1]})",
            next_step="Correct it, then run the same command again",
        ) from error
