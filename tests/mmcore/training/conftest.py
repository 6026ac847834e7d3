"""Small targets and batches made by hand, so that losses and measures are tested without a corpus."""

from collections.abc import Callable

import pytest
import torch

from mmcore.batch import Batch
from mmcore.schema import Targets

EDITING = {
    "from": "track",
    "tracks": 3,
    "parameters": [
        {"name": "active", "kind": "binary", "component": "active"},
        {"name": "asset", "kind": "categorical", "classes": 4, "component": "asset", "when": "active"},
        {"name": "scale", "component": "scale", "when": "active"},
        {"name": "x", "component": "position", "when": "active"},
        {"name": "y", "component": "position", "when": "active"},
        {"name": "free", "component": "free"},
    ],
}
"""The seed's structure in small; P = 6, O = 10."""


@pytest.fixture
def targets() -> Targets:
    return Targets.model_validate(EDITING)


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    return random_batch


def random_batch(targets: Targets, B: int = 4, T: int = 7, seed: int = 0, valid: float = 0.8, items: int = 3) -> Batch:
    """A batch with random targets and masks; T becomes 1 for scope item."""
    rng = torch.Generator().manual_seed(seed)
    K, P = targets.tracks, len(targets.parameters)
    Tt = 1 if targets.scope == "item" else T
    value = {}
    for when in ("target", "previous"):
        columns = []
        for p in targets.parameters:
            if p.kind == "continuous":
                columns.append(torch.randn(B, Tt, K, generator=rng))
            else:
                columns.append(torch.randint(p.outputs, (B, Tt, K), generator=rng).float())
        mask = torch.rand(B, Tt, K, P, generator=rng) < valid
        value[when] = torch.stack(columns, -1).masked_fill(~mask, 0.0)
        value[f"{when}_valid"] = mask
    return Batch(
        values={},
        present_BTM=torch.zeros(B, T, 0, dtype=torch.bool),
        valid_BT=torch.ones(B, T, dtype=torch.bool),
        target_BTKP=value["target"],
        target_valid_BTKP=value["target_valid"],
        previous_BTKP=value["previous"],
        previous_valid_BTKP=value["previous_valid"],
        item_B=torch.arange(B) % items,
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()
