"""Gates are judged where they have a choice, by values that are known here."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.config import DataConfig, Forecast, ModelConfig
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.facts import GateUse
from mmcore.model.build import build_model
from mmcore.probes.gates.saturation import OPEN, SHUT, gate_columns, probe_saturation

SMALL = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32}


@pytest.fixture
def batch(prepared):
    """Windows of items 0 (no noise), 1 (no speech) and 2 (all)."""
    names, normaliser = ("speech", "noise", "track"), fit_normaliser(prepared, range(12))
    return next(Loader(prepared, normaliser, DataConfig(), Forecast(), names, range(3), 8).batches())


def built(prepared, fusion="gated", **model):
    return build_model(ModelConfig(**SMALL, fusion={"kind": fusion}, **model), prepared.schema, True, 0, 100)


def stuck(model, biases):
    """Every gate at one value, whatever it reads."""
    with torch.no_grad():
        for gate, bias in zip(model.fusion.gates.values(), biases, strict=True):
            gate.weight.zero_()
            gate.bias.fill_(bias)
    return model


def logit(p):
    return math.log(p / (1 - p))


def test_gates_stuck_open_or_shut_are_counted_and_others_are_not(prepared, batch):
    model = stuck(built(prepared), [logit(OPEN) + 0.01, logit(SHUT) - 0.01, 0.0])
    found = probe_saturation(model, batch)
    assert {name: gate.saturated for name, gate in found.items()} == {"speech": 1.0, "noise": 1.0, "track": 0.0}
    assert found["speech"].mean == pytest.approx(OPEN, abs=1e-3)
    assert found["noise"].mean == pytest.approx(SHUT, abs=1e-3)
    assert found["track"].mean == 0.5
    inside = stuck(model, [logit(OPEN) - 0.01, logit(SHUT) + 0.01, 1.0])
    assert {gate.saturated for gate in probe_saturation(inside, batch).values()} == {0.0}


def test_the_share_is_one_of_values(prepared, batch):
    model = stuck(built(prepared), [0.0, 0.0, 0.0])
    with torch.no_grad():
        list(model.fusion.gates.values())[2].bias[:4] = 9.0
    assert probe_saturation(model, batch)["track"].saturated == 4 / 16


def test_a_gate_without_a_choice_says_nothing(prepared, batch):
    """Of gates with a sum of 1, one that is alone is 1 because it must be."""
    alone = batch.present_BTM.clone()
    alone[..., :2] = False
    model = built(prepared, "gated_softmax")
    assert probe_saturation(model, replace(batch, present_BTM=alone)) == {}
    some = batch.present_BTM.clone()
    some[0, :, 0] = False  # with noise gone as well, item 0 has its tracks alone
    found = probe_saturation(model, replace(batch, present_BTM=some))
    assert max(gate.saturated for gate in found.values()) == 0.0


def test_a_modality_that_is_never_there_has_no_gate(prepared, batch):
    present = batch.present_BTM.clone()
    present[..., 1] = False
    assert set(probe_saturation(built(prepared), replace(batch, present_BTM=present))) == {"speech", "track"}


@pytest.mark.parametrize("model", [{"fusion": "concat"}, {"modalities": ("track",)}, {"fusion": "cross_modal"}])
def test_without_gates_there_is_nothing_to_tell(prepared, batch, model):
    assert probe_saturation(built(prepared, **model), batch) == {}


def test_the_model_and_its_windows_are_left_as_they_are(prepared, batch):
    model = built(prepared)
    before = [p.detach().clone() for p in model.parameters()], {k: v.clone() for k, v in batch.values.items()}
    found = probe_saturation(model, batch)
    assert probe_saturation(model, batch) == found
    assert all(torch.equal(a, b) for a, b in zip(before[0], model.parameters(), strict=True))
    assert all(torch.equal(v, batch.values[k]) for k, v in before[1].items())
    assert all(isinstance(value, float) for gate in found.values() for value in (gate.mean, gate.saturated))
    assert not any(np.isnan(value) for gate in found.values() for value in (gate.mean, gate.saturated))


def test_columns_name_each_gate_once():
    assert gate_columns({"a": GateUse(0.5, 0.25)}) == {"gate/a": 0.5, "gate_saturated/a": 0.25}
    assert gate_columns({}) == {}


@pytest.mark.parametrize("fusion", ["gated", "hierarchical", "concat"])
def test_gates_without_an_encoder_are_those_of_a_whole_pass(prepared, batch, fusion):
    from mmcore.trace import Trace

    model, whole = built(prepared, fusion), Trace()
    with torch.no_grad():
        model(batch, None, whole)
    there = whole.arrays["present"].sum(-1) >= 2
    found = probe_saturation(model, batch)
    gates = {name.partition("/")[2]: g for name, g in whole.arrays.items() if name.startswith("gates/")}
    assert set(found) == set(gates)
    for name, gate in gates.items():
        assert found[name].mean == pytest.approx(float(np.nanmean(gate[there])), abs=1e-6)
