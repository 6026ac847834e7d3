import math
from dataclasses import replace

import pytest
import torch

from mmcore.batch import Batch
from mmcore.config import Forecast, Label, Reconstruct
from mmcore.schema import Targets
from mmcore.training.baselines import baseline_names, fit_baselines
from mmcore.training.losses import component_losses, counted_targets, layout_of


def fitted(batches, targets, task=None):
    return {b.name: b for b in fit_baselines(batches, targets, task or Forecast())}


def test_constant_predicts_the_mean_and_the_smoothed_prior_of_each_track(targets, make_batch):
    batches = [make_batch(targets, seed=s) for s in range(3)]
    constant = fitted(batches, targets)["constant"]
    layout = layout_of(targets)
    target = torch.cat([b.target_BTKP for b in batches])
    counted = torch.cat([counted_targets(b, layout) for b in batches])
    outputs = constant.predict(batches[0])
    for k in range(targets.tracks):
        scale = target[:, :, k, 2][counted[:, :, k, 2]]
        assert outputs[0, 0, k, layout.first[2]].item() == pytest.approx(scale.mean().item(), abs=1e-6)
        codes = target[:, :, k, 1][counted[:, :, k, 1]].long()
        prior = (torch.bincount(codes, minlength=4) + 1) / (len(codes) + 4)
        assert torch.allclose(outputs[0, 0, k, 2:6].exp(), prior, atol=1e-6)
    assert torch.equal(outputs, outputs[:1, :1].expand_as(outputs))


def test_persistence_repeats_values_and_knows_what_follows_a_class(targets, make_batch):
    batches = [make_batch(targets, seed=s) for s in range(3)]
    baselines = fitted(batches, targets)
    batch, layout = batches[1], layout_of(targets)
    outputs, constant = baselines["persistence"].predict(batch), baselines["constant"].predict(batch)
    known = batch.previous_valid_BTKP
    x = outputs[..., layout.first[3]]
    assert torch.equal(x[known[..., 3]], batch.previous_BTKP[..., 3][known[..., 3]])
    assert torch.equal(x[~known[..., 3]], constant[..., layout.first[3]][~known[..., 3]])

    previous = torch.cat([b.previous_BTKP for b in batches])[..., 1].long()
    target = torch.cat([b.target_BTKP for b in batches])[..., 1].long()
    usable = torch.cat([counted_targets(b, layout) & b.previous_valid_BTKP for b in batches])[..., 1]
    for k, before in [(0, 0), (1, 2), (2, 3)]:
        chosen = usable[:, :, k] & (previous[:, :, k] == before)
        after = torch.bincount(target[:, :, k][chosen], minlength=4)
        here = known[:, :, k, 1] & (batch.previous_BTKP[:, :, k, 1] == before)
        expected = (after + 1) / (after.sum() + 4)
        assert torch.allclose(outputs[:, :, k, 2:6][here].exp(), expected, atol=1e-6)
    assert torch.equal(outputs[..., 2:6][~known[..., 1]], constant[..., 2:6][~known[..., 1]])


def test_a_class_that_always_persists_is_predicted_so():
    targets = Targets.model_validate({"from": "t", "parameters": [{"name": "on", "kind": "binary", "component": "on"}]})
    batch = _handmade(targets)
    batch = replace(
        batch, previous_BTKP=batch.target_BTKP, previous_valid_BTKP=torch.ones_like(batch.target_valid_BTKP)
    )
    persistence = fitted([batch] * 50, targets)["persistence"]
    assert torch.equal(persistence.predict(batch).argmax(-1), batch.target_BTKP[..., 0].long())


def test_a_track_that_never_counts_takes_the_mean_of_all_tracks(targets, make_batch):
    batch = make_batch(targets, valid=1.0)
    valid = batch.target_valid_BTKP.clone()
    valid[:, :, 1] = False
    batch = replace(batch, target_valid_BTKP=valid)
    constant = fitted([batch], targets)["constant"]
    assert constant.mean_KP[1, 5].item() == pytest.approx(batch.target_BTKP[:, :, [0, 2], 5].mean().item(), abs=1e-6)
    nothing = fitted([make_batch(targets, valid=0.0)], targets)
    for baseline in nothing.values():
        assert torch.isfinite(baseline.predict(batch)).all()
        assert baseline.mean_KP.abs().max() == 0


def test_fitting_streams(targets, make_batch):
    """Batches one by one give what they give together."""
    a, b = make_batch(targets, seed=1), make_batch(targets, seed=2)
    both = replace(a, **{n: torch.cat([getattr(a, n), getattr(b, n)]) for n in vars(a) if n != "values"})
    for one, other in zip(
        fit_baselines([a, b], targets, Forecast()), fit_baselines([both], targets, Forecast()), strict=True
    ):
        assert torch.allclose(one.predict(a), other.predict(a), atol=1e-6)


LABELS = {
    "from": "labels",
    "scope": "item",
    "parameters": [{"name": "exercise", "kind": "categorical", "classes": 3, "component": "exercise"}],
}


def test_labels_have_majority_and_prior_and_count_each_item_once(make_batch):
    targets = Targets.model_validate(LABELS)
    batch = make_batch(targets, B=6, valid=1.0)
    batch = replace(
        batch,
        item_B=torch.tensor([0, 0, 0, 0, 1, 2]),
        target_BTKP=torch.tensor([0.0, 0, 0, 0, 2, 2]).view(6, 1, 1, 1),
        previous_valid_BTKP=torch.zeros(6, 1, 1, 1, dtype=torch.bool),
    )
    baselines = fitted([batch, batch], targets, Label())
    assert list(baselines) == ["majority", "prior"]
    prior = baselines["prior"].predict(batch)[0, 0, 0].exp()
    assert torch.allclose(prior, torch.tensor([2.0, 1, 3]) / 6)
    assert baselines["majority"].predict(batch).argmax(-1).unique().tolist() == [2]
    assert not baselines["majority"].has_class_loss


def test_names_by_task(targets):
    numbers = Targets.model_validate({"from": "t", "parameters": [{"name": "x", "component": "x"}]})
    assert baseline_names(targets, Forecast()) == baseline_names(targets, Reconstruct()) == ("persistence", "constant")
    assert baseline_names(targets, Label()) == ("majority", "prior")
    assert baseline_names(numbers, Label()) == ("constant",)


def test_the_prior_of_a_fair_coin_costs_the_logarithm_of_two():
    targets = Targets.model_validate({"from": "t", "parameters": [{"name": "on", "kind": "binary", "component": "on"}]})
    batch = _handmade(targets)
    constant = fitted([batch], targets)["constant"]
    loss = component_losses(constant.predict(batch), batch, targets)["on"]
    assert float(loss) == pytest.approx(math.log(2), abs=1e-6)


def _handmade(targets):
    target = torch.tensor([0.0, 1.0] * 4).view(1, 8, 1, 1)
    mask = torch.ones(1, 8, 1, 1, dtype=torch.bool)
    return Batch(
        values={},
        present_BTM=torch.zeros(1, 8, 0, dtype=torch.bool),
        valid_BT=torch.ones(1, 8, dtype=torch.bool),
        target_BTKP=target,
        target_valid_BTKP=mask,
        previous_BTKP=torch.zeros_like(target),
        previous_valid_BTKP=~mask,
        item_B=torch.zeros(1, dtype=torch.int64),
        start_B=torch.zeros(1, dtype=torch.int64),
    )
