from typing import get_args

import pytest
import torch

from mmcore.config import ModelConfig
from mmcore.config.model import Fusion, Head
from mmcore.model.build import build_model, build_unfilled
from mmcore.model.cost import PARTS, count_flops, count_parameters
from mmcore.schema import CorpusSchema

CONTINUOUS = ("scale", "x", "y", "anchor_x", "anchor_y", "rotation", "crop_l", "crop_r", "crop_t", "crop_b")


def seed_schema(continuous: int = 10) -> CorpusSchema:
    """The seed experiment's corpus; its first version had 7 continuous parameters instead of 10."""
    parameters = [
        {"name": "active", "kind": "binary", "component": "active"},
        {"name": "asset_id", "kind": "categorical", "classes": 10, "component": "asset", "when": "active"},
        *({"name": name, "component": "position", "when": "active"} for name in CONTINUOUS[:continuous]),
    ]
    return CorpusSchema.model_validate(
        {
            "format": 1,
            "name": "seed",
            "modalities": {
                "audio": {"features": [{"name": "a_{0..3}"}]},
                "visual": {"features": [{"name": "v_{0..9}"}, {"name": "clip_{0..511}", "kind": "embedding"}]},
                "track": {"features": [{"name": f"{{0..19}}_{p['name']}"} for p in parameters]},
            },
            "targets": {"from": "track", "tracks": 20, "parameters": parameters},
        }
    )


def seed_model(continuous: int = 10, **values):
    config = ModelConfig.model_validate({"head": {"kind": "shared"}, **values})
    return build_model(config, seed_schema(continuous), causal=False, repeat=0)


@pytest.mark.parametrize(
    ("continuous", "values", "total"),
    [
        (10, {"fusion": {"kind": "gated"}}, 5_209_366),
        (10, {"fusion": {"kind": "concat"}}, 5_208_854),
        (10, {"fusion": {"kind": "add"}}, 5_011_993),
        (10, {"modalities": ["track"]}, 4_876_822),
        (7, {"modalities": ["track"]}, 4_860_691),
        (7, {"modalities": ["track"], "layers": 4, "feed_forward": 512}, 2_230_547),
    ],
)
def test_the_seed_experiments_sizes_give_its_parameter_counts(continuous, values, total) -> None:
    counts = count_parameters(seed_model(continuous, **values))
    assert counts["total"] == total
    assert sum(counts[part] for part in PARTS) == total


def test_each_part_is_counted() -> None:
    counts = count_parameters(seed_model())
    layer = 4 * 256 * 256 + 4 * 256 + 2 * 256 * 1024 + 1024 + 256 + 4 * 256
    assert counts["embedding"] == (4 + 522 + 240 + 3) * 256
    assert counts["fusion"] == 3 * (256 * 256 + 256)
    assert counts["encoder"] == 6 * layer
    assert counts["head"] == 20 * 256 + 256 * 256 + 256 + 256 * 22 + 22
    assert count_parameters(seed_model(modalities=["audio"]))["fusion"] == 0
    assert count_parameters(seed_model(norm="pre"))["encoder"] == counts["encoder"] + 2 * 256


@pytest.mark.parametrize("attention_dropout", [0.0, 0.1])
def test_operations_follow_the_formula(attention_dropout) -> None:
    D, T, W, L = 32, 12, 48, 2
    sizes = {"width": D, "heads": 4, "layers": L, "feed_forward": W, "attention_dropout": attention_dropout}
    flops = count_flops(seed_model(head={"kind": "per_track"}, **sizes), window=T)
    assert flops["embedding"] == 2 * T * (4 + 522 + 240) * D
    assert flops["fusion"] == 3 * 2 * T * D * D
    assert flops["encoder"] == L * (2 * T * D * 4 * D + 2 * 2 * T * D * W + 2 * 2 * T * T * D)
    assert flops["head"] == 2 * T * D * D + 2 * T * D * 20 * 22
    assert flops["total"] == sum(flops[part] for part in PARTS)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = seed_model(width=16, heads=2, layers=1, feed_forward=16)
    before = {name: p.clone() for name, p in model.named_parameters()}
    state = torch.random.get_rng_state()
    count_flops(model, 5)
    assert all(torch.equal(before[name], p) and p.grad is None for name, p in model.named_parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def kinds(family) -> list[str]:
    """The names of a closed family's members, without classes of the user's."""
    names = [member.model_fields["kind"].default for member in get_args(get_args(family)[0])]
    return [name for name in names if name != "custom"]


@pytest.mark.parametrize(
    "part",
    [*({"fusion": {"kind": kind}} for kind in kinds(Fusion)), *({"head": {"kind": kind}} for kind in kinds(Head))],
)
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_model_without_values_costs_the_same(part, positions) -> None:
    sizes = {"width": 16, "heads": 2, "layers": 1, "layers_before": 1, "feed_forward": 24, "positions": positions}
    config = ModelConfig.model_validate({"head": {"kind": "shared"}, "time_features": True} | sizes | part)
    real = build_model(config, seed_schema(), causal=True, repeat=0)
    unfilled = build_unfilled(config, seed_schema(), causal=True)
    assert next(unfilled.parameters()).device.type == "meta"
    assert count_parameters(unfilled) == count_parameters(real)
    flops = count_flops(unfilled, 6)
    assert flops == count_flops(real, 6)
    assert flops["total"] == sum(flops[name] for name in PARTS)
    assert flops["head"] > 0


def test_learned_absence_counts_as_embedding_and_layers_before_fusion_as_encoder() -> None:
    sizes = {"width": 16, "heads": 2, "layers": 1, "feed_forward": 24}
    plain = count_parameters(seed_model(**sizes))
    learned = count_parameters(seed_model(absence="learned", **sizes))
    assert learned == plain | {"embedding": plain["embedding"] + 3 * 16, "total": plain["total"] + 3 * 16}
    before = count_parameters(seed_model(layers_before=2, **sizes))
    more = 3 * 2 * plain["encoder"]
    assert before == plain | {"encoder": plain["encoder"] + more, "total": plain["total"] + more}


def test_operations_of_fusions_over_time_follow_the_formula() -> None:
    D, T, W, M, L, N = 32, 12, 48, 3, 2, 2
    sizes = {"width": D, "heads": 4, "layers": 1, "feed_forward": W}

    def layer(queries: int, keys: int) -> int:
        projections = 2 * queries * D * 2 * D + 2 * keys * D * 2 * D
        return projections + 2 * 2 * queries * keys * D + 2 * 2 * queries * D * W

    cross = count_flops(seed_model(fusion={"kind": "cross_modal", "layers": L}, **sizes), window=T)
    assert cross["fusion"] == M * (M - 1) * (L * layer(T, T) + 2 * T * D * D)
    bottleneck = count_flops(seed_model(fusion={"kind": "bottleneck", "layers": L, "tokens": N}, **sizes), window=T)
    assert bottleneck["fusion"] == M * L * layer(T + T * N, T + T * N)
    head = count_flops(seed_model(head={"kind": "track_tokens", "layers": L}, **sizes), window=T)
    K = 20
    between = T * (2 * K * D * 4 * D + 2 * 2 * K * K * D)
    assert head["head"] == L * (between + layer(T * K, T)) + 2 * T * K * D * 22
