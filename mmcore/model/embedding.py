"""One vector of width D per modality. B batch, T steps, M modalities, D width, F raw features."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def key_of(modality: str) -> str:
    """A modality's name as part of a parameter's name.

    Torch forbids dots there, and names that its containers use themselves (``values``, ``type``, …). Two modalities
    never share a key, since ``:`` cannot occur in a modality's name.

    Example:
        >>> key_of("wrist.left")
        'from_wrist:left'
    """
    return "from_" + modality.replace(".", ":")


class Embedding(nn.Module):
    """One Linear per modality; where a modality is not usable its embedding is exactly zero.

    Shape: values x_BTF per modality, usable_BTM → a list of M tensors e_BTD.

    Whatever stands at an unusable place, NaN and Inf included, reaches neither the outputs nor any gradient.

    Args:
        features: number of raw features F by modality.
        width: D.
    """

    def __init__(self, features: dict[str, int], width: int) -> None:
        super().__init__()
        self.linears = nn.ModuleDict({key_of(name): nn.Linear(F, width) for name, F in features.items()})

    def forward(self, values: list[Tensor], usable_BTM: Tensor) -> list[Tensor]:
        embedded: list[Tensor] = []
        for linear, x_BTF, usable_BT1 in zip(
            self.linears.values(), values, usable_BTM.unsqueeze(-1).unbind(-2), strict=True
        ):
            # Zeros go in, so that no NaN meets the weights' gradient, and zeros come out, since a bias would speak.
            e_BTD = linear(torch.where(usable_BT1, x_BTF, 0.0))
            embedded.append(torch.where(usable_BT1, e_BTD, 0.0))
        return embedded
