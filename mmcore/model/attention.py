"""Multi-head attention that can show its weights. B batch, T queries, S keys, D width, H heads, d width of a head."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.dropout import dropout
from mmcore.model.linear import linear
from mmcore.model.precision import full
from mmcore.trace import Trace


class _Mask(Protocol):
    """A cached function of a length and a device."""

    __wrapped__: Callable[[int, torch.device], Tensor]

    def __call__(self, T: int, device: torch.device, /) -> Tensor: ...


@lru_cache(maxsize=16)
def _later(T: int, device: torch.device) -> Tensor:
    """Whether a key comes after a query, (T, T); made once for a length. Nothing writes to it."""
    with torch.inference_mode(False):
        return torch.ones(T, T, dtype=torch.bool, device=device).triu(1)


@lru_cache(maxsize=16)
def _others(T: int, device: torch.device) -> Tensor:
    """Whether a key is another step than the query's, (T, T); made once for a length. Nothing writes to it."""
    with torch.inference_mode(False):
        return ~torch.eye(T, dtype=torch.bool, device=device)


def _once(make: _Mask, T: int, device: torch.device) -> Tensor:
    """What a cached function makes. None of what ``torch.export`` has is kept: symbols for lengths, no real tensors."""
    if torch.compiler.is_compiling() or not isinstance(T, int):
        return make.__wrapped__(T, device)
    return make(T, device)


def attention_mask(
    valid_BT: Tensor,
    causal: bool,
    dtype: torch.dtype = torch.float32,
    itself: bool = True,
    steps_T: Tensor | None = None,
) -> Tensor:
    """What is added to the scores: 0 where a query may look, −∞ where not.

    Shape: valid_BT → mask_B1TT, queries before keys; made once for all layers and heads.

    Args:
        valid_BT: True where the key may be looked at.
        causal: whether a query looks at its own and earlier steps only.
        itself: every query may look at itself, valid or not, so that a row without any valid step stays finite.
            Without it, as suits keys of another stream, a query may be left with no key at all.
        steps_T: the step of each element, on the CPU; None: one element per step, in order.
    """
    B, T = valid_BT.shape
    blocked_BTT = ~valid_BT[:, None, :].expand(B, T, T)
    if causal:
        later_TT = _once(_later, T, valid_BT.device) if steps_T is None else steps_T[None, :] > steps_T[:, None]
        blocked_BTT = blocked_BTT | later_TT.to(valid_BT.device)
    if itself:
        blocked_BTT = blocked_BTT & _once(_others, T, valid_BT.device)
    mask_BTT = torch.zeros(B, T, T, dtype=dtype, device=valid_BT.device).masked_fill(blocked_BTT, -torch.inf)
    return mask_BTT[:, None]


def rotate(x_BHTd: Tensor, steps_T: Tensor | None = None) -> Tensor:
    """Each pair of features (i, i + d/2) turned by the angle t / 10000^(2i/d), t being the step.

    Products of rotated queries and keys depend on their distance in time alone.

    Shape: x_BHTd, d even, and on the CPU the step of each element (None: 0, 1, 2, …) → (B, H, T, d).

    Source: Su et al. 2021, "RoFormer", §3.2.2. NOTE[DIFF] features i and i + d/2 make a pair, not 2i and 2i + 1: the
    same up to an order of features, and the usual form.
    """
    T, d = x_BHTd.shape[-2:]
    rates = torch.exp(torch.arange(0, d, 2, dtype=torch.float64, device="cpu") * (-math.log(10000.0) / d))
    steps_T = torch.arange(T, device="cpu") if steps_T is None else steps_T
    angles_Td = steps_T.to(torch.float64)[:, None] * rates
    cos_Td, sin_Td = angles_Td.cos().to(x_BHTd), angles_Td.sin().to(x_BHTd)
    first, second = x_BHTd.chunk(2, dim=-1)
    return torch.cat((first * cos_Td - second * sin_Td, first * sin_Td + second * cos_Td), dim=-1)


LARGEST = 1 << 16
"""Queries times keys of a head up to which attention is computed in parts: twice as many take twice the memory."""


def _faster_in_parts(q_BHTd: Tensor, k_BHSd: Tensor) -> bool:
    """Whether products, softmax and products one after the other take less time than torch's fused kernel.

    In bfloat16 on a processor they do: the slopes of the fused kernel take four times as long there as in parts, and
    twice as long as in float32. In parts the weights of all queries are in memory at once, hence the limit.
    """
    lowered = q_BHTd.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return lowered and q_BHTd.shape[-2] * k_BHSd.shape[-2] <= LARGEST


