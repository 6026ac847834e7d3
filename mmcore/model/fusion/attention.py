"""Fusion by attention over modalities. B batch, T steps, N = B·T, M modalities, D width, H heads."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmcore.model.attention import MultiheadAttention
from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.precision import full
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class AttentionFusion(Fusion):
    """A learned query attends over the modalities of its own step; their tokens are e_m plus a learned vector of each.

    What is not usable is no key. A step at which nothing is gives the output projection's bias, whatever the data.

    Shape: M × e_BTD → fused_BTD. Trace: ``modality_attention`` (B, T, H, M): 0 where a modality is not usable, NaN
    where none is; else it sums to 1 over M.

    Args:
        modalities: names, in the order of M.
        width: D.
        heads: H, divides D.
        dropout: share of the weights dropped while training.

    Source: pooling by a learned query, Lee et al. 2019, "Set Transformer", §3.2 (PMA with one seed). NOTE[DIFF] only
    its attention: the sum with the seed, the norms and the feed-forward layer are left to the encoder that follows.
    """

    def __init__(self, modalities: tuple[str, ...], width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query_D = nn.Parameter(torch.empty(width))
        self.kinds = nn.ModuleDict({key_of(name): nn.Embedding(1, width) for name in modalities})
        self.attention = _Pooling(width, heads, dropout)

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """A query of unit variance: from a smaller one, weights and keys would begin with next to no gradient."""
        parameter.normal_(generator=rng)

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        B, T, M = streams.usable_BTM.shape
        kinds_MD = torch.cat(list(self.kinds.parameters()))
        tokens_NMD = (torch.stack(streams.embedded, dim=2) + kinds_MD).flatten(0, 1)
        # Not expand: torch's counter of operations cannot take a view of a parameter as an input of a module.
        query_N1D = self.query_D.repeat(B * T, 1, 1)
        blocked_N11M = ~streams.usable_BTM.reshape(B * T, 1, 1, M)
        mask_N11M = torch.zeros_like(blocked_N11M, dtype=tokens_NMD.dtype).masked_fill(blocked_N11M, -torch.inf)
        steps = None if trace is None else _AtSteps(trace, (B, T))
        fused_N1D = self.attention(query_N1D, mask_N11M, rng, steps, "modality_attention", tokens_NMD)
        return full(fused_N1D).view(B, T, -1)


class _Pooling(MultiheadAttention):
    """Attention whose output begins as large as what it pools."""

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        # Values begin with half of their tokens' variance and the projection keeps a third. A residual sum makes up for
        # that elsewhere; here positions and dropout would drown what is left (measured: audio was not learned).
        super().fill(name, parameter, rng)
        if name == "out_weight":
            parameter.mul_(math.sqrt(6))


class _AtSteps(Trace):
    """Hands weights on as (B, T, H, M), whose steps were rows of a batch."""

    def __init__(self, trace: Trace, steps: tuple[int, int]) -> None:
        super().__init__()
        self.trace = trace
        self.steps = steps

    def keep(self, name: str, value: Tensor) -> None:
        self.trace.keep(name, value.squeeze(2).unflatten(0, self.steps))
