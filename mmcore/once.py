"""What the runs of one repeat have in common, whatever their arm: each process computes it once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Made = TypeVar("Made")

MOST = 8
"""Results that a process keeps: those of about three repeats."""

_kept: OrderedDict[tuple[Hashable, ...], object] = OrderedDict()


def once(what: str, given: tuple[Hashable, ...], make: Callable[[], Made]) -> Made:
    """A result, computed unless it is one of the last :data:`MOST`; whoever gets it must not change it.

    Args:
        what: is computed. given: all that it depends on. make: computes it; what it raises is raised, and nothing kept.
    """
    key = (what, *given)
    if key in _kept:
        _kept.move_to_end(key)
        return cast("Made", _kept[key])
    made = make()
    _kept[key] = made
    while len(_kept) > MOST:
        _kept.popitem(last=False)
    return made
