import math
from dataclasses import fields, replace

import pytest
import torch
from sklearn import metrics as oracle

from mmcore.config import Forecast, Label
from mmcore.schema import Targets
from mmcore.training.baselines import fit_baselines
from mmcore.training.evaluation import Naive, evaluate, item_rows, score_rows
from mmcore.training.losses import component_losses, counted_targets, layout_of

COMPLETE = [True, False, True]


def outputs_for(batch, targets):
    """A predictor: noise around the truth, the same for the same batch."""
    rng = torch.Generator().manual_seed(int(batch.target_BTKP.sum() * 1000) % 2**31)
    shape = (*batch.target_BTKP.shape[:3], targets.outputs)
    return torch.randn(shape, generator=rng)


def joined(batches):
    names = [f.name for f in fields(batches[0]) if f.name != "values"]
    return replace(batches[0], **{n: torch.cat([getattr(b, n) for b in batches]) for n in names})


def rows_of(batch, chosen):
    names = [f.name for f in fields(batch) if f.name != "values"]
    return replace(batch, **{n: getattr(batch, n)[chosen] for n in names})


@pytest.fixture
def scored(targets, make_batch):
    batches = [make_batch(targets, B=4 + s, seed=s) for s in range(3)]
    deviation = torch.tensor([1.0, 1.0, 2.0, 10.0, 100.0, 0.5])
    baselines = fit_baselines([make_batch(targets, seed=9)], targets, Forecast())
    predictors = {None: lambda b: outputs_for(b, targets), **{b.name: b.predict for b in baselines}}
    tallies = evaluate(predictors, batches, targets, COMPLETE, deviation)
    return batches, deviation, baselines, tallies


def value(rows, metric, component=None, parameter=None, items="all", baseline=None):
    found = [
        s.value
        for s in rows
        if (s.metric, s.component, s.parameter, s.items, s.baseline) == (metric, component, parameter, items, baseline)
    ]
    assert len(found) == 1, (metric, component, parameter, items, baseline)
    return found[0]


@pytest.mark.parametrize("items", ["all", "complete"])
def test_scores_are_those_of_the_whole_split_at_once(targets, scored, items):
    """Sum over count over all batches, not a mean of batch means; classes against sklearn."""
    batches, deviation, baselines, tallies = scored
    rows = score_rows("test", tallies[None], Naive(baselines, tallies))
    outputs = torch.cat([outputs_for(b, targets) for b in batches])
    batch = joined(batches)
    if items == "complete":
        chosen = torch.tensor(COMPLETE)[batch.item_B]
        batch, outputs = rows_of(batch, chosen), outputs[chosen]
    expected = component_losses(outputs.double(), batch, targets)
    for component, loss in expected.items():
        assert value(rows, "loss", component, items=items) == pytest.approx(float(loss), rel=1e-6)
    assert value(rows, "loss", items=items) == pytest.approx(float(sum(expected.values())), rel=1e-6)

    counted, layout = counted_targets(batch, layout_of(targets)), layout_of(targets)
    active, asset = counted[..., 0], counted[..., 1]
    true, logit = batch.target_BTKP[..., 0][active], (outputs[..., 1] - outputs[..., 0])[active]
    assert value(rows, "f1", "active", items=items) == pytest.approx(oracle.f1_score(true, logit > 0))
    assert value(rows, "average_precision", "active", items=items) == pytest.approx(
        oracle.average_precision_score(true, logit), abs=1e-3
    )
    true, predicted = batch.target_BTKP[..., 1][asset], outputs[..., 2:6].argmax(-1)[asset]
    for metric, reference in [
        ("accuracy", oracle.accuracy_score(true, predicted)),
        ("balanced_accuracy", oracle.balanced_accuracy_score(true, predicted)),
        ("macro_f1", oracle.f1_score(true, predicted, average="macro")),
    ]:
        assert value(rows, metric, "asset", items=items) == pytest.approx(reference)
        whole = (reference + value(rows, metric, "active", items=items)) / 2
        assert value(rows, metric, items=items) == pytest.approx(whole)
    for p, name, component in [(2, "scale", "scale"), (3, "x", "position"), (4, "y", "position"), (5, "free", "free")]:
        error = (outputs[..., layout.first[p]] - batch.target_BTKP[..., p]).abs()[counted[..., p]]
        assert value(rows, "mae", component, name, items=items) == pytest.approx(float(error.mean() * deviation[p]))
    assert value(rows, "mae", "scale", items=items) == value(rows, "mae", "scale", "scale", items=items)
    assert not [s for s in rows if s.metric == "mae" and s.component == "position" and s.parameter is None]


def test_skill_is_measured_against_the_better_baseline_of_each_component(targets, scored):
    _, _, baselines, tallies = scored
    rows = score_rows("validation", tallies[None], Naive(baselines, tallies))
    skills = []
    for component in targets.components:
        naive = min(value(rows, "loss", component, baseline=b.name) for b in baselines)
        loss = value(rows, "loss", component)
        skills.append(1 - loss / naive if loss <= naive else naive / loss - 1)
        assert value(rows, "skill", component) == pytest.approx(skills[-1])
        assert value(rows, "relative_skill", component) == pytest.approx(1 - loss / naive)
        assert max(value(rows, "skill", component, baseline=b.name) for b in baselines) == 0.0
    assert value(rows, "skill") == pytest.approx(sum(skills) / len(skills))


