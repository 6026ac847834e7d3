"""Training losses beside torch's own and the papers' formulas."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mmcore.config import LossConfig
from mmcore.errors import ShapeError
from mmcore.schema import Targets
from mmcore.training.losses import component_losses, counted_targets, layout_of, parameter_losses, row_losses
from mmcore.training.objective import (
    Objective,
    balanced_weights,
    build_objective,
    class_losses,
    count_classes,
    error_losses,
)

CE = {"kind": "cross_entropy"}
LOSSES = {
    "plain": {},
    "smoothed": {"binary": CE | {"label_smoothing": 0.1}, "categorical": CE | {"label_smoothing": 0.2}},
    "focal": {
        "binary": {"kind": "focal", "gamma": 0.5, "alpha": 0.25},
        "categorical": {"kind": "focal", "label_smoothing": 0.1},
    },
    "balanced": {
        "binary": CE | {"class_weights": "balanced", "label_smoothing": 0.1},
        "categorical": {"kind": "focal", "class_weights": "balanced"},
    },
    "huber": {"continuous": {"kind": "huber", "delta": 0.5}},
    "mae": {"continuous": {"kind": "mae"}},
}


@pytest.fixture(params=list(LOSSES))
def config(request) -> LossConfig:
    return LossConfig.model_validate(LOSSES[request.param])


def outputs_for(batch, targets, dtype=torch.float64, scale=2.0):
    rng = torch.Generator().manual_seed(3)
    return torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, dtype=dtype, generator=rng) * scale


def counted_outputs(batch, targets):
    owner_O = torch.tensor([p for p, q in enumerate(targets.parameters) for _ in range(q.outputs)])
    return counted_targets(batch, layout_of(targets))[..., owner_O]


def chosen(outputs, batch, targets, name):
    """Logits (or values) and truths of one parameter's counted targets, flat."""
    p = [q.name for q in targets.parameters].index(name)
    layout = layout_of(targets)
    counted = counted_targets(batch, layout)[..., p]
    first = layout.first[p]
    logits = outputs[..., first : first + targets.parameters[p].outputs][counted]
    return p, logits, batch.target_BTKP[..., p][counted]


# Promises ----------------------------------------------------------------------------------------------------------
def test_what_does_not_count_touches_neither_loss_nor_gradient(config, targets, make_batch):
    batch = make_batch(targets)
    objective = build_objective(config, targets, [batch])
    counted_BTKO = counted_outputs(batch, targets)
    clean = outputs_for(batch, targets, torch.float32)
    found = []
    for garbage in (0.0, math.inf, -math.inf, math.nan):
        outputs = clean.masked_fill(~counted_BTKO, garbage).requires_grad_()
        losses = objective(outputs, batch)
        losses.trained_P.sum().backward()
        found.append((losses.trained_P.detach(), losses.sums_P, outputs.grad))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
    gradient = found[0][2]
    assert not gradient[~counted_BTKO].any()
    assert gradient[counted_BTKO].abs().min() > 0
    assert not found[0][1].requires_grad


def test_nothing_counted_is_exactly_zero_with_zero_gradient(config, targets, make_batch):
    batch = make_batch(targets, valid=0.0)
    outputs = torch.full((*batch.target_BTKP.shape[:3], targets.outputs), math.nan, requires_grad=True)
    losses = build_objective(config, targets, [batch])(outputs, batch)
    assert torch.equal(losses.trained_P, torch.zeros(len(targets.parameters)))
    losses.trained_P.sum().backward()
    assert torch.equal(outputs.grad, torch.zeros_like(outputs))


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_logits_keep_losses_and_gradients_finite(config, targets, make_batch, scale):
    batch = make_batch(targets)
    outputs = (outputs_for(batch, targets, torch.float32) * scale).requires_grad_()
    losses = build_objective(config, targets, [batch])(outputs, batch)
    losses.trained_P.sum().backward()
    assert losses.trained_P.isfinite().all()
    assert outputs.grad.isfinite().all()


