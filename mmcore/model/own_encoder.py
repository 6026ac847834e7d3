"""An encoder and an embedding of the user's. B batch, T steps, D width, F raw features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.config import Custom, ModelConfig
from mmcore.model.own import OwnPart
from mmcore.trace import Trace

ENCODER_INPUTS = ("x", "valid", "rng", "trace")
"""What ``forward`` of an encoder may name: vectors (B, T, D), which steps there are (B, T)."""
EMBEDDING_INPUTS = ("x", "usable", "rng", "trace")
"""What ``forward`` of an embedding may name: features (B, T, F), zero where they cannot be read, and where they can."""


class CustomEncoder(nn.Module):
    """Calls a module of the user's in the place of the Transformer.

    Its constructor may name ``width``, ``layers``, ``heads``, ``feed_forward``, ``dropout``, ``causal`` and what stands
    in ``args``.

    Args:
        part: names the class. model: sizes. causal: whether a step may look at itself and earlier ones only.
    """

    def __init__(self, part: Custom, model: ModelConfig, causal: bool) -> None:
        super().__init__()
        offered = {name: getattr(model, name) for name in ("width", "layers", "heads", "feed_forward", "dropout")}
        self.own = OwnPart(part, offered | {"causal": causal}, ENCODER_INPUTS)

    def forward(
        self,
        x_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "attention",
    ) -> Tensor:
        B, T, D = x_BTD.shape
        return self.own(rng, {"B": B, "T": T, "D": D}, {"x": x_BTD, "valid": valid_BT, "rng": rng, "trace": trace})


class CustomEmbedding(nn.Module):
    """Calls a module of the user's in the place of a modality's Linear.

    Its constructor may name ``features``, ``width``, ``modality``, ``causal`` and what stands in ``args``.

    Args:
        part: names the class. features: F. width: D. modality: its name. causal: as for the encoder.
    """

    def __init__(self, part: Custom, features: int, width: int, modality: str, causal: bool) -> None:
        super().__init__()
        self.width = width
        offered = {"features": features, "width": width, "modality": modality, "causal": causal}
        self.own = OwnPart(part, offered, EMBEDDING_INPUTS)

    def forward(
        self, x_BTF: Tensor, usable_BT: Tensor, rng: torch.Generator | None = None, trace: Trace | None = None
    ) -> Tensor:
        B, T, _ = x_BTF.shape
        return self.own(
            rng, {"B": B, "T": T, "D": self.width}, {"x": x_BTF, "usable": usable_BT, "rng": rng, "trace": trace}
        )
