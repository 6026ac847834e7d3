"""The Transformer encoder. B batch, T steps, D width, H heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.attention import MultiheadAttention, attention_mask
from mmcore.model.dropout import add_dropped, dropout
from mmcore.model.layer_sizes import LayerSizes
from mmcore.model.linear import Linear
from mmcore.trace import Trace


class PostNormLayer(nn.Module):
    """Attention and feed-forward, each followed by residual sum and layer norm (Vaswani et al. 2017, §3.1).

    Shape: x_BTD, mask_B1TT, steps_T (None: 0, 1, 2, …) → (B, T, D). The same function as
    ``torch.nn.TransformerEncoderLayer``.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.attention = MultiheadAttention(sizes.width, sizes.heads, sizes.attention_dropout, sizes.rotary)
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.widen = Linear(sizes.width, sizes.feed_forward)
        self.narrow = Linear(sizes.feed_forward, sizes.width)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)

    def forward(
        self,
        x_BTD: Tensor,
        mask_B1TT: Tensor,
        rng: torch.Generator | None,
        trace: Trace | None,
        name: str,
        steps_T: Tensor | None = None,
    ) -> Tensor:
        attended_BTD = self.attention(x_BTD, mask_B1TT, rng, trace, name, steps_T=steps_T)
        x_BTD = self.attention_norm(add_dropped(x_BTD, attended_BTD, self.dropout, rng))
        fed_BTD = self.narrow(dropout(F.relu(self.widen(x_BTD)), self.dropout, rng))
        return self.feed_forward_norm(add_dropped(x_BTD, fed_BTD, self.dropout, rng))


class PreNormLayer(nn.Module):
    """Layer norm before attention and before feed-forward, inside the residual branch (Xiong et al. 2020, fig. 1b).

    Shape: x_BTD, mask_B1TT, steps_T (None: 0, 1, 2, …) → (B, T, D). The encoder adds a final norm.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention = MultiheadAttention(sizes.width, sizes.heads, sizes.attention_dropout, sizes.rotary)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)
        self.widen = Linear(sizes.width, sizes.feed_forward)
        self.narrow = Linear(sizes.feed_forward, sizes.width)

    def forward(
        self,
        x_BTD: Tensor,
        mask_B1TT: Tensor,
        rng: torch.Generator | None,
        trace: Trace | None,
        name: str,
        steps_T: Tensor | None = None,
    ) -> Tensor:
        attended_BTD = self.attention(self.attention_norm(x_BTD), mask_B1TT, rng, trace, name, steps_T=steps_T)
        x_BTD = add_dropped(x_BTD, attended_BTD, self.dropout, rng)
        widened_BTF = F.relu(self.widen(self.feed_forward_norm(x_BTD)))
        return add_dropped(x_BTD, self.narrow(dropout(widened_BTF, self.dropout, rng)), self.dropout, rng)


def layer_of(sizes: LayerSizes) -> PostNormLayer | PreNormLayer:
    """A layer with its norms where ``sizes.norm`` puts them."""
    match sizes.norm:
        case "post":
            return PostNormLayer(sizes)
        case "pre":
            return PreNormLayer(sizes)


class Encoder(nn.Module):
    """A stack of layers over the valid steps.

    Shape: x_BTD, valid_BT → (B, T, D). Only a padded step itself attends to its own key: its values cannot change a
    valid step. A row that is padding throughout stays finite.

    Args:
        sizes: of every layer; with ``norm`` post there is no final norm, with pre there is one.
        layers: how many; 0 leaves the final norm alone.
        causal: whether a step sees itself and earlier steps only.
    """

    def __init__(self, sizes: LayerSizes, layers: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.layers = nn.ModuleList(layer_of(sizes) for _ in range(layers))
        self.final_norm = nn.LayerNorm(sizes.width) if sizes.norm == "pre" else nn.Identity()

    def forward(
        self,
        x_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "attention",
    ) -> Tensor:
        mask_B1TT = attention_mask(valid_BT, self.causal, x_BTD.dtype)
        for i, layer in enumerate(self.layers):
            x_BTD = layer(x_BTD, mask_B1TT, rng, trace, f"{name}/{i}")
        return self.final_norm(x_BTD)