def test_plain_columns_stay_plain_whatever_is_trained(config, targets, make_batch):
    batch = make_batch(targets)
    outputs = outputs_for(batch, targets, torch.float32)
    losses = build_objective(config, targets, [batch])(outputs, batch)
    sums_BP, counts_BP = row_losses(outputs, batch, layout_of(targets))
    assert torch.equal(losses.sums_P, sums_BP.sum(0))
    assert torch.equal(losses.counts_P, counts_BP.sum(0))
    if config == LossConfig():
        assert torch.equal(losses.trained_P, parameter_losses(losses.sums_P, losses.counts_P))
    else:
        assert not torch.allclose(losses.trained_P, parameter_losses(losses.sums_P, losses.counts_P))


def test_the_default_reads_no_training_target_and_computes_losses_once(targets, make_batch, monkeypatch):
    def unread():
        raise AssertionError("read")
        yield

    objective = build_objective(LossConfig(), targets, unread())
    monkeypatch.setattr(Objective, "_trained_sums", lambda *_: pytest.fail("a second pass"))
    batch = make_batch(targets)
    outputs = outputs_for(batch, targets, torch.float32)
    wanted = component_losses(outputs, batch, targets)
    found = objective(outputs, batch).trained_P
    assert torch.equal(found[3] + found[4], wanted["position"])


def test_a_loss_for_a_kind_that_is_not_there_changes_nothing(make_batch):
    numbers = Targets.model_validate({"from": "t", "parameters": [{"name": "a", "component": "a"}]})
    assert Objective(LossConfig.model_validate(LOSSES["focal"]), numbers).plain


def test_outputs_of_another_shape_are_refused(config, targets, make_batch):
    batch = make_batch(targets)
    with pytest.raises(ShapeError, match="outputs_BTKO must be"):
        build_objective(config, targets, [batch])(torch.zeros(4, 7, 3, 9), batch)


# Oracles -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", ["active", "asset"])
def test_cross_entropy_is_torchs(targets, make_batch, name, smoothing):
    batch, kind = make_batch(targets, seed=5), {"active": "binary", "asset": "categorical"}[name]
    outputs = outputs_for(batch, targets)
    p, logits, truth = chosen(outputs, batch, targets, name)
    weight_C = torch.rand(logits.shape[-1], dtype=torch.float64) + 0.5
    config = LossConfig.model_validate({kind: CE | {"label_smoothing": smoothing, "class_weights": "balanced"}})
    found = Objective(config, targets, {p: weight_C})(outputs, batch).trained_P[p]
    wanted = F.cross_entropy(logits, truth.long(), weight_C, label_smoothing=smoothing, reduction="none").mean()
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("gamma", "alpha"), [(0.5, 0.25), (2.0, 0.75), (5.0, 0.5), (1.0, None)])
def test_focal_of_a_binary_parameter_is_the_papers_sigmoid_formula(targets, make_batch, gamma, alpha):
    batch = make_batch(targets, seed=6)
    outputs = outputs_for(batch, targets)
    p, logits, truth = chosen(outputs, batch, targets, "active")
    z = logits[:, 1] - logits[:, 0]
    probability = torch.sigmoid(z)
    p_t = probability * truth + (1 - probability) * (1 - truth)
    wanted = F.binary_cross_entropy_with_logits(z, truth.double(), reduction="none") * (1 - p_t) ** gamma
    if alpha is not None:
        wanted = wanted * (alpha * truth + (1 - alpha) * (1 - truth))
    config = LossConfig.model_validate({"binary": {"kind": "focal", "gamma": gamma, "alpha": alpha}})
    torch.testing.assert_close(Objective(config, targets)(outputs, batch).trained_P[p], wanted.mean())


def test_focal_of_a_categorical_parameter_target_by_target(targets, make_batch):
    batch = make_batch(targets, seed=7)
    outputs = outputs_for(batch, targets)
    p, logits, truth = chosen(outputs, batch, targets, "asset")
    total = 0.0
    for row, code in zip(logits, truth.long().tolist(), strict=True):
        probability = math.exp(row[code]) / sum(math.exp(v) for v in row)
        total += -((1 - probability) ** 3) * math.log(probability)
    config = LossConfig.model_validate({"categorical": {"kind": "focal", "gamma": 3.0}})
    assert float(Objective(config, targets)(outputs, batch).trained_P[p]) == pytest.approx(total / len(truth))


def test_focal_without_focus_is_cross_entropy(targets, make_batch):
    batch = make_batch(targets)
    outputs = outputs_for(batch, targets)
    none = {"kind": "focal", "gamma": 0.0}
    found = Objective(LossConfig.model_validate({"binary": none, "categorical": none}), targets)(outputs, batch)
    torch.testing.assert_close(found.trained_P, Objective(LossConfig(), targets)(outputs, batch).trained_P)


