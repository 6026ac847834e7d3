"""The graphics cards of this machine, and how runs share them. Imports no torch."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

_USED = 0.9
"""Share of a card's memory that runs may have together."""
_CONTEXT = 0.75 * 2**30
"""Bytes that CUDA itself takes in each process."""
_ROOM = 2.0
"""Estimates of a run's memory are lower bounds: buffers of single operations come on top."""


@dataclass(frozen=True)
class Card:
    """A graphics card.

    Args:
        name: as ``CUDA_VISIBLE_DEVICES`` has it.
        memory: in bytes; None where it is not known.
    """

    name: str
    memory: int | None


def cards() -> tuple[Card, ...]:
    """The CUDA devices that this process may use, from ``nvidia-smi``: torch need not be imported."""
    try:
        words = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
        answer = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        answer = ""
    memory: dict[str, int] = {}
    there: list[str] = []
    for line in answer.splitlines():
        index, uuid, mebibytes = (part.strip() for part in (*line.split(","), "", "")[:3])
        there.append(index)
        if mebibytes.isdigit():
            memory[index] = memory[uuid] = int(mebibytes) * 2**20
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        there = [name.strip() for name in visible.split(",") if name.strip() and name.strip() != "-1"]
    return tuple(Card(name, memory.get(name)) for name in there)


def runs_on(card: Card, needed: float) -> int:
    """How many runs of a study share a card: as many as its memory holds, at least one.

    Args:
        needed: bytes that the largest run takes at least; 0: nobody knows, and a run has a card for itself.

    Example:
        >>> runs_on(Card("0", 16 * 2**30), needed=2**30)
        5
    """
    if not needed or card.memory is None:
        return 1
    return max(1, int(_USED * card.memory / (_ROOM * needed + _CONTEXT)))


def room_on(card: Card, needed: float) -> int:
    """How many runs of one process a card's memory holds, at least one; 1 where nobody knows.

    Example:
        >>> room_on(Card("0", 16 * 2**30), needed=2**30)
        6
    """
    if not needed or card.memory is None:
        return 1
    return max(1, int((_USED * card.memory - _CONTEXT) / (_ROOM * needed)))


def dealt(there: tuple[Card, ...], worker: int, part: float) -> str:
    """What ``CUDA_VISIBLE_DEVICES`` is for a worker.

    Args:
        worker: number of the worker, from 0.
        part: cards of a run; up to 1: one card, which workers share in turn.

    Example:
        >>> four = tuple(Card(name, None) for name in "0123")
        >>> [dealt(four, worker, 0.5) for worker in range(5)], [dealt(four, worker, 2) for worker in range(2)]
        (['0', '1', '2', '3', '0'], ['0,1', '2,3'])
    """
    each = max(1, int(part))
    first = worker * each
    return ",".join(there[(first + step) % len(there)].name for step in range(each))
