"""Multi-head self-attention that can show its weights. B batch, T steps, D width, H heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.dropout import dropout
from mmcore.trace import Trace


def attention_mask(valid_BT: Tensor, causal: bool, dtype: torch.dtype = torch.float32) -> Tensor:
    """What is added to the scores: 0 where a query may look, −∞ where not.

    Every query may look at itself, so that a row without any valid step stays finite.

    Shape: valid_BT → mask_B1TT, queries before keys; made once for all layers and heads.

    Args:
        valid_BT: True where the step exists.
        causal: whether a step looks at itself and earlier steps only.
    """
    B, T = valid_BT.shape
    others_TT = ~torch.eye(T, dtype=torch.bool, device=valid_BT.device)
    blocked_BTT = ~valid_BT[:, None, :] & others_TT
    if causal:
        blocked_BTT |= others_TT.triu()
    mask_BTT = torch.zeros(B, T, T, dtype=dtype, device=valid_BT.device).masked_fill_(blocked_BTT, -torch.inf)
    return mask_BTT[:, None]


class SelfAttention(nn.Module):
    """softmax(Q Kᵀ / √(D/H) + mask) V, per head.

    Shape: x_BTD, mask_B1TT → (B, T, D). The parameters have the form and, before training, the distribution of
    ``torch.nn.MultiheadAttention``.

    Weights are computed explicitly when a trace asks for them or when they are dropped out; else torch's fused kernel
    does it.

    Args:
        width: D.
        heads: H, divides D.
        dropout: share of the weights dropped while training.

    Source: Vaswani et al. 2017, §3.2.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_bias = nn.Parameter(torch.empty(3 * width))
        self.out_weight = nn.Parameter(torch.empty(width, width))
        self.out_bias = nn.Parameter(torch.empty(width))

    def forward(
        self,
        x_BTD: Tensor,
        mask_B1TT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "attention",
    ) -> Tensor:
        B, T, D = x_BTD.shape
        qkv_BTD = F.linear(x_BTD, self.in_weight, self.in_bias).chunk(3, dim=-1)
        q_BHTd, k_BHTd, v_BHTd = (p_BTD.view(B, T, self.heads, -1).transpose(1, 2) for p_BTD in qkv_BTD)
        if trace is None and (rng is None or self.dropout == 0.0):
            mixed_BHTd = F.scaled_dot_product_attention(q_BHTd, k_BHTd, v_BHTd, attn_mask=mask_B1TT)
        else:
            scores_BHTT = (q_BHTd * (D // self.heads) ** -0.5) @ k_BHTd.transpose(-2, -1) + mask_B1TT
            weights_BHTT = scores_BHTT.softmax(-1)
            if trace is not None:
                trace.keep(name, weights_BHTT)
            mixed_BHTd = dropout(weights_BHTT, self.dropout, rng) @ v_BHTd
        return F.linear(mixed_BHTd.transpose(1, 2).reshape(B, T, D), self.out_weight, self.out_bias)
