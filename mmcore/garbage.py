"""Python's garbage collector, out of the way of work that leaves nothing for it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the collector; afterwards it is on if it was on before."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_ours = False
"""Whether :func:`keep` has set aside what was there."""


def keep() -> bool:
    """Set aside what is there now: the collector looks through it no more until :func:`let_go`.

    Returns:
        Whether this call did so. Where objects are set aside already, they stay so, and whoever did it lets them go.
    """
    global _ours
    # Python counts what is set aside one by one: a tenth of a second for a million objects. What we know is not asked.
    if _ours or gc.get_freeze_count():
        return False
    gc.freeze()
    _ours = True
    return True


def let_go() -> None:
    """Give the collector back what :func:`keep` set aside."""
    global _ours
    gc.unfreeze()
    _ours = False
