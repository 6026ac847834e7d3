"""This machine, as far as estimates of time need it: which one it is, and how fast."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from experiments.launchers.local import cores


@cache
def identity() -> str:
    """An anonymous key of this machine: 12 hexadecimal digits computed from name, processor and cores."""
    text = f"{platform.node()}|{platform.machine()}|{platform.processor()}|{cores()}"
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Pace:
    """How long this machine takes, as a multiple of the one on which :func:`experiments.planning.work.guess` was
    fitted.

    Args:
        calls: for many small steps of Python and numpy.
        products: for matrix products on one core.
    """

    calls: float
    products: float


REFERENCE = (4.05e-7, 5.0e-6)
"""Seconds of a small addition and of a product of 64 × 64 matrices on the machine of the fit (AMD EPYC, 2 cores)."""

_MOST = 5.0
"""A pace above this, or below its inverse, is probably a measurement error."""


@cache
def pace() -> Pace:
    """Measured once a process in about 0.06 s; the best of many short tries, so that a busy machine disturbs little.

    Products of 64 × 64 are too small for numpy to spread them over cores.
    """
    import numpy as np

    small, matrix = np.ones(16, np.float32), np.ones((64, 64), np.float32)
    out = np.empty_like(matrix)

    def calls() -> None:
        for _ in range(_CALLS):
            np.add(small, 1.0)

    def products() -> None:
        for _ in range(_PRODUCTS):
            np.matmul(matrix, matrix, out=out)

    found = (_best(calls) / _CALLS / REFERENCE[0], _best(products) / _PRODUCTS / REFERENCE[1])
    return Pace(*(min(_MOST, max(1 / _MOST, value)) for value in found))


def busy(workers: int) -> float:
    """Factor by which other processes slow the workers down; 1 if cores are free, or if the load is unknown.

    The load of the last minute may not last. So the factor is the geometric mean of two cases: no slowdown, and the
    slowdown if the load stays.

    Args:
        workers: processes that will be added.
    """
    if not hasattr(os, "getloadavg"):
        return 1.0
    return math.sqrt(max(1.0, (os.getloadavg()[0] + workers) / cores()))


_CALLS = 200
_PRODUCTS = 20


def _best(task: Callable[[], None], tries: int = 40) -> float:
    found = float("inf")
    for _ in range(tries):
        began = time.perf_counter()
        task()
        found = min(found, time.perf_counter() - began)
    return found