class MultiheadAttention(nn.Module):
    """softmax(Q Kᵀ / √(D/H) + mask) V, per head; queries from x, keys and values from a memory or x itself.

    Shape: x_BTD, mask (broadcasts to (B, H, T, S)), memory_BSD → (B, T, D). The parameters have the form and, before
    training, the distribution of ``torch.nn.MultiheadAttention``.

    Weights are computed explicitly when a trace asks for them, when they are dropped out, and in bfloat16 on a
    processor up to 256 steps by 256; otherwise torch's fused kernel is used. A query without any key in a memory gets
    the output projection's bias alone, and NaN in a trace.

    Rotary positions are those of ``steps_T``, on the CPU, the step of each element of x (None: 0, 1, 2, …); a memory
    has one element per step.

    Args:
        width: D.
        heads: H, divides D.
        dropout: share of the weights dropped while training.
        rotary: rotate queries and keys by their step; their width must be even.

    Source: Vaswani et al. 2017, §3.2.
    """

    def __init__(self, width: int, heads: int, dropout: float, rotary: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.rotary = rotary
        self.in_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_bias = nn.Parameter(torch.empty(3 * width))
        self.out_weight = nn.Parameter(torch.empty(width, width))
        self.out_bias = nn.Parameter(torch.empty(width))

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """As ``nn.MultiheadAttention``: Xavier uniform over the stacked (3D, D) matrix, zero biases."""
        if name == "in_weight":
            bound = math.sqrt(6 / sum(parameter.shape))
            parameter.uniform_(-bound, bound, generator=rng)
        elif name == "out_weight":
            bound = 1 / math.sqrt(parameter.shape[1])
            parameter.uniform_(-bound, bound, generator=rng)
        else:
            parameter.zero_()

    def forward(
        self,
        x_BTD: Tensor,
        mask: Tensor | None,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "attention",
        memory_BSD: Tensor | None = None,
        steps_T: Tensor | None = None,
    ) -> Tensor:
        B, T, D = x_BTD.shape
        if memory_BSD is None:
            qkv = linear(x_BTD, self.in_weight, self.in_bias).chunk(3, dim=-1)
        else:
            q_BTD = linear(x_BTD, self.in_weight[:D], self.in_bias[:D])
            qkv = (q_BTD, *linear(memory_BSD, self.in_weight[D:], self.in_bias[D:]).chunk(2, dim=-1))
        q_BHTd, k_BHSd, v_BHSd = (p.view(B, p.shape[1], self.heads, -1).transpose(1, 2) for p in qkv)
        if self.rotary:
            q_BHTd = rotate(full(q_BHTd), steps_T)
            k_BHSd = rotate(full(k_BHSd), steps_T if memory_BSD is None else None)
        blind = None
        if mask is not None and memory_BSD is not None:
            # A row of −∞ alone would be NaN. Such a query looks everywhere, and what it saw is thrown away.
            blind = (mask == -torch.inf).all(-1, keepdim=True)
            mask = mask.masked_fill(blind, 0.0)
        kept = trace is not None or (rng is not None and self.dropout > 0.0)
        if not kept and not _faster_in_parts(q_BHTd, k_BHSd):
            mixed_BHTd = F.scaled_dot_product_attention(q_BHTd, k_BHSd, v_BHSd, attn_mask=mask)
        else:
            scores_BHTS, scale = q_BHTd @ k_BHSd.transpose(-2, -1), (D // self.heads) ** -0.5
            # Scaled in the float32 that a product in fewer bits becomes, not before.
            scores_BHTS = full(scores_BHTS) * scale if mask is None else torch.add(mask, scores_BHTS, alpha=scale)
            weights_BHTS = scores_BHTS.softmax(-1)
            if trace is not None:
                trace.keep(name, weights_BHTS if blind is None else weights_BHTS.masked_fill(blind, torch.nan))
            mixed_BHTd = dropout(weights_BHTS, self.dropout, rng) @ v_BHSd
        if blind is not None:
            mixed_BHTd = mixed_BHTd.masked_fill(blind, 0.0)
        return linear(mixed_BHTd.transpose(1, 2).reshape(B, T, D), self.out_weight, self.out_bias)
