"""Losses step by step, where scores have one number for a whole window.

B batch, T steps, P parameters, C components, O outputs per track, K tracks.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.training.losses import Layout, row_losses


def step_losses(outputs_BTKO: Tensor, batch: Batch, layout: Layout) -> tuple[Tensor, Tensor]:
    """Sum of plain losses and number of counted targets per step and parameter: (B, T, P) each, float64.

    Their sums over T are those of :func:`mmcore.training.losses.row_losses`, from which scores are made.

    Args:
        outputs_BTKO: on the batch's device; T is 1 where targets belong to items.
    """
    B, T, K, P = batch.target_BTKP.shape
    # Every step becomes a row of its own, with one step.
    rows = replace(
        batch,
        target_BTKP=batch.target_BTKP.reshape(B * T, 1, K, P),
        target_valid_BTKP=batch.target_valid_BTKP.reshape(B * T, 1, K, P),
    )
    sums_NP, counts_NP = row_losses(outputs_BTKO.reshape(B * T, 1, K, -1), rows, layout, dtype=torch.float64)
    return sums_NP.view(B, T, P), counts_NP.view(B, T, P)


def by_component(sums_BTP: Tensor, counts_BTP: Tensor, layout: Layout) -> Tensor:
    """Mean loss per step and component, (B, T, C): the sum over its parameters of the mean over counted tracks.

    NaN where no target of the component counts; of several parameters those that count are summed, as in scores.
    """
    mean_BTP = sums_BTP / counts_BTP
    parts = []
    for members in layout.membership.values():
        known_BTP = mean_BTP[..., list(members)]
        nothing_BT = known_BTP.isnan().all(-1)
        parts.append(known_BTP.nan_to_num(nan=0.0).sum(-1).masked_fill(nothing_BT, torch.nan))
    return torch.stack(parts, -1)
