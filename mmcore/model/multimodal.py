"""The model: embedding per modality → layers per modality → fusion → Transformer encoder → head.

Positions and dropout come before the first part in which steps look at one another. Where it is predictions that are
fused (``decision``), each modality has an encoder and a head of its own.

B batch, T steps, M modalities, D width, K tracks, F raw features, O outputs per track.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmcore.batch import Batch
from mmcore.config import ModelConfig
from mmcore.errors import ShapeError, nearest
from mmcore.model.dropout import dropout
from mmcore.model.embedding import Embedding, key_of
from mmcore.model.encoder import Encoder
from mmcore.model.fusion import DecisionFusion, build_fusion
from mmcore.model.heads import build_head, mean_over_steps
from mmcore.model.initialisation import initialise
from mmcore.model.positions import TimeFeatures, build_positions
from mmcore.model.streams import Streams
from mmcore.schema import CorpusSchema, Targets
from mmcore.shapes import check_shape
from mmcore.trace import Trace


class MultimodalModel(nn.Module):
    """Predicts K tracks × O outputs per step, or per item, from any subset of the modalities.

    What is absent or padded cannot influence any output at a valid step, not by a bit, whatever values stand there.
    Rows of a batch do not see each other. With ``causal`` an output depends on its own and earlier steps only.

    Args:
        config: sizes, fusion, head.
        features: number of raw features by modality, those that the model reads, in the schema's order.
        targets: what is predicted.
        causal: whether a step sees itself and earlier steps only.
        window: steps of a batch at most; needed for learned positions alone.

    Raises:
        ConfigError: a hierarchical order that does not fit the modalities.
    """

    def __init__(
        self, config: ModelConfig, features: dict[str, int], targets: Targets, causal: bool, window: int | None = None
    ) -> None:
        super().__init__()
        self.modalities = tuple(features)
        self.features = features
        self.causal = causal
        self.dropout = config.dropout
        self.per_item = targets.scope == "item"

        def encoder(layers: int) -> Encoder:
            rotary = config.positions == "rotary"
            sizes = (config.width, layers, config.heads, config.feed_forward, config.dropout, config.attention_dropout)
            return Encoder(*sizes, config.norm, causal, rotary)

        def head() -> nn.Module:
            return build_head(config, targets.tracks, targets.outputs, causal)

        self.embedding = Embedding(features, config.width, config.absence == "learned")
        self.time = TimeFeatures(config.width) if config.time_features else None
        self.positions = build_positions(config, window)
        before = config.layers_before
        self.before = PerModality(self.modalities, lambda: encoder(before)) if before else None
        self.fusion = build_fusion(config, self.modalities, targets)
        self.late = isinstance(self.fusion, DecisionFusion)
        self.positions_first = before > 0 or self.late or getattr(self.fusion, "over_time", False)
        self.encoder = (
            PerModality(self.modalities, lambda: encoder(config.layers)) if self.late else encoder(config.layers)
        )
        self.head = PerModality(self.modalities, head) if self.late else head()

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
        streams = self._streams(batch, rng, trace)
        if isinstance(self.fusion, DecisionFusion):
            return self._decided(self.fusion, streams, rng, trace)
        x_BTD = self._fused(streams, rng, trace)
        if not self.positions_first:
            x_BTD = self._placed(x_BTD, batch, rng)
        h_BTD, valid_BT = self.encoder(x_BTD, batch.valid_BT, rng, trace), batch.valid_BT
        if self.per_item:
            h_BTD, valid_BT = mean_over_steps(h_BTD, valid_BT), torch.ones_like(valid_BT[:, :1])
        return self.head(h_BTD, valid_BT, rng, trace)

    def look_at_fusion(self, batch: Batch, trace: Trace) -> None:
        """Fill a trace with what comes before the encoder, ``present`` and gates among it; nothing is predicted.

        The cheap way for who wants to know no more: the numbers are those of a whole forward pass without dropout.
        Where predictions are fused (``decision``) nothing of the fusion is shown.
        """
        streams = self._streams(batch, None, trace)
        if not isinstance(self.fusion, DecisionFusion):
            self._fused(streams, None, trace)

    def _streams(self, batch: Batch, rng: torch.Generator | None, trace: Trace | None) -> Streams:
        """One vector per modality and step, as the fusion reads them."""
        values, present_BTM = self._read(batch)
        if trace is not None:
            trace.keep("present", present_BTM & batch.valid_BT.unsqueeze(-1))
        embedded, usable_BTM = self.embedding(values, present_BTM, batch.valid_BT)
        streams = Streams(self.modalities, embedded, usable_BTM, batch.valid_BT, self.causal)
        if self.positions_first:
            streams = streams.having([self._placed(e_BTD, batch, rng) for e_BTD in streams.embedded])
        if self.before is not None:
            streams = streams.having(self.before(streams.embedded, usable_BTM, rng, trace, "before"))
        return streams

    def _fused(self, streams: Streams, rng: torch.Generator | None, trace: Trace | None) -> Tensor:
        assert not isinstance(self.fusion, DecisionFusion)
        return streams.embedded[0] if self.fusion is None else self.fusion(streams, rng, trace)

    def _placed(self, x_BTD: Tensor, batch: Batch, rng: torch.Generator | None) -> Tensor:
        if self.time is not None:
            x_BTD = self.time(x_BTD, batch.start_B)
        return dropout(self.positions(x_BTD), self.dropout, rng)

    def _decided(
        self, fusion: DecisionFusion, streams: Streams, rng: torch.Generator | None, trace: Trace | None
    ) -> Tensor:
        """A prediction from each modality by itself, then one out of all of them."""
        usable_BTM = streams.usable_BTM
        states = self.encoder(streams.embedded, usable_BTM, rng, trace, "attention")
        if self.per_item:
            states = [mean_over_steps(h, u) for h, u in zip(states, usable_BTM.unbind(-1), strict=True)]
            usable_BTM = usable_BTM.any(1, keepdim=True)
        return fusion(self.head(states, usable_BTM, rng, trace, "head"), usable_BTM, trace)

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


def build_model(
    config: ModelConfig, schema: CorpusSchema, causal: bool, repeat: int, window: int | None = None
) -> MultimodalModel:
    """A model for a corpus, with the initial values of a repeat.

    Args:
        config: sizes, modalities, fusion, head.
        schema: gives the number of features, tracks and outputs.
        causal: whether a step sees itself and earlier steps only (``config.causal`` with None resolved by the task).
        repeat: with a parameter's name it decides that parameter's initial values, for every arm alike.
        window: steps of a batch at most; needed for learned positions alone.

    Raises:
        ConfigError: ``config.modalities`` names one that the corpus does not have.
    """
    model = build_unfilled(config, schema, causal, window)
    model.to_empty(device="cpu")
    initialise(model, repeat)
    return model


def build_unfilled(
    config: ModelConfig, schema: CorpusSchema, causal: bool, window: int | None = None
) -> MultimodalModel:
    """The same model without values, on the meta device: enough to count what it costs.

    There torch's layers neither draw from the global generator nor fill memory that is filled again.
    """
    features = {name: len(schema.modalities[name].columns) for name in schema.chosen(config.modalities)}
    with torch.device("meta"):
        return MultimodalModel(config, features, schema.targets, causal, window)
