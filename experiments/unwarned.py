"""Leave out what libraries warn of, in one thread alone.

``warnings.catch_warnings`` changes the filters of the whole process: where two threads use it at once, the one that
ends first takes the other's filters away. What is left out here does not depend on filters.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_silent: dict[int, int] = {}
"""Threads that are not to be warned, and how often each has asked for it."""
_warn = warnings.warn


def _unless_silent(
    message: str | Warning, category: type[Warning] | None = None, stacklevel: int = 1, *more: Any, **about: Any
) -> None:
    if threading.get_ident() not in _silent:
        _warn(message, category, stacklevel + 1, *more, **about)


@contextmanager
def unwarned() -> Iterator[None]:
    """No warning of Python code reaches anybody from this thread; those of other threads do, as before.

    Warnings of compiled code are left out, too, unless another thread changes the filters meanwhile.
    """
    global _warn
    own = threading.get_ident()
    with _lock:
        if not _silent:
            _warn, warnings.warn = warnings.warn, _unless_silent
        _silent[own] = _silent.get(own, 0) + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        with _lock:
            _silent[own] -= 1
            if not _silent[own]:
                del _silent[own]
            if not _silent and warnings.warn is _unless_silent:
                warnings.warn = _warn
