"""A small corpus schema and batches with holes, shared by the model's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmcore.batch import Batch
from mmcore.schema import CorpusSchema


def small_schema(scope: str = "step", tracks: int = 3) -> CorpusSchema:
    return CorpusSchema.model_validate(
        {
            "format": 1,
            "name": "small",
            "modalities": {
                "audio": {"features": [{"name": "a_{0..2}"}]},
                "wrist.left": {"features": [{"name": "v_{0..4}"}]},
                "values": {"features": [{"name": "t_{0..3}"}]},
            },
            "targets": {
                "from": "labels",
                "scope": scope,
                "tracks": tracks,
                "parameters": [
                    {"name": "active", "kind": "binary", "component": "active"},
                    {"name": "asset", "kind": "categorical", "classes": 4, "component": "asset"},
                    {"name": "x", "component": "position"},
                ],
            },
        }
    )


def small_batch(B: int = 4, T: int = 7, seed: int = 0, padded: bool = True) -> Batch:
    """Random values; about a third of the places absent; ragged ends unless ``padded`` is False."""
    rng = torch.Generator().manual_seed(seed)
    schema = small_schema()
    values = {
        name: torch.randn(B, T, len(modality.columns), generator=rng) for name, modality in schema.modalities.items()
    }
    lengths_B = torch.randint(2, T + 1, (B,), generator=rng) if padded else torch.full((B,), T)
    K, P = schema.targets.tracks, len(schema.targets.parameters)
    return Batch(
        values=values,
        present_BTM=torch.rand(B, T, 3, generator=rng) < 0.7,
        valid_BT=torch.arange(T) < lengths_B[:, None],
        target_BTKP=torch.zeros(B, T, K, P),
        target_valid_BTKP=torch.ones(B, T, K, P, dtype=torch.bool),
        previous_BTKP=torch.zeros(B, T, K, P),
        previous_valid_BTKP=torch.zeros(B, T, K, P, dtype=torch.bool),
        item_B=torch.arange(B),
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()


@pytest.fixture
def schema() -> CorpusSchema:
    return small_schema()


@pytest.fixture
def make_schema() -> Callable[..., CorpusSchema]:
    return small_schema


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    return small_batch
