"""The model: embedding per modality → fusion → positions → dropout → Transformer encoder → head.

B batch, T steps, M modalities, D width, K tracks, F raw features, O outputs per track.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.batch import Batch
from mmcore.config import ModelConfig
from mmcore.errors import ShapeError, nearest
from mmcore.model.dropout import dropout
from mmcore.model.embedding import Embedding
from mmcore.model.encoder import Encoder
from mmcore.model.fusion import build_fusion
from mmcore.model.heads import build_head, mean_over_steps
from mmcore.model.initialisation import initialise
from mmcore.model.positions import Positions
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
    """

    def __init__(self, config: ModelConfig, features: dict[str, int], targets: Targets, causal: bool) -> None:
        super().__init__()
        self.modalities = tuple(features)
        self.features = features
        self.dropout = config.dropout
        self.per_item = targets.scope == "item"
        self.embedding = Embedding(features, config.width)
        self.fusion = build_fusion(config.fusion, self.modalities, config.width)
        self.positions = Positions(config.width)
        self.encoder = Encoder(
            config.width,
            config.layers,
            config.heads,
            config.feed_forward,
            config.dropout,
            config.attention_dropout,
            config.norm,
            causal,
        )
        self.head = build_head(config.head, config.width, targets.tracks, targets.outputs)

    def forward(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        """Normalised values and unnormalised logits.

        Shape: outputs_BTKO; T is 1 where targets belong to items. O follows the order of the parameters.

        Args:
            batch: may hold more modalities than the model reads.
            rng: present: training, dropout is drawn from it; None: evaluation.
            trace: collects gates, weights and attention; None costs nothing.

        Raises:
            ShapeError: the batch lacks a modality, or one has another number of features.
        """
        values, present_BTM = self._read(batch)
        usable_BTM = present_BTM & batch.valid_BT.unsqueeze(-1)
        embedded = self.embedding(values, usable_BTM)
        fused_BTD = embedded[0] if self.fusion is None else self.fusion(embedded, usable_BTM, trace)
        x_BTD = dropout(self.positions(fused_BTD), self.dropout, rng)
        h_BTD = self.encoder(x_BTD, batch.valid_BT, rng, trace)
        if self.per_item:
            h_BTD = mean_over_steps(h_BTD, batch.valid_BT)
        return self.head(h_BTD)

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


def build_model(config: ModelConfig, schema: CorpusSchema, causal: bool, repeat: int) -> MultimodalModel:
    """A model for a corpus, with the initial values of a repeat.

    Args:
        config: sizes, modalities, fusion, head.
        schema: gives the number of features, tracks and outputs.
        causal: whether a step sees itself and earlier steps only (``config.causal`` with None resolved by the task).
        repeat: with a parameter's name it decides that parameter's initial values, for every arm alike.

    Raises:
        ConfigError: ``config.modalities`` names one that the corpus does not have.
    """
    features = {name: len(schema.modalities[name].columns) for name in schema.chosen(config.modalities)}
    # On the meta device torch's layers neither draw from the global generator nor fill memory that is filled again.
    with torch.device("meta"):
        model = MultimodalModel(config, features, schema.targets, causal)
    model.to_empty(device="cpu")
    initialise(model, repeat)
    return model
