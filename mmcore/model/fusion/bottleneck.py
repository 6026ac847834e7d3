"""Fusion through a few tokens. B batch, T steps, M modalities, D width, H heads, N tokens of a step, S = T + T·N."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.model.attention import attention_mask
from mmcore.model.embedding import key_of
from mmcore.model.encoder import layer_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.layer_sizes import LayerSizes
from mmcore.model.positions import NoPositions, SinusoidalPositions
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class BottleneckFusion(Fusion):
    """Each modality attends over time to itself and to N bottleneck tokens per step, the only way between modalities.

    In a layer each modality's Transformer layer runs over [z_m; b], its own states and the tokens, and proposes new
    tokens. The new b_t is the mean of the proposals of the modalities that are usable at step t, and stays as it was
    where none is. The output is the mean of z_m over the modalities usable at the step, zeros where none is. So
    information passes between modalities from the second layer on.

    Shape: M × e_BTD → fused_BTD. Trace: ``bottleneck/<modality>/<layer>`` (B, H, S, S), queries before keys: T states,
    then the tokens, step by step. Rows of queries at unusable steps mean nothing.

    Args:
        modalities: at least two names.
        sizes: of every layer; without rotary positions sinusoids mark the tokens' steps (the width must be even).
        layers: at least 1.
        tokens: N, at least 1.

    Source: Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion", §3.2–3.3.
    NOTE[DIFF] The paper has N tokens for a whole clip, which would tell a step of a causal model its future. Here every
    step has N tokens of its own; a state or token at step t looks at states and tokens of steps up to t where causal.
    NOTE[DIFF] The paper averages predictions from the modalities' CLS tokens; here there is a prediction per step, and
    the states are averaged.
    """

    over_time: bool = True

    def __init__(self, modalities: tuple[str, ...], sizes: LayerSizes, layers: int, tokens: int) -> None:
        super().__init__()
        self.tokens_ND = nn.Parameter(torch.empty(tokens, sizes.width))
        self.positions = NoPositions() if sizes.rotary else SinusoidalPositions(sizes.width)
        self.layers = nn.ModuleList(
            nn.ModuleDict({key_of(name): layer_of(sizes) for name in modalities}) for _ in range(layers)
        )

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Normal with standard deviation 0.02, as in the paper, §4.2."""
        parameter.normal_(0.0, 0.02, generator=rng)

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        B, T, D = streams.embedded[0].shape
        N = len(self.tokens_ND)
        tokens_BTND = self.positions(streams.embedded[0].new_zeros(1, T, D)).unsqueeze(2) + self.tokens_ND
        tokens_BTND = tokens_BTND.expand(B, T, N, D)
        steps_T = torch.arange(T, device="cpu")
        steps_S = torch.cat((steps_T, steps_T.repeat_interleave(N)))
        usable = streams.usable_BTM.unbind(-1)
        masks = [
            attention_mask(
                torch.cat((u_BT, streams.valid_BT.repeat_interleave(N, 1)), 1),
                streams.causal,
                tokens_BTND.dtype,
                steps_T=steps_S,
            )
            for u_BT in usable
        ]
        states = streams.embedded
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.ModuleDict)
            proposals: list[Tensor] = []
            for m, (module, mask_B1SS) in enumerate(zip(layer.values(), masks, strict=True)):
                x_BSD = torch.cat((states[m], tokens_BTND.flatten(1, 2)), 1)
                x_BSD = module(x_BSD, mask_B1SS, rng, trace, f"bottleneck/{streams.modalities[m]}/{i}", steps_S)
                proposals.append(x_BSD)
            states = [torch.where(u.unsqueeze(-1), x[:, :T], 0.0) for u, x in zip(usable, proposals, strict=True)]
            proposed = [x[:, T:].unflatten(1, (T, N)) for x in proposals]
            known_BT11 = streams.usable_BTM.any(-1)[..., None, None]
            tokens_BTND = torch.where(known_BT11, _mean(proposed, usable), tokens_BTND)
        return _mean(states, usable)


def _mean(of: list[Tensor], usable: tuple[Tensor, ...]) -> Tensor:
    """The mean over the modalities that are usable at a step, M × (B, T, …) → (B, T, …); zeros where none is."""
    shape = (*usable[0].shape, *[1] * (of[0].ndim - 2))
    total = torch.stack([torch.where(u.view(shape), x, 0.0) for u, x in zip(usable, of, strict=True)]).sum(0)
    return total / torch.stack(usable).sum(0).clamp_min(1).view(shape)
