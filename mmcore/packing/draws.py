"""Dropout masks of many models, drawn before the forward pass from each member's own seed.

On the CPU the draws are to the bit those of the run alone: a generator gives the same numbers in one call as in many.
On CUDA they are others of the same kind, since there a draw depends on the size of its call; they follow from the
member's repeat, epoch and step alone, never from who else is in the pack.

R members, B rows of the largest batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmcore.model.dropout import LOWEST_16, LOWEST_64, Masks, dropped_lanes


@dataclass(frozen=True)
class Form:
    """A mask that a forward pass asks for.

    Args:
        shape: its first axis is a multiple of the rows of the batch. rate: share dropped. dtype: of the mask.
    """

    shape: tuple[int, ...]
    rate: float
    dtype: torch.dtype


class Recorded(Masks):
    """Keeps which masks a forward pass asks for, and gives ones."""

    def __init__(self) -> None:
        self.forms: list[Form] = []

    def next(self, like: Tensor, rate: float) -> Tensor:
        """Ones."""
        self.forms.append(Form(tuple(like.shape), rate, like.dtype))
        return torch.ones_like(like)


class Drawn(Masks):
    """Gives masks that were drawn before, in the order in which they were asked for."""

    def __init__(self, masks: Sequence[Tensor]) -> None:
        self._left = iter(masks)

    def next(self, like: Tensor, rate: float) -> Tensor:
        """The next one."""
        return next(self._left)


def draw(
    forms: Sequence[Form], rows: int, rows_R: Sequence[int], seeds: Sequence[int], device: torch.device
) -> list[Tensor]:
    """The masks of a step, (R, *shape) each.

    Args:
        forms: of a batch of ``rows`` rows.
        rows_R: of each member's own batch, at most ``rows``; what lies beyond them is padding.
        seeds: of each member's step.
    """
    lanes = [[_lanes(form, own, rows) for form in forms] for own in rows_R]
    masks = [torch.empty(len(seeds), *form.shape, dtype=form.dtype, device=device) for form in forms]
    # What lies beyond a member's rows may be anything: its mask is used for padding alone.
    whole = torch.empty(len(seeds), sum(_lanes(form, rows, rows) for form in forms), dtype=torch.int64, device=device)
    rng = torch.Generator(device)
    for r, seed in enumerate(seeds):
        count = sum(lanes[r])
        if count:
            whole[r, :count].random_(LOWEST_64, None, generator=rng.manual_seed(seed))
    for r in [] if all(own == rows for own in rows_R) else range(len(seeds)):
        # A smaller batch has its numbers closer together: each mask's to their place among those of whole batches.
        _spread(whole[r], lanes[r], [_lanes(form, rows, rows) for form in forms])
    first = 0
    lanes_RL = whole.view(torch.int16)
    for form, mask in zip(forms, masks, strict=True):
        count = math.prod(form.shape)
        drawn = lanes_RL[:, 4 * first : 4 * first + count].view(mask.shape)
        torch.ge(drawn, LOWEST_16 + dropped_lanes(form.rate), out=mask)
        first += _lanes(form, rows, rows)
    return masks


def _lanes(form: Form, own: int, rows: int) -> int:
    """64-bit draws for a mask of ``own`` rows, four elements each."""
    return (math.prod(form.shape) * own // rows + 3) // 4


def _spread(drawn_L: Tensor, have: Sequence[int], places: Sequence[int]) -> None:
    """Move stretches that stand close together to their places, the last one first, in place."""
    starts = [sum(have[:i]) for i in range(len(have))]
    ends = [sum(places[:i]) for i in range(len(places))]
    for start, end, count in reversed(list(zip(starts, ends, have, strict=True))):
        if start != end:
            drawn_L[end : end + count] = drawn_L[start : start + count].clone()
