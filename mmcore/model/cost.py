"""What a model costs, by part."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils import flop_counter
from torch.utils.flop_counter import FlopCounterMode

from mmcore.batch import Batch
from mmcore.compiler import keep_compiler_out
from mmcore.model.multimodal import MultimodalModel
from mmcore.trace import Trace

PARTS = {
    "embedding": ("embedding", "time", "positions"),
    "fusion": ("fusion",),
    "encoder": ("before", "encoder"),
    "head": ("head",),
}
"""Part of a model to its modules: encoder layers count as encoder, before fusion and after it."""

keep_compiler_out(getattr(getattr(flop_counter, "_FlopCounterMode", None), "__torch_dispatch__", None))


def count_parameters(model: MultimodalModel) -> dict[str, int]:
    """Trained numbers: ``total, embedding, fusion, encoder, head``; fusion is 0 for a single modality."""
    by_part = {part: sum(_size(getattr(model, name)) for name in names) for part, names in PARTS.items()}
    total = _size(model)
    assert sum(by_part.values()) == total, "a parameter belongs to no part"
    return {"total": total, **by_part}


def count_flops(model: MultimodalModel, window: int) -> dict[str, int]:
    """Floating-point operations of one forward pass over one window: ``total, embedding, fusion, encoder, head``.

    Matrix products count 2 operations per multiply-add, attention included; element-wise work is not counted.

    Args:
        model: any.
        window: steps, at least 1.
    """
    counter = FlopCounterMode(display=False)
    # The counter does not know the CPU's fused attention; with a trace the same products are done in the open.
    with torch.no_grad(), counter:
        model(_one_window(model, window), trace=_Forgetful())
    counts = {module: sum(by_operation.values()) for module, by_operation in counter.get_flop_counts().items()}
    within = type(model).__name__
    by_part = {part: sum(counts.get(f"{within}.{name}", 0) for name in names) for part, names in PARTS.items()}
    return {"total": counts.get("Global", 0), **by_part}


class _Forgetful(Trace):
    """Keeps nothing: on the meta device there is nothing to keep."""

    def keep(self, name: str, value: torch.Tensor) -> None:
        pass


def _size(module: nn.Module | None) -> int:
    return 0 if module is None else sum(p.numel() for p in module.parameters())


def _one_window(model: MultimodalModel, T: int) -> Batch:
    device = next(model.parameters()).device
    nothing = torch.zeros(1, T, 0, 0, device=device)
    return Batch(
        values={name: torch.zeros(1, T, F, device=device) for name, F in model.features.items()},
        present_BTM=torch.ones(1, T, len(model.features), dtype=torch.bool, device=device),
        valid_BT=torch.ones(1, T, dtype=torch.bool, device=device),
        target_BTKP=nothing,
        target_valid_BTKP=nothing.bool(),
        previous_BTKP=nothing,
        previous_valid_BTKP=nothing.bool(),
        item_B=torch.zeros(1, dtype=torch.int64, device=device),
        start_B=torch.zeros(1, dtype=torch.int64, device=device),
    )
