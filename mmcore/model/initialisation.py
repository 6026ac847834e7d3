"""Initial values: each parameter is drawn from a seed of its own, made from the repeat and the parameter's name.

So two arms start from equal values wherever they share a parameter of the same name and shape, and nothing drawn for
one parameter shifts the draws of another. The distributions are those of torch's own layers.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mmcore.seeding import seed_of


@runtime_checkable
class SelfFilling(Protocol):
    """A module with parameters of its own, outside of torch's layers."""

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Give one of its parameters its initial values, in place; every draw comes from ``rng``."""


@torch.no_grad()
def initialise(model: nn.Module, repeat: int) -> None:
    """Fill every parameter in place; the global generator is not touched.

    Args:
        model: on the CPU, so that every device starts from the same values.
        repeat: with the parameter's name it decides the draw.
    """
    rng = torch.Generator()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            full = f"{prefix}.{name}" if prefix else name
            # A seed leaves nothing of what was drawn before it.
            rng.manual_seed(seed_of(repeat, f"initialisation/{full}"))
            _fill(module, name, parameter, rng, full)


def _fill(module: nn.Module, name: str, parameter: Tensor, rng: torch.Generator, full: str) -> None:
    match module, name:
        case nn.Linear(), "weight" | "bias":
            # Kaiming uniform with a = √5, as nn.Linear has it, comes to U(±1/√fan_in) for weight and bias alike.
            _uniform(parameter, 1 / math.sqrt(module.in_features), rng)
        case nn.LayerNorm(), "weight":
            parameter.fill_(1.0)
        case nn.LayerNorm(), "bias":
            parameter.zero_()
        case nn.Embedding(), "weight":
            parameter.normal_(generator=rng)
        case SelfFilling(), _:
            module.fill(name, parameter, rng)
        case _:
            raise AssertionError(f"no initial distribution is declared for parameter {full} of {type(module).__name__}")


def _uniform(parameter: Tensor, bound: float, rng: torch.Generator) -> None:
    parameter.uniform_(-bound, bound, generator=rng)
