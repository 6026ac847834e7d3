"""Passes of several members over a side of their splits, as one model: validation, and the scores in the end.

R members, B rows, T steps, K tracks, O outputs per track.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from mmcore.batch import Batch
from mmcore.data.loader import Loader
from mmcore.packing.batches import Stacked, batch_of, stacked
from mmcore.packing.kernels import OneKernelEach
from mmcore.packing.member import Member
from mmcore.training.evaluation import Pass


def read_together(
    model: nn.Module,
    parameters: dict[str, Tensor],
    asked: Mapping[int, tuple[Loader, Pass]],
    device: torch.device,
    failed: dict[int, Exception],
) -> None:
    """Let members predict their windows, a batch of each at a time.

    Args:
        parameters: of all members, R first. asked: of some of them, by their place: what is read, and what counts it.
        failed: is told what ended members, by their places; a member's own measure may raise.
    """
    members = len(next(iter(parameters.values())))
    left = {r: loader.batches() for r, (loader, _) in asked.items()}

    def one(parameters: dict[str, Tensor], found: Stacked) -> Tensor:
        return functional_call(model, parameters, (batch_of(found),))

    with torch.inference_mode():
        while left:
            batches: list[Batch | None] = [None] * members
            for r in [*left]:
                batches[r] = next(left[r], None)
                if batches[r] is None:
                    del left[r]
            if not left:
                return
            with OneKernelEach():
                outputs_RBTKO = vmap(one)(parameters, stacked(batches, device)).cpu()
            for r in [*left]:
                batch = batches[r]
                assert batch is not None
                try:
                    asked[r][1].add(outputs_RBTKO[r, : len(batch.item_B)], batch)
                except Exception as error:
                    failed[r] = error
                    del left[r]


def score_together(members: Mapping[int, Member]) -> dict[int, Exception | None]:
    """Answer what runs are asked in the end, with the best parameters of each.

    Args:
        members: that wait for their scores, by their places: some of those that were trained as one batch.

    Returns:
        What ended each, by its place; None where it has its scores.
    """
    began, failed = time.monotonic(), dict[int, Exception]()
    if len(members) == 1:
        for r, member in members.items():
            try:
                member.score()
            except Exception as error:
                failed[r] = error
    elif members:
        places, each = [*members], [*members.values()]
        model = each[0].state.model
        named = [dict(member.state.model.named_parameters()) for member in each]
        parameters = {name: torch.stack([of[name].detach() for of in named]) for name in named[0]}
        with each[0].computing():
            for side in range(max(len(member.asked) for member in each)):
                going = {
                    at: member.asked[side]
                    for at, member in enumerate(each)
                    if side < len(member.asked) and places[at] not in failed
                }
                ended: dict[int, Exception] = {}
                read_together(model, parameters, going, next(model.parameters()).device, ended)
                failed |= {places[at]: error for at, error in ended.items()}
        for member in each:
            # Of the time that all took together, its share.
            member.state.seconds += (time.monotonic() - began) / len(each)
    return {r: failed.get(r) for r in members}
