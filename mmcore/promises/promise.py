"""A promise, and what is said of one that is broken. B batch, T steps, K tracks, O outputs per track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

Subject = TypeVar("Subject")


class Broken(Exception):
    """A promise does not hold.

    Args:
        found: what was done, and what came of it, with numbers.
    """

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


@dataclass(frozen=True)
class Promise(Generic[Subject]):
    """Something that every member of a family does.

    Args:
        name: short, in words with hyphens. says: one sentence. test: raises :class:`Broken` where it does not hold.
    """

    name: str
    says: str
    test: Callable[[Subject], None]


def same(found: Tensor, wanted: Tensor, doing: str, where: Tensor | None = None, tolerance: float = 0.0) -> None:
    """Refuse outputs that differ, NaN included.

    Args:
        found, wanted: of one shape. doing: what was changed between them. where: what counts, over
            the leading axes; None: all.
        tolerance: absolute and relative; 0: bit for bit.

    Raises:
        Broken: with the first place and both numbers.
    """
    with torch.no_grad():
        equal = torch.isclose(found, wanted, atol=tolerance, rtol=tolerance) if tolerance else found == wanted
        if where is not None:
            equal = equal | ~where.reshape(*where.shape, *(1,) * (equal.ndim - where.ndim))
        if not bool(equal.all()):
            at = tuple((~equal).nonzero()[0].tolist())
            finite(wanted[at], doing, place(at))
            raise Broken(f"{doing}; {place(at)} was {float(wanted[at]):.6g} and became {float(found[at]):.6g}")


def finite(value: Tensor, doing: str, what: str = "the output") -> None:
    """Refuse NaN and infinite numbers.

    Raises:
        Broken: with the first place, and the number of places where there are several.
    """
    value = value.detach()
    wrong = ~torch.isfinite(value)
    count = int(wrong.sum())
    if count:
        at = tuple(wrong.nonzero()[0].tolist())
        spot = place(at) if value.ndim == 4 else f"{what} at {at}" if value.numel() > 1 else what
        others = f", and {count - 1} more of {value.numel()} are not finite" if count > 1 else ""
        raise Broken(f"{doing}; {spot} is {float(value[at])}{others}")


def place(at: tuple[int, ...]) -> str:
    """A place in outputs (B, T, K, O), in words."""
    axes = ("row", "step", "track", "output")[: len(at)]
    return "the output at " + ", ".join(f"{axis} {i}" for axis, i in zip(axes, at, strict=True))
