"""Sizes that all layers with attention have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmcore.config import ModelConfig


@dataclass(frozen=True)
class LayerSizes:
    """How large a layer is, and how it is made.

    Args:
        width: D, features per step.
        heads: H, attention heads; divides width.
        feed_forward: features between the two linear maps of a layer.
        dropout, attention_dropout: shares in [0, 1).
        norm: layer norm after each residual sum (``post``), or before each branch (``pre``).
        rotary: rotary positions in attention over time.
    """

    width: int
    heads: int
    feed_forward: int
    dropout: float = 0.0
    attention_dropout: float = 0.0
    norm: Literal["post", "pre"] = "post"
    rotary: bool = False

    @classmethod
    def of(cls, model: ModelConfig) -> LayerSizes:
        """Those that a config asks for."""
        return cls(
            width=model.width,
            heads=model.heads,
            feed_forward=model.feed_forward,
            dropout=model.dropout,
            attention_dropout=model.attention_dropout,
            norm=model.norm,
            rotary=model.positions == "rotary",
        )
