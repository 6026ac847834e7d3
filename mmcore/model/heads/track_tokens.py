"""A small Transformer decoder whose queries are the tracks.

B batch, T steps, D width, K tracks, O outputs per track, H heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.attention import MultiheadAttention, attention_mask
from mmcore.model.dropout import add_dropped, dropout
from mmcore.model.heads.base import Head
from mmcore.model.layer_sizes import LayerSizes
from mmcore.model.linear import Linear
from mmcore.trace import Trace


class TrackLayer(nn.Module):
    """Tracks of a step look at one another, then each at the states over time, then feed-forward.

    Shape: x_BTKD, memory_BTD, mask (B, 1, T·K, T), steps (T·K) → (B, T, K, D). The same function as
    ``torch.nn.TransformerDecoderLayer`` over all T·K tokens, with self-attention kept within a step.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.pre = sizes.norm == "pre"
        self.dropout = sizes.dropout
        # Tracks of one step have no distance in time, so there is nothing to rotate.
        self.between_tracks = MultiheadAttention(sizes.width, sizes.heads, sizes.attention_dropout)
        self.between_tracks_norm = nn.LayerNorm(sizes.width)
        self.over_time = MultiheadAttention(sizes.width, sizes.heads, sizes.attention_dropout, sizes.rotary)
        self.over_time_norm = nn.LayerNorm(sizes.width)
        self.widen = Linear(sizes.width, sizes.feed_forward)
        self.narrow = Linear(sizes.feed_forward, sizes.width)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)

    def forward(
        self,
        x_BTKD: Tensor,
        memory_BTD: Tensor,
        mask: Tensor,
        steps: Tensor,
        rng: torch.Generator | None,
        trace: Trace | None,
        name: str,
    ) -> Tensor:
        B, T, K, D = x_BTKD.shape

        def between_tracks(x_BTKD: Tensor) -> Tensor:
            mixed = self.between_tracks(x_BTKD.reshape(B * T, K, D), None, rng, trace, f"{name}/between_tracks")
            return mixed.view(B, T, K, D)

        def over_time(x_BTKD: Tensor) -> Tensor:
            x = x_BTKD.reshape(B, T * K, D)
            return self.over_time(x, mask, rng, trace, f"{name}/over_time", memory_BTD, steps).view(B, T, K, D)

        def feed_forward(x_BTKD: Tensor) -> Tensor:
            return self.narrow(dropout(F.relu(self.widen(x_BTKD)), self.dropout, rng))

        x_BTKD = self._add(x_BTKD, between_tracks, self.between_tracks_norm, rng)
        x_BTKD = self._add(x_BTKD, over_time, self.over_time_norm, rng)
        return self._add(x_BTKD, feed_forward, self.feed_forward_norm, rng)

    def _add(
        self, x_BTKD: Tensor, branch: Callable[[Tensor], Tensor], norm: nn.Module, rng: torch.Generator | None
    ) -> Tensor:
        if self.pre:
            return add_dropped(x_BTKD, branch(norm(x_BTKD)), self.dropout, rng)
        return norm(add_dropped(x_BTKD, branch(x_BTKD), self.dropout, rng))


class TrackTokensHead(Head):
    """A token h_t + E_k per step and track goes through decoder layers, and one Linear for all makes it O outputs.

    Tracks of a step see one another, and the states of valid steps, up to their own where causal.

    Shape: h_BTD, valid_BT → outputs_BTKO. Trace: ``<name>/<layer>/between_tracks`` (B·T, H, K, K) and
    ``<name>/<layer>/over_time`` (B, H, T·K, T), tokens step by step, NaN where a token may look at no step.

    Args:
        sizes: of every layer; with ``norm`` post there is no final norm, with pre there is one.
        tracks, outputs: K, O.
        layers: at least 1.
        causal: whether a step sees itself and earlier steps only.

    Source: Carion et al. 2020, "End-to-End Object Detection with Transformers", §3.2. NOTE[DIFF] Learned queries are
    added to the state of their step, once; DETR starts from zeros and adds them to queries and keys in every layer. A
    token stands for a known track here, so nothing is matched.
    """

    def __init__(self, sizes: LayerSizes, tracks: int, outputs: int, layers: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.track = nn.Embedding(tracks, sizes.width)
        self.layers = nn.ModuleList(TrackLayer(sizes) for _ in range(layers))
        self.final_norm = nn.LayerNorm(sizes.width) if sizes.norm == "pre" else nn.Identity()
        self.output = Linear(sizes.width, outputs)

    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        T, K = h_BTD.shape[1], self.track.num_embeddings
        x_BTKD = h_BTD.unsqueeze(2) + self.track.weight
        mask_B1TT = attention_mask(valid_BT, self.causal, h_BTD.dtype, itself=False)
        mask, steps = mask_B1TT.repeat_interleave(K, 2), torch.arange(T, device="cpu").repeat_interleave(K)
        for i, layer in enumerate(self.layers):
            x_BTKD = layer(x_BTKD, h_BTD, mask, steps, rng, trace, f"{name}/{i}")
        return self.output(self.final_norm(x_BTKD))
