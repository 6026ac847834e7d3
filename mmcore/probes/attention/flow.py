"""How much each modality passes on where modalities meet, by the kind of fusion.

B batch, T steps, M modalities, D width, H heads, P parameters, S = T + T·N states and tokens of a bottleneck.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmcore.answers.attention import Flow
from mmcore.model.embedding import key_of
from mmcore.model.fusion.cross_modal import CrossModalFusion, CrossModalLayer
from mmcore.model.multimodal import MultimodalModel
from mmcore.probes.attention.maps import Seen

FUSED, TOKENS, PREDICTION = "fused", "bottleneck", "prediction"
"""Where a flow can end, or begin, besides a modality."""


class FlowSums:
    """Mean shares by source, target and layer, summed as batches go by."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str, int], list[float]] = {}

    def add(self, arrays: dict[str, np.ndarray], seen: Seen, read: dict[tuple[str, str, int], np.ndarray]) -> None:
        """Count one batch.

        Args:
            arrays: of a trace. seen: for the same batch. read: of :func:`reading`, by target, source and layer.
        """
        for source, target, layer, share, counted in _flows(arrays, seen, read):
            total = self.sums.setdefault((source, target, layer), [0.0, 0.0])
            total[0] += float(np.where(counted, share, 0.0).sum(dtype=np.float64))
            total[1] += float(counted.sum())

    def result(self) -> tuple[Flow, ...]:
        """The means; flows of which nothing counted are left out."""
        return tuple(
            Flow(source=source, target=target, layer=layer, share=round(total / n, 4))
            for (source, target, layer), (total, n) in self.sums.items()
            if n
        )


def _flows(
    arrays: dict[str, np.ndarray], seen: Seen, read: dict[tuple[str, str, int], np.ndarray]
) -> Iterator[tuple[str, str, int, np.ndarray, np.ndarray]]:
    """Source, target, layer, a share per step, and where it counts.

    - Pooling by attention, decision, addition: the weight of each modality among the usable ones, at steps where two or
      more are usable.
    - Hierarchical: how much of either side the gate lets pass, where both are usable.
    - Cross-modal: ‖read‖ / (‖own‖ + ‖read‖), where target and source are usable at the step. Attention itself always
      adds up to 1 over the source's steps: it does not show how much was read.
    - Bottleneck: what a state looks at tokens, and what a token looks at the modality's states.
    """
    several_BT = seen.usable_BTM.sum(-1) >= 2
    usable = dict(zip(seen.modalities, np.moveaxis(seen.usable_BTM, -1, 0), strict=True))
    for name, value in arrays.items():
        kind, _, rest = name.partition("/")
        match kind:
            case "modality_attention":
                for m, modality in enumerate(seen.modalities):
                    yield modality, FUSED, 0, value[..., m].mean(2), several_BT
            case "modality_weights":
                # One prediction per item: weights of T = 1.
                counts = several_BT if value.shape[1] == several_BT.shape[1] else several_BT.any(1, keepdims=True)
                for m, modality in enumerate(seen.modalities):
                    yield modality, PREDICTION, 0, value[:, :, m].mean(-1), counts
            case "weights" if "modality_weights" not in arrays:
                # What is absent adds exactly zero, whatever its weight.
                share_BTM = value * seen.usable_BTM
                share_BTM = share_BTM / np.where(several_BT, share_BTM.sum(-1), 1.0)[..., None]
                for m, modality in enumerate(seen.modalities):
                    yield modality, FUSED, 0, share_BTM[..., m], several_BT
            case "pairs":
                left, right = _sides(rest)
                yield left, rest, 0, value, ~np.isnan(value)
                yield right, rest, 0, 1 - value, ~np.isnan(value)
            case "bottleneck":
                modality, _, layer = rest.rpartition("/")
                mean_BSS, T = value.mean(1), seen.valid_BT.shape[1]
                N = mean_BSS.shape[-1] // T - 1
                yield TOKENS, modality, int(layer), mean_BSS[:, :T, T:].sum(-1), usable[modality]
                written_BT = mean_BSS[:, T:, :T].sum(-1).reshape(-1, T, N).mean(-1)
                yield modality, TOKENS, int(layer), written_BT, usable[modality]
            case _:
                pass
    for (target, source, layer), share_BT in read.items():
        yield source, target, layer, share_BT, usable[target] & usable[source]


def _sides(pair: str) -> tuple[str, str]:
    """``(audio|visual)|track`` → ``audio|visual`` and ``track``: either side of the bar that stands in no bracket."""
    depth = 0
    for at, letter in enumerate(pair):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            return _bare(pair[:at]), _bare(pair[at + 1 :])
    raise AssertionError(f"'{pair}' names no pair")


def _bare(side: str) -> str:
    return side[1:-1] if side.startswith("(") else side


@contextmanager
def reading(model: MultimodalModel) -> Iterator[dict[tuple[str, str, int], np.ndarray]]:
    """Within the block each forward pass fills: target, source, layer → ‖read‖ / (‖own‖ + ‖read‖), (B, T).

    Of cross-modal fusion, for which read is what a layer's attention adds to the target's own stream; {} for others.
    Watching changes no output, and ends with the block.
    """
    shares: dict[tuple[str, str, int], np.ndarray] = {}
    watches = [_Watch(key, layer, shares) for key, layer in _cross_layers(model)]
    try:
        yield shares
    finally:
        for watch in watches:
            watch.end()


class _Watch:
    """Sees what enters a cross-modal layer and what its attention adds."""

    def __init__(
        self, key: tuple[str, str, int], layer: CrossModalLayer, shares: dict[tuple[str, str, int], np.ndarray]
    ) -> None:
        self.key, self.shares = key, shares
        self.handles = [
            layer.register_forward_pre_hook(self._enters),
            layer.attention.register_forward_hook(self._adds),
        ]

    def _enters(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self.own_BT = given[0].detach().norm(dim=-1)

    def _adds(self, module: nn.Module, given: tuple[Any, ...], out_BTD: Tensor) -> None:
        read_BT = out_BTD.detach().float().norm(dim=-1)
        whole_BT = (self.own_BT + read_BT).clamp_min(torch.finfo(read_BT.dtype).tiny)
        self.shares[self.key] = (read_BT / whole_BT).cpu().numpy()

    def end(self) -> None:
        for handle in self.handles:
            handle.remove()


def _cross_layers(model: MultimodalModel) -> Iterator[tuple[tuple[str, str, int], CrossModalLayer]]:
    """The layers of cross-modal fusion by target, source and place in the stack."""
    if not isinstance(model.fusion, CrossModalFusion):
        return
    names = {key_of(name): name for name in model.modalities}
    for path, module in model.fusion.pairs.named_modules():
        if isinstance(module, CrossModalLayer):
            target, source, layer = path.split(".")
            yield (names[target], names[source], int(layer)), module
