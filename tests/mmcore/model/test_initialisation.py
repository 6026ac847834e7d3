import math

import numpy as np
import pytest
import torch
from torch import nn

from mmcore.config import ModelConfig
from mmcore.model.build import build_model
from mmcore.model.initialisation import initialise

SIZES = {"width": 64, "layers": 2, "heads": 4, "feed_forward": 128}


def build(schema, repeat=0, **values):
    return build_model(ModelConfig.model_validate(SIZES | values), schema, causal=True, repeat=repeat)


def test_arms_start_equal_wherever_they_share_a_parameter(schema) -> None:
    whole = dict(build(schema).named_parameters())
    for values in (
        {"modalities": ["audio"]},
        {"modalities": ["values", "audio"]},
        {"fusion": {"kind": "add"}},
        {"head": {"kind": "shared"}},
        {"layers": 1},
    ):
        arm = dict(build(schema, **values).named_parameters())
        shared = [name for name in arm if name in whole and arm[name].shape == whole[name].shape]
        assert any(name.startswith("embedding") for name in shared)
        assert any(name.startswith("encoder") for name in shared)
        for name in shared:
            assert torch.equal(arm[name], whole[name]), name


def test_a_repeat_decides_the_values(schema) -> None:
    first, again, other = build(schema, 0), build(schema, 0), build(schema, 1)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        if a.std() > 0:
            assert not torch.equal(a, c), name


def test_no_two_parameters_share_their_draws(schema) -> None:
    drawn = [p.flatten()[:8] for p in build(schema).parameters() if p.numel() > 8 and p.std() > 0]
    scaled = [tuple((p / p[0]).tolist()) for p in drawn]
    assert len(set(scaled)) == len(scaled)


def test_the_global_generators_are_not_touched(schema) -> None:
    torch_before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    build(schema, head={"kind": "shared"}, fusion={"kind": "concat"})
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def matches(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether two samples have the same spread and the same extremes."""
    ours, theirs = ours.detach(), theirs.detach()
    return math.isclose(ours.std(), theirs.std(), rel_tol=0.05) and math.isclose(
        ours.abs().max(), theirs.abs().max(), rel_tol=0.02
    )


def test_distributions_are_those_of_torchs_layers(schema) -> None:
    model = build(schema, width=256, heads=8, feed_forward=512, head={"kind": "shared"})
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(256, 8)
    linear = nn.Linear(256, 512)
    layer = model.encoder.layers[0]
    assert matches(layer.attention.in_weight, attention.in_proj_weight)
    assert matches(layer.attention.out_weight, attention.out_proj.weight)
    assert matches(layer.widen.weight, linear.weight)
    assert math.isclose(layer.widen.bias.detach().std(), linear.bias.detach().std(), rel_tol=0.15)
    assert layer.widen.bias.abs().max() <= 1 / 16
    assert model.head.track.weight.std().item() == pytest.approx(1, abs=0.15)
    for zero in (layer.attention.in_bias, layer.attention.out_bias, layer.attention_norm.bias):
        assert (zero == 0).all()
    assert (layer.attention_norm.weight == 1).all()


def test_addition_starts_from_equal_weights(schema) -> None:
    assert (build(schema, fusion={"kind": "add"}).fusion.weights_M == 0).all()


def test_a_parameter_without_a_declared_distribution_is_refused() -> None:
    class Stranger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    with pytest.raises(AssertionError, match=r"inner\.scale of Stranger"):
        initialise(nn.ModuleDict({"inner": Stranger()}), 0)
