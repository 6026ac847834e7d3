"""How a worker process is started: its command, and an environment in which memory costs little time.

A training step takes some hundred tensors and gives them back, and the next one takes the same again. The allocator of
the system spends time on that, and hands out other addresses, which the caches of the processor do not hold. Imports
nothing but the standard library: a node of Slurm starts with it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from functools import cache
from importlib import metadata
from pathlib import Path

FOREIGN = "foreign"
"""The argument of a worker that serves foreign training code alone, and so needs no torch."""

MEMORY_VARIABLES = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""How the GNU C library deals with memory that a training step gives back: it keeps it for the next step, in place of
giving it to the system and taking it again page by page. Other libraries do not know them; the user's own come first.
"""

PRELOAD = "LD_PRELOAD"
"""Names libraries that the loader of Linux loads before all others. One that is set, be it empty, is left as it is."""

_LIBRARIES = ("libtbbmalloc.so.2", "libtbbmalloc_proxy.so.2")
"""oneTBB's allocator, and what puts it in place of the system's, in the order in which they are loaded."""


def worker_command(*words: str) -> list[str]:
    """What starts a worker process.

    Args:
        words: :data:`FOREIGN`, or nothing.
    """
    # -P: a file of the user's folder must not stand in for one of our packages.
    return [sys.executable, "-P", "-m", "experiments.launchers.worker", *words]


def worker_environment(environment: Mapping[str, str], foreign: bool = False) -> dict[str, str]:
    """The environment of a worker process. Memory is dealt with as suits training; no result depends on it.

    Args:
        environment: of the process that starts it; what it sets itself is kept.
        foreign: the worker serves training code of the user's own alone, which has memory as everywhere else.
    """
    mine = {"PYTHONUNBUFFERED": "1"}
    if foreign:
        return dict(environment) | mine
    preloaded = {PRELOAD: ":".join(allocator())} if allocator() else {}
    return MEMORY_VARIABLES | preloaded | dict(environment) | mine


def spare_children(environment: MutableMapping[str, str]) -> None:
    """Take the allocator out of a worker's own environment, which programs that it starts would have from it.

    The worker keeps it: its loader has read the variable already. A program for another processor or C library would
    complain of it, and others are not ours to change. What the user set is left.
    """
    if allocator() and environment.get(PRELOAD) == ":".join(allocator()):
        del environment[PRELOAD]


@cache
def allocator() -> tuple[str, ...]:
    """The files of oneTBB's allocator in the order in which they are loaded; none where it is not installed.

    The package ``tbb`` brings it, for Linux on x86-64. The loader takes no path with a space or a colon, so an
    environment in such a folder goes without.
    """
    if sys.platform != "linux":
        return ()
    try:
        installed = metadata.distribution("tbb")
    except metadata.PackageNotFoundError:
        return ()
    found = {file.name: Path(str(installed.locate_file(file))).resolve() for file in installed.files or ()}
    paths = [str(found[name]) for name in _LIBRARIES if name in found and found[name].is_file()]
    if len(paths) < len(_LIBRARIES) or any(set(path) & set(" :") for path in paths):
        return ()
    return tuple(paths)
