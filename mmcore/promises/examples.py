"""Small corpora, batches and models on which promises are tested. B batch, T steps, M modalities, F raw features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import Plain, RunConfig, build_config
from mmcore.model.build import build_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import CorpusSchema

B, T = 4, 7
FEATURES = {"audio": 3, "visual": 5, "track": 4}
GARBAGE = (torch.nan, torch.inf, -torch.inf, 1e30, 3.0)
"""What may stand where nothing can be read."""
SIZES: Plain = {"width": 16, "layers": 2, "heads": 2, "feed_forward": 24, "dropout": 0.2}
SEED = 0
SCHEMA = CorpusSchema.model_validate(
    {
        "format": 1,
        "name": "contract",
        "modalities": {name: {"features": [{"name": f"f_{{0..{F - 1}}}"}]} for name, F in FEATURES.items()},
        "targets": {
            "from": "labels",
            "tracks": 2,
            "parameters": [
                {"name": "active", "kind": "binary", "component": "active"},
                {"name": "x", "component": "position"},
            ],
        },
    }
)
"""Three modalities; two tracks with a binary and a continuous parameter."""
VARIANTS: Mapping[str, Plain] = {
    "post-free": {},
    "pre-causal": {"norm": "pre", "causal": True},
    "learned-absence-causal": {"absence": "learned", "causal": True, "time_features": True},
    "mid-rotary": {"layers_before": 1, "layers": 1, "positions": "rotary", "norm": "pre"},
    "late-causal": {"layers_before": 2, "layers": 0, "causal": True, "positions": "learned"},
}
"""Norm, direction, placement, absence and positions, mixed so that each meets every member of a family."""


def make_batch() -> Batch:
    """Random values, a third of the places absent, ragged ends, one row without any modality, one full row."""
    rng = torch.Generator().manual_seed(SEED)
    present_BTM = torch.rand(B, T, len(FEATURES), generator=rng) < 0.67
    present_BTM[1] = False
    present_BTM[0] = True
    nothing = torch.zeros(B, T, 2, 2)
    return Batch(
        values={name: torch.randn(B, T, F, generator=rng) for name, F in FEATURES.items()},
        present_BTM=present_BTM,
        valid_BT=torch.arange(T) < torch.tensor([T, 5, 3, 4])[:, None],
        target_BTKP=nothing,
        target_valid_BTKP=nothing.bool(),
        previous_BTKP=nothing,
        previous_valid_BTKP=nothing.bool(),
        item_B=torch.arange(B),
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()


def overwrite(batch: Batch, where_BTM: Tensor, value: float) -> Batch:
    """The batch with a value in the place of all features there."""
    values = {
        name: x_BTF.masked_fill(where_BTM[..., m, None], value) for m, (name, x_BTF) in enumerate(batch.values.items())
    }
    return replace(batch, values=values)


def cut(batch: Batch, row: int) -> Batch:
    """One row of a batch alone, without its padding; at least one step."""
    steps = max(1, int(batch.valid_BT[row].sum()))

    def part(x: Tensor) -> Tensor:
        return x[row : row + 1, :steps]

    return replace(
        batch,
        values={name: part(x_BTF) for name, x_BTF in batch.values.items()},
        present_BTM=part(batch.present_BTM),
        valid_BT=part(batch.valid_BT),
        target_BTKP=part(batch.target_BTKP),
        target_valid_BTKP=part(batch.target_valid_BTKP),
        previous_BTKP=part(batch.previous_BTKP),
        previous_valid_BTKP=part(batch.previous_valid_BTKP),
        item_B=batch.item_B[row : row + 1],
        start_B=batch.start_B[row : row + 1],
    )


def build(made_of: Plain, modalities: tuple[str, ...] | None = None, repeat: int = SEED) -> MultimodalModel:
    """A small model.

    Args:
        made_of: settings of a model; ``causal`` and ``scope`` stand for what task and corpus decide.
        modalities: those that it reads; None: all.
        repeat: decides the initial values.
    """
    made_of = dict(made_of)
    causal, scope = bool(made_of.pop("causal", False)), made_of.pop("scope", "step")
    own = made_of.get("kind") == "custom"
    settings = made_of if own else SIZES | made_of
    config: RunConfig = build_config({"corpus": "", "model": settings | {"modalities": modalities}})
    schema = SCHEMA.model_copy(update={"targets": SCHEMA.targets.model_copy(update={"scope": scope})})
    model = build_model(config.model, schema, causal, repeat, window=T)
    # Away from the initial zeros and ones, so that no bias is silent by chance.
    rng = torch.Generator().manual_seed(1 + repeat)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng) * 0.05)
    return model
