"""Dropout masks of many models, drawn before the forward pass from each member's own seed.

On the CPU the draws are to the bit those of the run alone: a generator gives the same numbers in one call as in many.
On CUDA they are others of the same kind, since there a draw depends on the size of its call; they follow from the
member's repeat, epoch and step alone, never from who else is in the pack.

R members, B rows of the largest batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from mmcore.model.dropout import LOWEST_16, LOWEST_64, Masks, dropped_lanes, scale_of


@dataclass(frozen=True)
class Form:
    """A mask that a forward pass asks for.

    Args:
        shape: its first axis is a multiple of the rows of the batch. dtype: of the mask.
        rate_R: share dropped, of each member.
    """

    shape: tuple[int, ...]
    rate_R: tuple[float, ...]
    dtype: torch.dtype

    def with_rows(self, rows: int, seen: int) -> Form:
        """For another number of rows than the one with which it was seen."""
        return replace(self, shape=(self.shape[0] * rows // seen, *self.shape[1:]))


class Recorded(Masks):
    """Keeps which masks a forward pass asks for, and gives ones."""

    def __init__(self) -> None:
        self.forms: list[Form] = []

    def next(self, like: Tensor, rate: float) -> Tensor:
        """Ones."""
        self.forms.append(Form(tuple(like.shape), (rate,), like.dtype))
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
    """The masks of a step, (R, *shape) each: zeros, and elsewhere the scale of dropout, or 1 in bfloat16.

    Args:
        forms: of a batch of ``rows`` rows.
        rows_R: of each member's own batch, at most ``rows``; what lies beyond them is padding.
        seeds: of each member's step.
    """
    places = [_lanes(form, rows, rows) for form in forms]
    # What lies beyond a member's rows may be anything: its mask is used for padding alone.
    whole = torch.empty(len(seeds), sum(places), dtype=torch.int64, device=device)
    rng = torch.Generator(device)
    for r, (own, seed) in enumerate(zip(rows_R, seeds, strict=True)):
        have = places if own == rows else [_lanes(form, own, rows) for form in forms]
        if sum(have):
            whole[r, : sum(have)].random_(LOWEST_64, None, generator=rng.manual_seed(seed))
        if have is not places:
            # A smaller batch has its numbers closer together: each mask's to their place among those of whole batches.
            _spread(whole[r], have, places)
    masks: list[Tensor] = []
    lanes_RL, first = whole.view(torch.int16), 0
    # Masks of one kind that lie side by side are made at once.
    for (rate_R, dtype), alike in groupby(
        zip(forms, places, strict=True), lambda pair: (pair[0].rate_R, pair[0].dtype)
    ):
        pairs = [*alike]
        count = 4 * sum(place for _, place in pairs)
        made_RL = torch.empty(len(seeds), count, dtype=dtype, device=device)
        torch.ge(lanes_RL[:, first : first + count], _of_each(rate_R, device, _threshold), out=made_RL)
        if dtype != torch.bfloat16:
            made_RL *= _of_each(rate_R, device, scale_of)
        first, at = first + count, 0
        for form, place in pairs:
            masks.append(made_RL[:, at : at + math.prod(form.shape)].view(len(seeds), *form.shape))
            at += 4 * place
    return masks


def _threshold(rate: float) -> int:
    return LOWEST_16 + dropped_lanes(rate)


@lru_cache(maxsize=64)
def _of_each(
    rate_R: tuple[float, ...], device: torch.device, of: Callable[[float], int | float]
) -> Tensor | int | float:
    """What follows from the rate of each member, (R, 1); one number where all are alike."""
    found = [of(rate) for rate in rate_R]
    if len({*found}) == 1:
        return found[0]
    return torch.tensor(found, dtype=torch.int16 if of is _threshold else torch.float32, device=device)[:, None]


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
