"""A foreign package with a fusion, a whole model, a loss and a metric, written into a folder."""

from __future__ import annotations

from pathlib import Path

FUSION = '''\
import torch
from torch import nn


class Product(nn.Module):
    """The product of one Linear per modality, each 1 where the modality is absent."""

    def __init__(self, modalities, width, scale=1.0):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in modalities)
        self.drop = nn.Dropout(0.1)
        self.scale = scale

    def forward(self, embedded, usable):
        product = torch.ones_like(embedded[0])
        for m, linear in enumerate(self.linears):
            product = product * torch.where(usable[..., m : m + 1], 1 + linear(embedded[m]), 1.0)
        return self.drop(product) * self.scale
'''

MODEL = '''\
from torch import nn


class Recurrent(nn.Module):
    """A GRU over the sum of one Linear per modality."""

    def __init__(self, features, tracks, outputs, hidden=16):
        super().__init__()
        self.shape = tracks, outputs
        self.embed = nn.ModuleDict({name: nn.Linear(F, hidden) for name, F in features.items()})
        self.rnn = nn.GRU(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, tracks * outputs)

    def forward(self, values, present):
        summed = sum(
            self.embed[name](x) * present[..., m : m + 1] for m, (name, x) in enumerate(values.items())
        )
        states, _ = self.rnn(summed)
        return self.out(states).unflatten(-1, self.shape)
'''


def write_package(folder: Path, **modules: str) -> Path:
    """A package ``my_pkg`` in a folder; ``fusion`` and ``models`` are there unless a text replaces them."""
    package = folder / "my_pkg"
    package.mkdir(parents=True, exist_ok=True)
    for name, text in ({"__init__": "", "fusion": FUSION, "models": MODEL} | modules).items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return folder
