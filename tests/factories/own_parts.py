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

SCORES = '''\
import numpy as np
import torch


class Absolute:
    """Mean absolute error, times a factor."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, predicted, true):
        return self.factor * np.abs(predicted - true).mean()


class Right:
    """Share of predictions that name the right class."""

    def __call__(self, predicted, true):
        return (predicted.argmax(1) == true).mean()


class Square:
    def __call__(self, predicted, true):
        return (predicted - true).square()


class LogCosh:
    def __call__(self, predicted, true):
        return torch.log(torch.cosh(predicted - true))


class Inverse:
    """Weights components by the inverse of their loss, smoothed over steps."""

    def __init__(self, components):
        self.mean = torch.ones(len(components))

    def __call__(self, losses):
        self.mean = 0.9 * self.mean + 0.1 * losses
        return 1 / (self.mean + 0.1)

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


class Flip:
    """Changes the sign of a modality in half of the windows, and hides the first step of another one."""

    def __call__(self, values, present, rng):
        for x in values.values():
            if rng.random() < 0.5:
                x *= -1
        present[0, 0] = False
'''

LAYERS = '''\
import torch
from torch import nn


class Conv(nn.Module):
    """An encoder: one causal convolution."""

    def __init__(self, width, causal, kernel=3):
        super().__init__()
        self.pad = kernel - 1
        self.conv = nn.Conv1d(width, width, kernel)

    def forward(self, x, valid):
        x = nn.functional.pad(x.transpose(1, 2), (self.pad, 0))
        return self.conv(x).transpose(1, 2).relu()


class Head(nn.Module):
    def __init__(self, width, tracks, outputs):
        super().__init__()
        self.shape = tracks, outputs
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, tracks * outputs))

    def forward(self, h):
        return self.out(h).unflatten(-1, self.shape)


class Two(nn.Module):
    """An embedding: two Linears."""

    def __init__(self, features, width, modality):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, x):
        return self.layers(x)
'''


def write_package(folder: Path, **modules: str) -> Path:
    """A package ``my_pkg`` in a folder; its modules are those above unless a text replaces them. A
    module ``my_scores`` lies beside it."""
    package = folder / "my_pkg"
    package.mkdir(parents=True, exist_ok=True)
    ours = {"__init__": "", "fusion": FUSION, "models": MODEL, "scores": SCORES, "layers": LAYERS}
    for name, text in (ours | modules).items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "my_scores.py").write_text(SCORES, encoding="utf-8")
    return folder
