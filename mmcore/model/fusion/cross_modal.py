"""Fusion by attention between modalities over time. B batch, T steps, M modalities, D width, H heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.attention import MultiheadAttention
from mmcore.model.dropout import add_dropped, dropout
from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.layer_sizes import LayerSizes
from mmcore.model.linear import Linear
from mmcore.model.precision import full
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class CrossModalLayer(nn.Module):
    """z + CrossAttention(LN(z), LN(e)), then z + FFN(LN(z)): a target z that reads a source e.

    Shape: z_BTD, source_BTD, mask_B1TT → (B, T, D).

    NOTE[DIFF] Tsai et al. 2019, §3.2, eq. 4 add the normalised LN(z) to the attention's result; here, as in the code
    that they released, z itself is added.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.target_norm = nn.LayerNorm(sizes.width)
        self.source_norm = nn.LayerNorm(sizes.width)
        self.attention = MultiheadAttention(sizes.width, sizes.heads, sizes.attention_dropout, sizes.rotary)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)
        self.widen = Linear(sizes.width, sizes.feed_forward)
        self.narrow = Linear(sizes.feed_forward, sizes.width)

    def forward(
        self,
        z_BTD: Tensor,
        source_BTD: Tensor,
        mask_B1TT: Tensor,
        rng: torch.Generator | None,
        trace: Trace | None,
        name: str,
    ) -> Tensor:
        read_BTD = self.attention(
            self.target_norm(z_BTD), mask_B1TT, rng, trace, name, memory_BSD=self.source_norm(source_BTD)
        )
        z_BTD = add_dropped(z_BTD, read_BTD, self.dropout, rng)
        widened_BTF = F.relu(self.widen(self.feed_forward_norm(z_BTD)))
        return add_dropped(z_BTD, self.narrow(dropout(widened_BTF, self.dropout, rng)), self.dropout, rng)


class CrossModalFusion(Fusion):
    """Every modality reads every other one over time; Linear([all M(M−1) results]) is what comes out.

    For an ordered pair (α ← β) a stack of cross-modal layers starts from z = e_α; every layer reads the original e_β,
    at steps where β is usable and, where causal, not later. A query that may look at nothing of β gets the bias of the
    attention's output. A result counts as zeros where α is not usable; there (β ← α) carries the content of β.

    Shape: M × e_BTD → fused_BTD. Trace: ``cross_attention/<α>/<β>/<layer>`` (B, H, T, T), NaN where a query may look
    at nothing.

    Args:
        modalities: at least two names.
        sizes: of every layer; its ``norm`` is not read, the layers are pre-norm.
        layers: cross-modal layers of a pair, at least 1.

    Source: Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences", §3.1–3.2.
    NOTE[DIFF] no temporal convolution before, and no self-attention per target after: the encoder that follows, one for
    all, stands in its place.
    """

    over_time: bool = True

    def __init__(self, modalities: tuple[str, ...], sizes: LayerSizes, layers: int) -> None:
        super().__init__()

        def stack() -> nn.ModuleList:
            return nn.ModuleList(CrossModalLayer(sizes) for _ in range(layers))

        self.pairs = nn.ModuleDict(
            {
                key_of(target): nn.ModuleDict({key_of(source): stack() for source in modalities if source != target})
                for target in modalities
            }
        )
        self.mix = Linear(len(modalities) * (len(modalities) - 1) * sizes.width, sizes.width)

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        masks = [streams.cross_mask(m) for m in range(len(streams.modalities))]
        results: list[Tensor] = []
        for a, target in enumerate(streams.modalities):
            stacks = self.pairs[key_of(target)]
            assert isinstance(stacks, nn.ModuleDict)
            for b, source in enumerate(streams.modalities):
                if a == b:
                    continue
                z_BTD = streams.embedded[a]
                layers = stacks[key_of(source)]
                assert isinstance(layers, nn.ModuleList)
                for i, layer in enumerate(layers):
                    name = f"cross_attention/{target}/{source}/{i}"
                    z_BTD = layer(z_BTD, streams.embedded[b], masks[b], rng, trace, name)
                results.append(torch.where(streams.usable(a).unsqueeze(-1), z_BTD, 0.0))
        return full(self.mix(torch.cat(results, dim=-1)))
