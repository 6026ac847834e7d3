"""What fewer bits in products change in a trained model's predictions."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mmcore.facts import Rounding
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.precision import tensor_cores
from mmcore.training.selection import Selection
from mmcore.training.tally import Tally


def probe_rounding(
    model: MultimodalModel, device: torch.device, tally: Callable[[], Tally], selection: Selection
) -> Rounding | None:
    """The selection's metric in the model's precision and in fp32, with the same weights; None where it has fp32.

    Args:
        model: its precision is changed for a pass, and put back. tally: a pass over the validation items.
        selection: says which metric; NaN where that has no value on these items.
    """
    precision = model.precision
    if precision == "fp32":
        return None
    reduced = selection.value(tally())
    model.precision = "fp32"
    try:
        with tensor_cores("fp32", device):
            full = selection.value(tally())
    finally:
        model.precision = precision
    return Rounding(selection.metric.name, reduced, full)
