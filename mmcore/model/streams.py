"""What a fusion reads. B batch, T steps, M modalities, D width."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmcore.model.attention import attention_mask


@dataclass(frozen=True)
class Streams:
    """One vector per modality and step, and what may be looked at.

    Args:
        modalities: names, in the order of M.
        embedded: M tensors e_BTD, exactly zero where not usable.
        usable_BTM: the modality can be read at the step. With a learned embedding of absence that is every valid step.
        valid_BT: the step exists.
        causal: whether a step may look at itself and earlier steps only.
    """

    modalities: tuple[str, ...]
    embedded: list[Tensor]
    usable_BTM: Tensor
    valid_BT: Tensor
    causal: bool

    def usable(self, m: int) -> Tensor:
        """Where modality m can be read, (B, T)."""
        return self.usable_BTM[..., m]

    def mask(self, m: int) -> Tensor:
        """What is added to scores when steps attend to modality m's steps, (B, 1, T, T); every step to itself too."""
        return attention_mask(self.usable(m), self.causal, self.embedded[m].dtype)

    def cross_mask(self, m: int) -> Tensor:
        """The mask for queries of another stream, (B, 1, T, T): no query attends to an unusable step, not even to its
        own."""
        return attention_mask(self.usable(m), self.causal, self.embedded[m].dtype, itself=False)

    def having(self, embedded: list[Tensor]) -> Streams:
        """The same with other vectors; set to zero where not usable."""
        usable = self.usable_BTM.unsqueeze(-1).unbind(-2)
        return replace(self, embedded=[torch.where(u, e, 0.0) for u, e in zip(usable, embedded, strict=True)])
