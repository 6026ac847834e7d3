"""Classes that stand for those of a user in the contracts: as any other, they import nothing of ours."""

from __future__ import annotations

import torch
from torch import nn


class Product(nn.Module):
    """The product of one Linear per modality, each 1 where the modality is absent."""

    def __init__(self, modalities, width):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in modalities)
        self.drop = nn.Dropout(0.1)

    def forward(self, embedded, usable):
        product = torch.ones_like(embedded[0])
        for m, linear in enumerate(self.linears):
            product = product * torch.where(usable[..., m : m + 1], 1 + linear(embedded[m]), 1.0)
        return self.drop(product)


class Flat(nn.Module):
    """A head with a Linear for all tracks."""

    def __init__(self, width, tracks, outputs):
        super().__init__()
        self.shape = tracks, outputs
        self.out = nn.Linear(width, tracks * outputs)

    def forward(self, h):
        return self.out(h).unflatten(-1, self.shape)


class Inverse:
    """Weights components by the inverse of their loss."""

    def __call__(self, losses, start):
        return start / (losses + 0.1)
