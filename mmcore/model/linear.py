"""Linear maps in float32 on a processor, by the faster of the two libraries that torch brings along.

Torch gives such a product to MKL, which computes on some processors (AMD's among them) at less than half of their
speed. oneDNN, to which torch gives the same product in bfloat16, is at its best on all of them. Both round each sum
anew, in an order of their own: their results differ in the last bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 1 << 20
"""Multiply-adds from which oneDNN is asked. A smaller product takes less time than the call of a function of ours."""


class Linear(nn.Linear):
    """``torch.nn.Linear``, computed as :func:`linear` does."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def compute_alike(module: nn.Module) -> None:
    """Let every ``torch.nn.Linear`` in a module be a :class:`Linear`; classes that extend it stay as they are."""
    for part in module.modules():
        if type(part) is nn.Linear:
            part.__class__ = Linear


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, as ``torch.nn.functional.linear``, and differentiable as often.

    oneDNN computes it where x and W are float32 on a processor and the product is large enough. In every other place
    torch does: on a graphics card, under autocast, under ``torch.func``, in a mode that watches torch's functions or
    operators (to count, to export), where torch has no oneDNN, and while
    ``torch.backends.mkldnn.enabled`` is False.

    Shape: x (…, F), weight (D, F), bias (D,) → (…, D). NaN and Inf spread as in torch; no rows give no rows.

    Raises:
        RuntimeError: shapes that do not fit, as torch says it.
    """
    if not _suits(x, weight, bias):
        return F.linear(x, weight, bias)
    if not torch.is_grad_enabled():
        return _product(x, weight, bias)
    made = _Product.apply(x, weight, bias)
    assert isinstance(made, Tensor)
    return made


def _suits(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    # Asked twenty times a step, so in the order and the words that take the least time.
    D = weight.shape[0] if weight.dim() == 2 else 0
    return (
        x.dtype is weight.dtype is torch.float32
        and x.numel() * D >= SMALLEST
        and x.shape[-1] == weight.shape[1]
        and x.is_cpu
        and weight.is_cpu
        and (bias is None or (bias.dtype is torch.float32 and bias.dim() == 1 and bias.numel() == D))
        and not torch.is_autocast_enabled("cpu")
        and not _watched()
        and torch.backends.mkldnn.enabled
        and _has_onednn()
    )


def _watched() -> bool:
    """Whether something is active that knows torch's own operators alone: a compiler, ``torch.func``, or a mode."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._is_torch_function_mode_enabled()
        or torch._C._len_torch_dispatch_stack() > 0
    )


@cache
def _has_onednn() -> bool:
    """Whether this torch would ask MKL, and its operator for oneDNN gives what we take it to give.

    The operator is torch's own, without a promise for other versions: one product shows whether it is as we know it.
    """
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    x, weight, bias = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3), torch.arange(4.0)
    slope = torch.arange(8.0).view(2, 4)
    asked = ((x, weight, bias), (slope, weight.t(), None), (slope.t(), x.t(), None))
    try:
        with torch.no_grad():
            found = [_product(*each) for each in asked]
    except (AttributeError, RuntimeError, TypeError):
        return False
    # Products of whole numbers are exact, whoever computes them.
    return all(torch.equal(one, F.linear(*each)) for one, each in zip(found, asked, strict=True))


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")


class _Product(torch.autograd.Function):
    """The map of N rows and its slopes, three products of the same size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x_NF = x.reshape(-1, x.shape[-1]).contiguous()
        ctx.save_for_backward(x_NF, weight)
        ctx.shape = x.shape
        return _product(x_NF, weight, bias).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        x_NF, weight_DF = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        slope_ND = grad_outputs[0].reshape(-1, weight_DF.shape[0]).contiguous()
        # The slopes of slopes are torch's own.
        multiply = F.linear if torch.is_grad_enabled() else _product
        return (
            multiply(slope_ND, weight_DF.t()).view(ctx.shape) if needs_x else None,
            multiply(slope_ND.t(), x_NF.t()) if needs_weight else None,
            slope_ND.sum(0) if needs_bias else None,
        )
