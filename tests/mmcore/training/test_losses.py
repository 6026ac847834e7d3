import math
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from mmcore.errors import ShapeError
from mmcore.schema import Targets
from mmcore.training.losses import (
    component_losses,
    counted_targets,
    layout_of,
    parameter_losses,
    row_losses,
)


def naive_losses(outputs_BTKO, batch, targets):
    """The definition, one target at a time."""
    names = [p.name for p in targets.parameters]
    losses = dict.fromkeys(targets.components, 0.0)
    first = 0
    for i, p in enumerate(targets.parameters):
        total, count = 0.0, 0
        for index in torch.cartesian_prod(*(torch.arange(n) for n in batch.target_BTKP.shape[:3])).tolist():
            b, t, k = index
            if not batch.target_valid_BTKP[b, t, k, i]:
                continue
            if p.when is not None:
                g = names.index(p.when)
                if not batch.target_valid_BTKP[b, t, k, g] or batch.target_BTKP[b, t, k, g] != 1:
                    continue
            out, truth = outputs_BTKO[b, t, k, first : first + p.outputs], batch.target_BTKP[b, t, k, i]
            if p.kind == "continuous":
                total += float((out[0] - truth) ** 2)
            else:
                total += float(-F.log_softmax(out, -1)[int(truth)])
            count += 1
        losses[p.component] += total / count if count else 0.0
        first += p.outputs
    return losses


@pytest.mark.parametrize("seed", range(4))
def test_components_equal_their_definition(targets, make_batch, seed):
    batch = make_batch(targets, seed=seed)
    outputs = torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, dtype=torch.float64) * 3
    found = component_losses(outputs, batch, targets)
    expected = naive_losses(outputs, batch, targets)
    assert list(found) == ["active", "asset", "scale", "position", "free"]
    assert {k: float(v) for k, v in found.items()} == pytest.approx(expected, rel=1e-9)


def test_parameters_out_of_kind_order_keep_their_places(make_batch):
    mixed = Targets.model_validate(
        {
            "from": "t",
            "parameters": [
                {"name": "a", "component": "a"},
                {"name": "on", "kind": "binary", "component": "on"},
                {"name": "b", "component": "b", "when": "on"},
                {"name": "c", "kind": "categorical", "classes": 3, "component": "c", "when": "lit"},
                {"name": "lit", "kind": "binary", "component": "lit"},
            ],
        }
    )
    batch = make_batch(mixed, B=3, T=5)
    outputs = torch.randn(3, 5, 1, mixed.outputs, dtype=torch.float64)
    found = {k: float(v) for k, v in component_losses(outputs, batch, mixed).items()}
    assert found == pytest.approx(naive_losses(outputs, batch, mixed), rel=1e-9)


def test_nothing_counted_is_exactly_zero_with_zero_gradient(targets, make_batch):
    batch = make_batch(targets, valid=0.0)
    outputs = torch.full((*batch.target_BTKP.shape[:3], targets.outputs), math.nan, requires_grad=True)
    losses = component_losses(outputs, batch, targets)
    assert all(loss.item() == 0.0 for loss in losses.values())
    torch.stack([*losses.values()]).sum().backward()
    assert torch.equal(outputs.grad, torch.zeros_like(outputs))


def test_outputs_that_do_not_count_touch_neither_loss_nor_gradient(targets, make_batch):
    batch = make_batch(targets)
    layout = layout_of(targets)
    owner_O = torch.tensor([p for p, q in enumerate(targets.parameters) for _ in range(q.outputs)])
    counted_BTKO = counted_targets(batch, layout)[..., owner_O]
    clean = torch.randn(counted_BTKO.shape)
    broken = clean.masked_fill(~counted_BTKO, math.inf)
    gradients = []
    for outputs in (clean.requires_grad_(), broken.requires_grad_()):
        torch.stack([*component_losses(outputs, batch, targets).values()]).sum().backward()
        gradients.append(outputs.grad)
    assert torch.equal(*gradients)
    assert torch.equal(gradients[0][~counted_BTKO], torch.zeros(int((~counted_BTKO).sum())))
    assert gradients[0][counted_BTKO].abs().min() > 0


def test_when_of_an_unknown_binary_parameter_does_not_count(targets, make_batch):
    batch = make_batch(targets, valid=1.0)
    batch = replace(batch, target_BTKP=torch.ones_like(batch.target_BTKP))
    unknown = batch.target_valid_BTKP.clone()
    unknown[..., 0] = False
    counted = counted_targets(replace(batch, target_valid_BTKP=unknown), layout_of(targets))
    assert counted_targets(batch, layout_of(targets)).all()
    assert not counted[..., :5].any()
    assert counted[..., 5].all()


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_sums_and_counts_stream(targets, make_batch, cut):
    batch, layout = make_batch(targets, seed=cut), layout_of(targets)
    outputs = torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, dtype=torch.float64)
    sums, counts = row_losses(outputs, batch, layout)

    def part(rows):
        moved = {f.name: getattr(batch, f.name)[rows] for f in fields(batch) if f.name != "values"}
        return row_losses(outputs[rows], replace(batch, **moved), layout)

    one, two = part(slice(None, cut)), part(slice(cut, None))
    assert torch.equal(torch.cat([one[0], two[0]]), sums)
    assert torch.equal(torch.cat([one[1], two[1]]), counts)
    whole = parameter_losses(sums.sum(0), counts.sum(0))
    assert torch.allclose(whole, parameter_losses(one[0].sum(0) + two[0].sum(0), one[1].sum(0) + two[1].sum(0)))


def test_outputs_of_another_shape_are_refused(targets, make_batch):
    batch = make_batch(targets)
    with pytest.raises(ShapeError, match=r"outputs_BTKO must be \(B, T, K, O\) = \(4, 7, 3, 10\)"):
        component_losses(torch.zeros(4, 7, 3, 9), batch, targets)
