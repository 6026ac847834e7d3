"""The batches of several members as one, padded to the same number of rows.

A padded row is one of steps that do not exist: it has no target that counts, and rows do not see one another, so it
changes no loss and no gradient.

R members, B rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch

Stacked = dict[str, Tensor | dict[str, Tensor]]
"""The fields of a batch, (R, B, …) each."""


def stacked(batches: Sequence[Batch | None], device: torch.device) -> Stacked:
    """The batches one behind the other on a device.

    Args:
        batches: of each member; None: it has none left, and all of its rows are padding. At least one is there.
    """
    there = [batch for batch in batches if batch is not None]
    rows = max(len(batch.item_B) for batch in there)
    found: Stacked = {}
    for field in fields(Batch):
        first = getattr(there[0], field.name)
        if isinstance(first, Tensor):
            of_R = [None if batch is None else getattr(batch, field.name) for batch in batches]
            found[field.name] = _padded(of_R, first, rows).to(device, non_blocking=True)
        else:
            found[field.name] = {
                name: _padded([None if batch is None else batch.values[name] for batch in batches], x_BTF, rows).to(
                    device, non_blocking=True
                )
                for name, x_BTF in there[0].values.items()
            }
    return found


def _padded(of_R: Sequence[Tensor | None], like: Tensor, rows: int) -> Tensor:
    # With numpy: these copies are made where the loader made the batches, and are none of the device's work.
    whole = np.zeros((len(of_R), rows, *like.shape[1:]), like.cpu().numpy().dtype)
    for r, each in enumerate(of_R):
        if each is not None:
            whole[r, : len(each)] = each.cpu().numpy()
    return torch.from_numpy(whole)


def batch_of(found: Stacked) -> Batch:
    """One member's batch, within a vmapped function."""
    return Batch(**found)  # pyright: ignore[reportArgumentType]
