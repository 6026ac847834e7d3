"""A batch and its masks. True means usable.

B batch, T steps, M modalities, K tracks, P parameters, F raw features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmcore.shapes import check_shape


@dataclass(frozen=True)
class Batch:
    """Windows of several items, as the model reads them and as the loss needs them.

    Values at unusable places are zero: the loader writes zeros, and the model masks once more.

    Args:
        values: modality name to x_BTF, normalised float32, in the order of ``present_BTM``.
        present_BTM: the modality is usable at the step.
        valid_BT: the step exists (no padding). A valid step may lack every modality.
        target_BTKP: normalised value (continuous) or class code; 0 where not usable. For scope item T is 1.
        target_valid_BTKP: the target exists; ``when`` is not yet applied.
        previous_BTKP: the same parameters as last read by the model (step t for a forecast, t − 1 for reconstruct):
            what persistence predicts from. Zeros for label.
        previous_valid_BTKP: whether that value exists.
        item_B: index of the item in the corpus.
        start_B: first grid step of the window within its item.
    """

    values: dict[str, Tensor]
    present_BTM: Tensor
    valid_BT: Tensor
    target_BTKP: Tensor
    target_valid_BTKP: Tensor
    previous_BTKP: Tensor
    previous_valid_BTKP: Tensor
    item_B: Tensor
    start_B: Tensor

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names in the order of the last axis of ``present_BTM``."""
        return tuple(self.values)

    def check(self) -> Batch:
        """Itself, once all axes agree.

        Raises:
            ShapeError: names the tensor, the axes expected and found.
        """
        B, T = self.valid_BT.shape
        check_shape("present_BTM", self.present_BTM, B=B, T=T, M=len(self.values))
        for name, x_BTF in self.values.items():
            check_shape(f"values['{name}']", x_BTF, B=B, T=T, F=x_BTF.shape[-1])
        _, Tt, K, P = self.target_BTKP.shape
        for name in ("target_BTKP", "target_valid_BTKP", "previous_BTKP", "previous_valid_BTKP"):
            check_shape(name, getattr(self, name), B=B, T=Tt, K=K, P=P)
        check_shape("item_B", self.item_B, B=B)
        check_shape("start_B", self.start_B, B=B)
        return self

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; itself if it is there."""
        if self.valid_BT.device == device:
            return self
        moved = {k: v.to(device, non_blocking=True) for k, v in self.__dict__.items() if isinstance(v, Tensor)}
        values = {k: v.to(device, non_blocking=True) for k, v in self.values.items()}
        return replace(self, values=values, **moved)
