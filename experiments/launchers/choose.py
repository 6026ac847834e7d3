"""The pool of workers that an engine gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from experiments.home import Home
from experiments.launchers.engine import Engine, LocalEngine, RayEngine, SlurmEngine
from experiments.launchers.local import LocalPool, share_of_cores
from experiments.launchers.pool import Pool
from mmcore.errors import LaunchError

AnyPool: TypeAlias = Pool[Any]


@dataclass(frozen=True)
class Share:
    """How the work is shared.

    Args:
        workers: how many.
        threads: CPU threads of each.
        gpus: CUDA devices of this machine to deal out among them; 0: leave the environment as it is.
    """

    workers: int
    threads: int
    gpus: int


def share(engine: Engine, runs: int, workers: int | None, device: str, threads: int | None) -> Share:
    """How many workers an engine gives to some runs; opens no connection.

    Args:
        runs, workers, device, threads: see :func:`experiments.launchers.local.share_of_cores`.
    """
    match engine:
        case LocalEngine():
            return Share(*share_of_cores(runs, workers, device, threads))
        case RayEngine() | SlurmEngine():
            raise LaunchError(f"runs cannot be trained on {engine.kind} yet")


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
            return LocalPool(share.workers, share.threads, home.logs, share.gpus, busy, foreign)
        case RayEngine() | SlurmEngine():
            raise LaunchError(f"runs cannot be trained on {engine.kind} yet")
