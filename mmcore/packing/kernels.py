"""Operations of many models that torch would take apart, kept as one kernel each.

Under ``torch.func.vmap`` a linear map becomes a product, two multiplications by 1 and a sum; fused attention has no
rule at all on a CPU. Here the members' axis joins the axis of rows, or the batch of a batched product, so that R models
cost as many kernels as one.

R members, B rows, N = R·B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class OneKernelEach(TorchFunctionMode):
    """While it is open, the operations of this module take the place of torch's inside a vmapped function."""

    def __torch_function__(
        self,
        func: Callable[..., Tensor],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        ours = _OURS.get(func)
        return (func if ours is None else ours)(*args, **(kwargs or {}))


class _Rule(torch.autograd.Function):
    """What all have in common: only the rule for vmap is ever used, and torch differentiates what it is made of."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        del ctx, inputs, output

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise AssertionError("the rule for vmap is differentiated, not the operation")


class _Linear(_Rule):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        x, weight, bias = (
            None if each is None else _lowered(_members_first(each, dim, info.batch_size))
            for each, dim in zip(args, in_dims, strict=True)
        )
        assert x is not None
        product = _Products.apply(x.flatten(1, -2), weight, bias)
        assert isinstance(product, Tensor)
        return product.unflatten(1, x.shape[1:-1]), 0


class _Products(torch.autograd.Function):
    """x Wᵀ + b for each member, (R, N, F) × (R, D, F) → (R, N, D).

    Torch would give the gradient of W transposed, and each would be copied before it stands in its row of the stack.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (slope,) = grad_outputs
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            torch.bmm(slope, weight) if needs_x else None,
            torch.bmm(slope.transpose(1, 2), x) if needs_weight else None,
            slope.sum(1) if needs_bias else None,
        )


def _lowered(x: Tensor) -> Tensor:
    """In the numbers that autocast gives to products, where it is open."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


class _Attention(_Rule):
    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        query, key, value, mask = _joined(info.batch_size, in_dims, args)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mixed.unflatten(0, (info.batch_size, -1)), 0


class _BinaryLoss(_Rule):
    @staticmethod
    def forward(logit: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return F.binary_cross_entropy_with_logits(logit, truth, weight=weight, reduction="none")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        logit, truth, weight = _joined(info.batch_size, in_dims, args)
        loss = F.binary_cross_entropy_with_logits(logit, truth, weight=weight, reduction="none")
        return loss.unflatten(0, (info.batch_size, -1)), 0


class _ClassLoss(_Rule):
    @staticmethod
    def forward(logits: Tensor, code: Tensor, ignored: int) -> Tensor:
        return F.cross_entropy(logits, code, ignore_index=ignored, reduction="none")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        logits, code = _joined(info.batch_size, in_dims[:2], args[:2])
        loss = F.cross_entropy(logits, code, ignore_index=args[2], reduction="none")
        return loss.unflatten(0, (info.batch_size, -1)), 0


def _members_first(x: Tensor, dim: int | None, members: int) -> Tensor:
    """With the members' axis in front; what all share is repeated without a copy."""
    return x.expand(members, *x.shape) if dim is None else x.movedim(dim, 0)


def _joined(members: int, dims: Sequence[int | None], given: Sequence[Tensor | None]) -> list[Any]:
    """Members and rows as one axis: (R, B, …) → (N, …)."""
    return [
        None if x is None else _members_first(x, dim, members).flatten(0, 1) for x, dim in zip(given, dims, strict=True)
    ]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if x.ndim < 2:
        return F.linear(x, weight, bias)
    return _call(_Linear, x, weight, bias)


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    return _call(_Attention, query, key, value, attn_mask)


def _binary_loss(
    logit: Tensor, truth: Tensor, weight: Tensor | None = None, reduction: str = "none", **rest: Any
) -> Tensor:
    if reduction != "none" or any(value is not None for value in rest.values()):
        return F.binary_cross_entropy_with_logits(logit, truth, weight, reduction=reduction, **rest)
    return _call(_BinaryLoss, logit, truth, weight)


def _class_loss(logits: Tensor, code: Tensor, ignore_index: int = -100, reduction: str = "none", **rest: Any) -> Tensor:
    if reduction != "none" or any(rest.values()):
        return F.cross_entropy(logits, code, ignore_index=ignore_index, reduction=reduction, **rest)
    return _call(_ClassLoss, logits, code, ignore_index)


def _call(rule: type[_Rule], *given: object) -> Tensor:
    found = rule.apply(*given)
    assert isinstance(found, Tensor)
    return found


_OURS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.linear: _linear,
    F.scaled_dot_product_attention: _attention,
    F.binary_cross_entropy_with_logits: _binary_loss,
    F.cross_entropy: _class_loss,
}
