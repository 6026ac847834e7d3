"""A batch as it would be without some of its modalities. B batch, T steps, M modalities."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.batch import Batch


def without(batch: Batch, names: Collection[str]) -> Batch:
    """The batch with these modalities absent at all steps, as if the items had never had them.

    Args:
        batch: left as it is.
        names: modalities of the batch.
    """
    gone_M = torch.tensor([name in names for name in batch.modalities], device=batch.present_BTM.device)
    values = {name: torch.zeros_like(x) if name in names else x for name, x in batch.values.items()}
    return replace(batch, values=values, present_BTM=batch.present_BTM & ~gone_M)


def removing(names: Collection[str], predict: Callable[[Batch], Tensor]) -> Callable[[Batch], Tensor]:
    """The predictor without these modalities; the same predictor where there are none to remove."""
    return (lambda batch: predict(without(batch, names))) if names else predict
