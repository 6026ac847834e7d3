"""The pool of workers that an engine gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import psutil

from experiments.home import Home
from experiments.launchers.cards import Card, cards, runs_on
from experiments.launchers.engine import Engine, LocalEngine, RayEngine, Resources, SlurmEngine
from experiments.launchers.local import LocalPool, cores
from experiments.launchers.pool import Pool
from experiments.launchers.ray.pool import RayPool
from mmcore.errors import LaunchError

AnyPool: TypeAlias = Pool[Any]


@dataclass(frozen=True)
class Share:
    """How the work is shared.

    Args:
        workers: how many.
        threads: CPU threads of each.
        cards: CUDA devices of this machine to deal out among them; none: leave the environment as it is.
        part: graphics cards of each; 0.25: four share one.
    """

    workers: int
    threads: int
    cards: tuple[Card, ...] = ()
    part: float = 0.0


def share(
    engine: Engine,
    runs: int,
    workers: int | None,
    device: str,
    threads: int | None = None,
    needed: Callable[[], float] = lambda: 0.0,
) -> Share:
    """How many workers an engine gives to some runs; opens no connection.

    Args:
        runs: runs to do; more workers than runs would idle.
        workers: as asked for; None: as many as there is room for.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        threads: of each run, as asked for; None: one. It never follows from the number of runs, workers or cores: sums
            over another number of threads round differently, so the last run of a study would differ from the others.
        needed: bytes that the largest run takes at least, see :func:`experiments.planning.memory.needed_by`.
    """
    match engine:
        case LocalEngine(resources=resources):
            return _share_here(resources, runs, workers, device, threads or 1, needed)
        case RayEngine():
            return _share_of_cluster(engine, runs, workers, device, threads or 1)
        case SlurmEngine():
            raise LaunchError(f"runs cannot be trained on {engine.kind} yet")


def _share_here(
    resources: Resources, runs: int, workers: int | None, device: str, threads: int, needed: Callable[[], float]
) -> Share:
    """On the CPU as many workers as the cores can serve, on graphics cards as many as their memory holds.

    Two workers with one thread each train 1.26 times as much as one with two on a two-core machine.
    """
    room = max(1, int(cores() / (resources.cpus or threads)))
    if resources.memory_gib:
        room = max(1, min(room, int(psutil.virtual_memory().total / 2**30 / resources.memory_gib)))
    there = cards() if device in ("cuda", "auto") and resources.gpus != 0 else ()
    part = resources.gpus or 0.0
    if there:
        if not part:
            part = 1 / min(runs_on(card, needed()) for card in there)
        # Each run on a card needs a core to feed it, but never are there fewer runs than cards.
        fit = int(len(there) / part + 1e-9) if part > 1 else len(there) * int(1 / part + 1e-9)
        if fit < 1:
            raise LaunchError(
                "a run cannot have more graphics cards than there are",
                expected=f"at most {len(there)}",
                found=f"resources.gpus: {part:g}",
            )
        room = fit if resources.gpus else min(fit, max(room, len(there)))
    elif device == "mps":
        room = 1
    return Share(max(1, min(workers or room, runs)), threads, there if len(there) > 1 else (), part)


def _share_of_cluster(engine: RayEngine, runs: int, workers: int | None, device: str, threads: int) -> Share:
    """At most one worker for each run: how many there are follows from the nodes, once the pool is open."""
    part = engine.resources.gpus
    if part is None:
        part = 1.0 if device == "cuda" else 0.0
    most = workers or runs
    if engine.address is None:
        most = min(most, max(1, int(cores() / (engine.resources.cpus or threads))))
    return Share(max(1, min(most, runs)), threads, (), part)


def open_pool(
    engine: Engine, share: Share, home: Home, busy: Callable[[str], bool] = lambda name: False, foreign: bool = False
) -> AnyPool:
    """A pool, whose workers begin to import their libraries.

    Args:
        home: where runs, prepared stores and logs are.
        busy: see :class:`experiments.launchers.pool.Pool`.
        foreign: the workers serve training code of the user's own alone, and need not import our libraries.

    Raises:
        LaunchError: the engine is not installed, or does not answer.
    """
    match engine:
        case LocalEngine():
            return LocalPool(share.workers, share.threads, home.logs, share.cards, share.part, busy, foreign)
        case RayEngine():
            return RayPool(engine, share.workers, share.threads, home, share.part, busy, foreign)
        case SlurmEngine():
            raise LaunchError(f"runs cannot be trained on {engine.kind} yet")