def test_focal_slopes_match_differences_up_to_certainty():
    config = LossConfig.model_validate({"categorical": {"kind": "focal", "gamma": 0.5}}).categorical
    logits = torch.tensor([0.0, 3.0, 8.0, 30.0, 200.0], dtype=torch.float64)
    logits_BTKC = F.pad(logits[:, None, None, None], (0, 2))
    code_BTK = torch.zeros(5, 1, 1, dtype=torch.long)
    assert torch.autograd.gradcheck(
        lambda x: class_losses(x, code_BTK[:3], config), logits_BTKC[:3].clone().requires_grad_()
    )
    logits_BTKC.requires_grad_()
    class_losses(logits_BTKC, code_BTK, config).sum().backward()
    assert logits_BTKC.grad.isfinite().all()


@pytest.mark.parametrize("delta", [0.3, 1.0, 4.0])
def test_huber_and_absolute_errors_are_torchs(targets, make_batch, delta):
    batch = make_batch(targets, seed=8)
    outputs = outputs_for(batch, targets)
    for name in ("scale", "x", "free"):
        p, value, truth = chosen(outputs, batch, targets, name)
        truth = truth.double()
        huber = LossConfig.model_validate({"continuous": {"kind": "huber", "delta": delta}})
        mae = LossConfig.model_validate({"continuous": {"kind": "mae"}})
        torch.testing.assert_close(
            Objective(huber, targets)(outputs, batch).trained_P[p], F.huber_loss(value[:, 0], truth, delta=delta)
        )
        torch.testing.assert_close(Objective(mae, targets)(outputs, batch).trained_P[p], F.l1_loss(value[:, 0], truth))


def test_huber_is_half_the_squared_error_near_zero():
    error = torch.linspace(-1, 1, 9)
    huber = LossConfig.model_validate({"continuous": {"kind": "huber", "delta": 1.0}}).continuous
    torch.testing.assert_close(error_losses(error, huber), error.square() / 2)


# Class weights -----------------------------------------------------------------------------------------------------
def test_class_counts_are_those_of_counted_targets_over_all_batches(targets, make_batch):
    batches = [make_batch(targets, seed=s) for s in range(3)]
    layout = layout_of(targets)
    found = count_classes(iter(batches), layout, [0, 1])
    for p, name in ((0, "active"), (1, "asset")):
        truth = torch.cat([chosen(outputs_for(b, targets), b, targets, name)[2] for b in batches])
        assert found[p].tolist() == [float((truth == c).sum()) for c in range(layout.classes(p))]


def test_balanced_weights_by_hand_and_on_average_one():
    assert balanced_weights(torch.tensor([30.0, 10.0], dtype=torch.float64)).tolist() == pytest.approx([2 / 3, 2.0])
    count_C = torch.tensor([5.0, 0.0, 20.0, 75.0], dtype=torch.float64)
    weight_C = balanced_weights(count_C)
    assert float((weight_C * count_C).sum() / count_C.sum()) == pytest.approx(1.0)
    assert weight_C[1] == 1.0
    assert (weight_C * count_C)[count_C > 0].tolist() == pytest.approx([100 / 3] * 3)
    assert balanced_weights(torch.zeros(3, dtype=torch.float64)).tolist() == [1.0, 1.0, 1.0]


def test_balanced_classes_pull_alike(targets, make_batch):
    """With equal outputs everywhere each class has the same share of the loss, however rare it is."""
    batch = make_batch(targets, B=16, T=20)
    rng = torch.Generator().manual_seed(0)
    rare = (torch.rand(batch.target_BTKP.shape[:3], generator=rng) < 0.05).float()
    batch = replace(batch, target_BTKP=torch.cat([rare[..., None], batch.target_BTKP[..., 1:]], -1))
    objective = build_objective(
        LossConfig.model_validate({"binary": CE | {"class_weights": "balanced"}}), targets, [batch]
    )
    outputs = torch.zeros(*batch.target_BTKP.shape[:3], targets.outputs, requires_grad=True)
    objective(outputs, batch).trained_P[0].backward()
    assert outputs.grad is not None
    assert float(outputs.grad[..., :2].sum((0, 1, 2)).abs().max()) < 1e-6
