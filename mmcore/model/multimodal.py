"""What all models have in common: embedding per modality → layers per modality, then what a kind of model adds.

Positions and dropout come before the first part in which steps look at one another.

B batch, T steps, M modalities, D width, K tracks, F raw features, O outputs per track.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmcore.batch import Batch
from mmcore.config import Custom, ModelConfig, Precision, TransformerEncoder
from mmcore.errors import ShapeError, nearest
from mmcore.model.dropout import dropout
from mmcore.model.embedding import Embedding, key_of
from mmcore.model.encoder import Encoder
from mmcore.model.heads import Head, build_head
from mmcore.model.layer_sizes import LayerSizes
from mmcore.model.own_encoder import CustomEmbedding, CustomEncoder
from mmcore.model.positions import TimeFeatures, build_positions
from mmcore.model.precision import full, products_in
from mmcore.model.streams import Streams
from mmcore.schema import Targets
from mmcore.shapes import check_shape
from mmcore.trace import Trace


class MultimodalModel(nn.Module, ABC):
    """Predicts K tracks × O outputs per step, or per item, from any subset of the modalities.

    Absent and padded values, whatever they are, cannot change any output at a valid step by a single bit.
    Rows of a batch do not see each other. With ``causal`` an output depends on its own and earlier steps only.

    A kind of model adds ``fusion``, ``encoder`` and ``head``, in this order.

    Args:
        config: sizes, fusion, head.
        features: number of raw features by modality, those that the model reads, in the schema's order.
        targets: what is predicted.
        causal: whether a step sees itself and earlier steps only.
        window: steps of a batch at most; needed for learned positions alone.

    Raises:
        ConfigError: a hierarchical order that does not fit the modalities.
    """

    fusion: nn.Module | None
    """What makes one of several modalities; None where there is but one."""
    encoder: nn.Module
    head: nn.Module
    positions_first: bool
    """Whether positions are known before modalities are fused."""
    precision: Precision = "fp32"
    """In which numbers it computes, whoever calls it. It is no part of its state: weights are float32."""

    def __init__(
        self, config: ModelConfig, features: dict[str, int], targets: Targets, causal: bool, window: int | None = None
    ) -> None:
        super().__init__()
        self.modalities = tuple(features)
        self.features = features
        self.causal = causal
        self.dropout = config.dropout
        self.per_item = targets.scope == "item"
        own = {
            name: CustomEmbedding(part, features[name], config.width, name, causal)
            for name, part in config.embedding.items()
            if isinstance(part, Custom) and name in features
        }
        self.embedding = Embedding(features, config.width, config.absence == "learned", own)
        self.time = TimeFeatures(config.width) if config.time_features else None
        self.positions = build_positions(config, window)
        before = config.layers_before
        self.before = PerModality(self.modalities, lambda: self.new_encoder(config, before)) if before else None

    @abstractmethod
    def forward(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        """Normalised values and unnormalised logits.

        Shape: outputs_BTKO; T is 1 where targets belong to items. O follows the order of the parameters.

        Args:
            batch: may hold more modalities than the model reads.
            rng: present: training, dropout is drawn from it; None: evaluation.
            trace: collects gates, weights and attention, and under ``present`` (B, T, M) what was there to be read;
                None costs nothing.

        Raises:
            ShapeError: the batch lacks a modality, or one has another number of features.
        """

    def __call__(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        """:meth:`forward` in the model's precision; outputs are float32."""
        if self.precision != "bf16":
            return super().__call__(batch, rng, trace)
        with products_in(self.precision, batch.valid_BT.device):
            return full(super().__call__(batch, rng, trace))

    def look_at_fusion(self, batch: Batch, trace: Trace) -> None:
        """Fill a trace with what comes before the encoder, ``present`` and gates among it; nothing is predicted.

        Cheaper than a whole forward pass, with the same numbers as one without dropout. With late fusion there is
        nothing of the fusion in it.
        """
        with products_in(self.precision, batch.valid_BT.device):
            self._look_at_fusion(batch, trace)

    @abstractmethod
    def _look_at_fusion(self, batch: Batch, trace: Trace) -> None: ...

    def new_encoder(self, config: ModelConfig, layers: int) -> Encoder:
        """An encoder of this model's sizes."""
        return Encoder(LayerSizes.of(config), layers, self.causal)

    def main_encoder(self, config: ModelConfig) -> nn.Module:
        """The encoder that follows the fusion: ours, or one of the user's."""
        match config.encoder:
            case TransformerEncoder():
                return self.new_encoder(config, config.layers)
            case Custom():
                return CustomEncoder(config.encoder, config, self.causal)

    def new_head(self, config: ModelConfig, targets: Targets) -> Head:
        """A head of this model's sizes."""
        return build_head(config, targets.tracks, targets.outputs, self.causal)

    def _streams(self, batch: Batch, rng: torch.Generator | None, trace: Trace | None) -> Streams:
        """One vector per modality and step, as the fusion reads them."""
        values, present_BTM = self._read(batch)
        if trace is not None:
            trace.keep("present", present_BTM & batch.valid_BT.unsqueeze(-1))
        embedded, usable_BTM = self.embedding(values, present_BTM, batch.valid_BT, rng, trace)
        streams = Streams(self.modalities, embedded, usable_BTM, batch.valid_BT, self.causal)
        if self.positions_first:
            streams = streams.having([self._placed(e_BTD, batch, rng) for e_BTD in streams.embedded])
        if self.before is not None:
            streams = streams.having(self.before(streams.embedded, usable_BTM, rng, trace, "before"))
        return streams

    def _placed(self, x_BTD: Tensor, batch: Batch, rng: torch.Generator | None) -> Tensor:
        if self.time is not None:
            x_BTD = self.time(x_BTD, batch.start_B)
        return dropout(self.positions(x_BTD), self.dropout, rng)

    def _read(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        have = batch.modalities
        B, T = batch.valid_BT.shape
        for name, F in self.features.items():
            if name not in batch.values:
                raise ShapeError(f"the batch lacks modality '{name}'", next_step=nearest(name, have))
            check_shape(f"values['{name}']", batch.values[name], B=B, T=T, F=F)
        if have == self.modalities:
            return list(batch.values.values()), batch.present_BTM
        columns = [have.index(name) for name in self.modalities]
        return [batch.values[name] for name in self.modalities], batch.present_BTM[..., columns]


class PerModality(nn.Module):
    """A module of its own for each modality, each over its own stream and the steps where that can be read."""

    def __init__(self, modalities: tuple[str, ...], make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.modalities = modalities
        self.each = nn.ModuleDict({key_of(name): make() for name in modalities})

    def forward(
        self,
        streams: list[Tensor],
        usable_BTM: Tensor,
        rng: torch.Generator | None,
        trace: Trace | None,
        name: str,
    ) -> list[Tensor]:
        """One tensor per modality; what goes into the trace is called ``NAME/MODALITY/…``."""
        return [
            module(x_BTD, usable_BT, rng, trace, f"{name}/{modality}")
            for modality, module, x_BTD, usable_BT in zip(
                self.modalities, self.each.values(), streams, usable_BTM.unbind(-1), strict=True
            )
        ]
