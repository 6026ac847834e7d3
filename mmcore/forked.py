"""Work that a copy of this process does beside it: a large report uses the machine's other processors. No torch.

A copy sees all that this process holds, so nothing is sent to it; what it makes comes back piece by piece. Only Linux
has copies that are safe, and only where no other thread runs, which might hold a lock for ever in the copy. Elsewhere
this process does the work itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

T = TypeVar("T")
_DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


class CopyFailedError(Exception):
    """A copy ended before it had made everything. Whoever reads from it does the work itself, and meets the error."""


MOST = 8
"""Copies that work at once at most: with more of them, this process cannot take over what they make."""


def copies() -> int:
    """How many copies of this process may work at once: one a processor; 0 where there may be none."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 0
    processors = len(os.sched_getaffinity(0))
    return min(processors, MOST) if processors > 1 else 0


class Copy(Generic[T]):
    """A copy of this process that makes things one by one.

    Args:
        work: called in the copy alone. What it gives must be such that pickle can send it.
    """

    def __init__(self, work: Callable[[], Iterable[T]]) -> None:
        context = multiprocessing.get_context("fork")
        self._pieces, sending = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(work, self._pieces, sending), daemon=True)
        with warnings.catch_warnings(), _no_signal():
            # Later versions of Python warn of any thread, also of those of numeric libraries, which know about copies.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        sending.close()

    def next(self) -> T:
        """The next thing that it made; waits for it.

        Raises:
            CopyFailedError: it has ended, or was killed.
        """
        try:
            return self._pieces.recv()
        except (EOFError, OSError):
            raise CopyFailedError from None

    def end(self) -> None:
        """End it, whatever it does; may be called again."""
        self._pieces.close()
        self._process.kill()
        self._process.join()


_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _no_signal() -> Iterator[None]:
    """Signals that stop a command wait until the end: Python swallows what they raise while a process is copied."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(work: Callable[[], Iterable[T]], pieces: Connection, sending: Connection) -> None:
    import ctypes

    # Ctrl-C reaches all processes of a terminal; this one is ended by its parent, or dies with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    pieces.close()
    try:
        for piece in work():
            sending.send(piece)
    except Exception:
        # The parent does the work itself, and meets the same error where it can be told to the user.
        os._exit(1)
    os._exit(0)