def test_model_and_baselines_have_the_same_rows(scored):
    _, _, baselines, tallies = scored
    rows = score_rows("test", tallies[None], Naive(baselines, tallies))
    keys = {
        name: [(s.items, s.metric, s.component, s.parameter) for s in rows if s.baseline == name]
        for name in (None, "persistence", "constant")
    }
    assert keys[None] == keys["persistence"] == keys["constant"]
    assert len(keys[None]) == len(set(keys[None]))


def test_item_losses_add_up_to_the_split(targets, scored):
    _, _, baselines, tallies = scored
    naive = Naive(baselines, tallies)
    rows = item_rows([0, 1, 2], "abc", "xyy", tallies[None], naive)
    assert [(r.item, r.group, r.complete) for r in rows[:: len(targets.components)]] == [
        ("a", "x", True), ("b", "y", False), ("c", "y", True)
    ]  # fmt: skip
    scale = [r for r in rows if r.component == "scale"]
    total = sum(r.loss * r.count for r in scale) / sum(r.count for r in scale)
    assert total == pytest.approx(tallies[None].component_losses()["scale"])
    total = sum(r.naive_loss * r.count for r in scale) / sum(r.count for r in scale)
    assert total == pytest.approx(naive.losses()["scale"])


def test_no_complete_item_gives_nan_and_a_target_that_never_varies_has_no_skill(targets, make_batch):
    batch = make_batch(targets, valid=1.0)
    still = batch.target_BTKP.clone()
    still[..., 5] = 0.0
    batch = replace(batch, target_BTKP=still)
    baselines = fit_baselines([batch], targets, Forecast())
    predictors = {None: lambda b: outputs_for(b, targets), **{b.name: b.predict for b in baselines}}
    tallies = evaluate(predictors, [batch], targets, [False] * 3, torch.ones(6))
    rows = score_rows("test", tallies[None], Naive(baselines, tallies))
    assert math.isnan(value(rows, "skill", "free"))
    assert math.isfinite(value(rows, "skill"))
    assert all(math.isnan(s.value) for s in rows if s.items == "complete")


LABELS = Targets.model_validate(
    {
        "from": "labels",
        "scope": "item",
        "parameters": [
            {"name": "exercise", "kind": "categorical", "classes": 3, "component": "exercise"},
            {"name": "hard", "kind": "binary", "component": "hard"},
            {"name": "weight", "component": "weight"},
        ],
    }
)


def test_windows_of_an_item_vote_and_each_item_is_scored_once(make_batch):
    batches = [make_batch(LABELS, B=5, T=4, seed=s, valid=1.0) for s in range(2)]
    by_item = batches[0].target_BTKP[:3]
    batches = [replace(b, target_BTKP=by_item[b.item_B]) for b in batches]
    tally = evaluate({None: lambda b: outputs_for(b, LABELS)}, batches, LABELS, COMPLETE, torch.ones(3))[None]
    outputs, items = (
        torch.cat([outputs_for(b, LABELS) for b in batches]).double(),
        torch.cat([b.item_B for b in batches]),
    )
    loss = 0.0
    for item in range(3):
        mean = outputs[items == item][:, 0, 0, :3].softmax(-1).mean(0)
        loss -= math.log(mean[int(by_item[item, 0, 0, 0])])
    assert tally.component_losses()["exercise"] == pytest.approx(loss / 3)
    errors = [(outputs[items == i][:, 0, 0, 5].mean() - by_item[i, 0, 0, 2]).item() ** 2 for i in range(3)]
    assert tally.component_losses()["weight"] == pytest.approx(sum(errors) / 3)
    assert tally.confusion(0).sum() == 3
    assert tally.item_counts(1) == {"exercise": 1, "hard": 1, "weight": 1}


def test_a_vote_of_certain_windows_that_are_wrong_stays_finite(make_batch):
    batch = make_batch(LABELS, valid=1.0)

    def certain(b):
        outputs = torch.full((*b.target_BTKP.shape[:3], LABELS.outputs), -1e4)
        outputs[..., [(int(b.target_BTKP[0, 0, 0, 0]) + 1) % 3, 4]] = 1e4
        return outputs

    tally = evaluate({None: certain}, [rows_of(batch, [0])], LABELS, COMPLETE, torch.ones(3))[None]
    assert math.isfinite(tally.component_losses()["exercise"])
    assert tally.component_losses()["exercise"] > 100


def test_the_majority_has_classes_but_no_cross_entropy(make_batch):
    batch = make_batch(LABELS, B=3, valid=1.0)
    baselines = fit_baselines([batch], LABELS, Label())
    tallies = evaluate({b.name: b.predict for b in baselines}, [batch], LABELS, COMPLETE, torch.ones(3))
    rows = score_rows("test", tallies["prior"], Naive(baselines, tallies))
    assert math.isnan(value(rows, "loss", "exercise", baseline="majority"))
    assert math.isnan(value(rows, "loss", baseline="majority"))
    assert math.isnan(value(rows, "skill", baseline="majority"))
    assert value(rows, "accuracy", "exercise", baseline="majority") >= 1 / 3
    assert value(rows, "skill", baseline="prior") == 0.0
