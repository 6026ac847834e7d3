"""Dropout from an explicit generator: never from the global state, and cheap.

``Tensor.bernoulli_`` draws one element at a time in one thread, a quarter of a whole training step on a CPU. Here a
64-bit draw serves four elements: its 16-bit lanes are compared with a threshold. The rate is therefore a multiple of
1/65536, and the scale is that of the rate in use, so that expectations are exact.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

_LANES = 1 << 16
LOWEST_64 = -(1 << 63)
LOWEST_16 = -(1 << 15)


def dropped_lanes(rate: float) -> int:
    """How many of the 65,536 lane values are dropped: the nearest to ``rate``, and never all of them."""
    return min(round(rate * _LANES), _LANES - 1)


def scale_of(rate: float) -> float:
    """What kept elements are multiplied by so that the expectation stays: 1 / (share really kept)."""
    return _LANES / (_LANES - dropped_lanes(rate))


class Masks(torch.Generator):
    """Stands in the place of a generator where masks are drawn elsewhere: for many models at once.

    See :mod:`mmcore.packing.draws`. It draws nothing itself.
    """

    def __new__(cls, *about: object) -> Self:
        """Torch takes the first argument for a device."""
        return torch.Generator.__new__(cls)

    def next(self, like: Tensor, rate: float) -> Tensor:
        """The mask for this place of the forward pass, see :func:`keep_mask`; already scaled, but for bfloat16."""
        raise NotImplementedError


def keep_mask(like: Tensor, rate: float, rng: torch.Generator) -> Tensor:
    """Ones with probability 1 − rate, else zeros, in the shape, type and device of ``like``.

    Args:
        like: any tensor; only its form counts.
        rate: share dropped, in [0, 1).
        rng: on the device of ``like``.
    """
    if isinstance(rng, Masks):
        return rng.next(like, rate)
    n = like.numel()
    draws = torch.empty((n + 3) // 4, dtype=torch.int64, device=like.device).random_(LOWEST_64, None, generator=rng)
    lanes = draws.view(torch.int16)[:n].view(like.shape)
    # Comparing straight into numbers is several times faster than a bool mask converted or multiplied later.
    mask = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    return torch.ge(lanes, LOWEST_16 + dropped_lanes(rate), out=mask)


def dropout(x: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
    """``x`` with a share of its elements zeroed and the rest scaled up.

    Args:
        x: any shape.
        rate: share dropped, in [0, 1).
        rng: on x's device; None: evaluation, x itself comes back.

    Source: Srivastava et al. 2014, "Dropout", §4, with the scale applied while training.
    """
    if rng is None or rate == 0.0:
        return x
    if x.dtype == torch.bfloat16:
        # The scale itself would be rounded by up to 0.4 %, for all elements in one direction.
        return x * keep_mask(x, rate, rng) * scale_of(rate)
    mask = keep_mask(x, rate, rng)
    return x * (mask if isinstance(rng, Masks) else mask.mul_(scale_of(rate)))


def add_dropped(x: Tensor, branch: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
    """``x + dropout(branch)``, in one pass over memory."""
    if rng is None or rate == 0.0:
        return x + branch
    scale = 1.0 if isinstance(rng, Masks) and branch.dtype != torch.bfloat16 else scale_of(rate)
    return torch.addcmul(x, branch, keep_mask(branch, rate, rng), value=scale)
