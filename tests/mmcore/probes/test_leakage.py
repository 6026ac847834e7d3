"""The probe finds what leaks, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mmcore.config import DataConfig, Forecast, Label, ModelConfig, Reconstruct
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.facts import Leakage
from mmcore.model.build import build_model
from mmcore.probes.leakage import copy_skills, forbidden_gradient, probe_leakage
from mmcore.run import run

SMALL = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32}


def windows(store, task, modalities=("speech", "noise", "track")):
    loader = Loader(store, fit_normaliser(store, range(12)), DataConfig(window=20), task, modalities, range(6), 8)
    return next(loader.batches(np.linspace(0, loader.windows - 1, 8).astype(int)))


def probe(store, task, causal=True, **model):
    config = ModelConfig(**SMALL, **model)
    built = build_model(config, store.schema, causal, 0, 20)
    batch = windows(store, task, built.modalities)
    return probe_leakage(built, batch, task, store.schema, fit_normaliser(store, range(12)))


# What lies later ---------------------------------------------------------------------------------------------------
def test_a_model_that_sees_later_steps_is_caught(prepared):
    assert probe(prepared, Forecast()).forbidden_gradient == 0.0
    assert probe(prepared, Forecast(), causal=False).forbidden_gradient > 1e-6


def test_nothing_later_is_forbidden_but_for_a_forecast(prepared):
    assert probe(prepared, Reconstruct(), causal=False).forbidden_gradient is None


class Peeping(nn.Module):
    """Reads one step ahead, in one feature of one modality, at one position only."""

    modalities = ("speech", "track")

    def __init__(self, at, slope):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(slope))
        self.at = at

    def forward(self, batch):
        seen = batch.values["track"][..., :1].clone()
        seen[:, self.at] = seen[:, self.at] + self.weight * batch.values["speech"][:, self.at + 1]
        return seen.unsqueeze(2).expand(-1, -1, 2, 6)


@pytest.mark.parametrize("slope", [1e-30, -3.0])
def test_however_little_is_read_at_a_position_that_is_asked(prepared, slope):
    batch = windows(prepared, Forecast(), ("speech", "track"))
    batch = replace(batch, present_BTM=torch.ones_like(batch.present_BTM), valid_BT=torch.ones_like(batch.valid_BT))
    # Eight windows of 20 steps are asked at positions 0, 2, 5, 7, 10, …
    assert forbidden_gradient(Peeping(5, slope), batch) == pytest.approx(abs(slope) * 18, rel=0.5)
    assert forbidden_gradient(Peeping(6, slope), batch) == 0.0


def test_nan_counts_as_a_leak(prepared):
    batch = windows(prepared, Forecast(), ("speech", "track"))
    batch = replace(batch, valid_BT=torch.ones_like(batch.valid_BT))
    assert forbidden_gradient(Peeping(5, float("nan")), batch) == torch.finfo(torch.float32).max


def test_the_model_and_the_batch_are_left_as_they_are(prepared):
    model = build_model(ModelConfig(**SMALL), prepared.schema, True, 0, 20)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = windows(prepared, Forecast())
    forbidden_gradient(model, batch)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(value.requires_grad for value in batch.values.values())


# A copy of the input -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("horizon", [1, 3])
def test_a_copy_does_not_score_in_a_forecast(prepared, horizon):
    task = Forecast(horizon=horizon)
    skills = copy_skills(windows(prepared, task), prepared.schema, fit_normaliser(prepared, range(12)))
    assert set(skills) == {"active", "asset", "position"}
    assert all(skill <= 1e-6 for skill in skills.values())
    assert probe(prepared, task).copy_skill == max(skills.values())


def test_a_copy_is_the_answer_in_a_reconstruction(prepared):
    skills = copy_skills(windows(prepared, Reconstruct()), prepared.schema, fit_normaliser(prepared, range(12)))
    assert skills == pytest.approx({"active": 1.0, "asset": 1.0, "position": 1.0})
    assert probe(prepared, Reconstruct(), causal=False).copy_skill == pytest.approx(1.0)


def test_a_loader_that_read_the_tracks_ahead_would_be_caught(prepared):
    task, normaliser = Forecast(), fit_normaliser(prepared, range(12))
    loader = Loader(prepared, normaliser, DataConfig(window=20), task, ("track",), range(6), 8)
    loader.shifts["track"] = 1
    assert max(copy_skills(next(loader.batches()), prepared.schema, normaliser).values()) == pytest.approx(1.0)


def test_who_does_not_read_the_tracks_cannot_copy_them(prepared):
    assert probe(prepared, Reconstruct(), causal=False, modalities=("speech", "noise")).copy_skill is None


# Labels, and a whole run -------------------------------------------------------------------------------------------
def test_for_labels_there_is_neither(label_corpus, tmp_path):
    store = prepare(label_corpus, DataConfig(), tmp_path)
    model = build_model(ModelConfig(**SMALL), store.schema, False, 0, 20)
    batch = windows(store, Label(), ("sensor", "idle"))
    assert probe_leakage(model, batch, Label(), store.schema, fit_normaliser(store, range(12))) == Leakage(
        None, None, 8
    )


def test_a_run_tells_what_the_probe_found(config, finished, editing_corpus, prepared, tmp_path):
    told = finished[0].leakage
    assert (told.forbidden_gradient, told.windows) == (0.0, 4)
    assert told.copy_skill <= 1e-6
    reconstruct = config(editing_corpus, task={"kind": "reconstruct"}, training__epochs=1)
    leaky = run(reconstruct, tmp_path, prepared=prepared).leakage
    assert leaky.forbidden_gradient is None
    assert leaky.copy_skill == pytest.approx(1.0)
