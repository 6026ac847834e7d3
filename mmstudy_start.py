"""How mmstudy starts where a folder or a file of the user's bears the name of one of its packages.

The packages have plain names (``mmcore``, ``studies``, ``reports``, ``experiments``), and Python takes the first one
that it finds. ``import mmstudy`` then says which file is in the way. The command ``mmstudy`` takes its own packages,
wherever it is started. This file is a module of its own because neither may need the packages to say so.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("mmcore", "studies", "reports", "experiments")
ROOT = Path(__file__).resolve().parent
"""The folder in which mmstudy is installed, with its packages side by side."""


class HiddenPackageError(ImportError):
    """Python finds another package or module where mmstudy needs one of its own.

    Args:
        found: the name of each hidden package, and the file or folder that hides it; None: there is none at all.
    """

    def __init__(self, found: dict[str, Path | None]) -> None:
        self.found = found
        names = " and ".join(f"'{name}'" for name in found)
        places = " and ".join(str(path) if path else "nothing" for path in found.values())
        super().__init__(
            f"Python must find mmstudy's own {'packages' if len(found) > 1 else 'package'} {names}; "
            f"expected in {ROOT}; found {places}. {_next_step(found)}"
        )


def _next_step(found: dict[str, Path | None]) -> str:
    paths = [path for path in found.values() if path is not None]
    if len(paths) < len(found):
        return "Install mmstudy again: pip install --force-reinstall --no-deps mmstudy"
    added = {Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    if any(path.parent in added for path in paths):
        return "Rename yours, or take its folder out of PYTHONPATH"
    return "Rename yours, run from another folder, or start Python with -P: python -P script.py"


def hidden_packages() -> dict[str, Path | None]:
    """The packages of mmstudy that an import would miss, and what it would find instead; empty as a rule.

    Imports none of them. A folder without ``__init__.py`` hides a package only where Python would prefer it.
    """
    found = {name: _found(name) for name in PACKAGES}
    return {name: path for name, path in found.items() if path != ROOT / name}


def _found(name: str) -> Path | None:
    """The folder of the package, or the file of the module, that ``import name`` gives."""
    module = sys.modules.get(name)
    if module is not None:
        origin, places = getattr(module, "__file__", None), getattr(module, "__path__", ())
    else:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        origin, places = spec.origin if spec.has_location else None, spec.submodule_search_locations or ()
    if origin is not None:
        path = Path(origin).resolve()
        return path.parent if path.name == "__init__.py" else path
    return next((Path(place).resolve() for place in places), None)


def refuse_hidden_packages() -> None:
    """Stop ``import mmstudy`` where it would go wrong later, and less plainly.

    A folder without ``__init__.py`` comes after every package; only an editable installation is asked later still. So
    such a folder gives way.

    Raises:
        HiddenPackageError: names what is in the way and what helps.
    """
    found = hidden_packages()
    plain = [name for name, path in found.items() if path is not None and _is_plain_folder(path)]
    if len(plain) < len(found):
        raise HiddenPackageError({name: path for name, path in found.items() if name not in plain})
    take_own_packages(plain)


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not (path / "__init__.py").exists()


def take_own_packages(names: Iterable[str] = PACKAGES) -> None:
    """Import those packages of mmstudy that another one hides, from their own folder; the search path stays as it is.

    Raises:
        HiddenPackageError: one is not there.
    """
    missing = {name: None for name in names if not (ROOT / name / "__init__.py").is_file()}
    if missing:
        raise HiddenPackageError({**missing})
    for name in hidden_packages().keys() & set(names):
        folder = ROOT / name
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


NEW_OBJECTS = 10_000
"""After so many new objects a command looks for garbage. After 700, as Python does, a report takes a quarter longer."""


def look_for_garbage_seldom() -> None:
    """Commands make many objects and leave little garbage; where it is looked for more seldom already, it stays so."""
    if 0 < gc.get_threshold()[0] < NEW_OBJECTS:
        gc.set_threshold(NEW_OBJECTS)


def main() -> None:
    """The command ``mmstudy``."""
    look_for_garbage_seldom()
    try:
        take_own_packages()
        from experiments.cli.main import main as command

        command()
    except KeyboardInterrupt:
        # While it imports, or in a line before the command's own care for Ctrl-C: there is nothing yet to end in order.
        sys.exit(130)
