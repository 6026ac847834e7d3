"""What every way of fusing promises. A new fusion joins with one class of one line and inherits every promise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from contracts.model_contract import FEATURES, SCHEMA, B, FusionContract, T, make_batch, streams_of, variant  # noqa: F401 a fixture
from torch import Tensor

from mmcore.model.embedding import key_of
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.decision import DecisionFusion
from mmcore.model.fusion.gated import GatedFusion
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.trace import Trace


class TestGated(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "gated"}}

    def test_gates_are_shown_where_something_passes(self, model: MultimodalModel) -> None:
        batch, trace = make_batch(), Trace()
        model(batch, trace=trace)
        usable_BTM = batch.valid_BT[..., None].expand_as(batch.present_BTM)
        if not model.embedding.absent:
            usable_BTM = usable_BTM & batch.present_BTM
        for m, name in enumerate(FEATURES):
            gates_BTD = torch.from_numpy(trace.arrays[f"gates/{name}"])
            shown = gates_BTD[usable_BTM[..., m]]
            assert ((shown > 0) & (shown < 1)).all()
            assert gates_BTD[~usable_BTM[..., m]].isnan().all()

    def test_the_formula(self) -> None:
        fusion, embedded = GatedFusion(tuple(FEATURES), 16), list(torch.randn(3, B, T, 16))
        p = fusion.state_dict()
        wanted = torch.zeros(B, T, 16)
        for name, e_BTD in zip(FEATURES, embedded, strict=True):
            key = f"gates.{key_of(name)}"
            wanted += torch.sigmoid(e_BTD @ p[f"{key}.weight"].T + p[f"{key}.bias"]) * e_BTD
        torch.testing.assert_close(fusion(streams_of(embedded)), wanted)


class TestConcat(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "concat"}}

    def test_the_formula(self) -> None:
        fusion, embedded = ConcatFusion(tuple(FEATURES), 16), list(torch.randn(3, B, T, 16))
        blocks = fusion.mix.weight.split(16, dim=1)
        wanted = fusion.mix.bias.expand(B, T, 16)
        for block, e_BTD in zip(blocks, embedded, strict=True):
            wanted = wanted + e_BTD @ block.T
        torch.testing.assert_close(fusion(streams_of(embedded)), wanted, atol=1e-5, rtol=1e-5)


class TestAdd(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "add"}}

    def test_the_formula_and_its_weights(self) -> None:
        fusion, embedded, trace = AddFusion(tuple(FEATURES)), list(torch.randn(3, B, T, 16)), Trace()
        with torch.no_grad():
            fusion.weights_M.copy_(torch.tensor([0.0, 1.0, -2.0]))
        found = fusion(streams_of(embedded), trace=trace)
        shares = [math.exp(w) / (1 + math.e + math.exp(-2)) for w in (0, 1, -2)]
        assert trace.arrays["weights"].tolist() == pytest.approx(shares)
        torch.testing.assert_close(found, shares[0] * embedded[0] + shares[1] * embedded[1] + shares[2] * embedded[2])


class TestCustomFusion(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "custom", "class": "contracts.own_contract_parts:Product"}}


class TestDecision(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "decision"}}

    K, SHARES = 2, torch.tensor([[0.2, 0.6], [0.5, 0.1], [0.3, 0.3]])

    def fusion(self) -> DecisionFusion:
        fusion = DecisionFusion(tuple(FEATURES), SCHEMA.targets)
        with torch.no_grad():
            fusion.weights_MP.copy_(self.SHARES.log() + 4.0)
        return fusion

    def outputs(self) -> list[Tensor]:
        """Two logits of a binary parameter and a value, per track."""
        return list(torch.randn(len(FEATURES), B, T, self.K, 3, generator=torch.Generator().manual_seed(0)) * 3)

    def test_values_and_probabilities_are_convex_combinations_over_what_is_there(self) -> None:
        outputs, trace = self.outputs(), Trace()
        usable_BTM = torch.rand(B, T, 3, generator=torch.Generator().manual_seed(1)) < 0.6
        found = self.fusion()(outputs, usable_BTM, trace)
        shown = torch.from_numpy(trace.arrays["modality_weights"])
        torch.testing.assert_close(torch.from_numpy(trace.arrays["weights"]), self.SHARES)
        for b in range(B):
            for t in range(T):
                there = [m for m in range(3) if usable_BTM[b, t, m]] or [0, 1, 2]
                active_total, x_total = sum(self.SHARES[m] for m in there)
                value, p = torch.zeros(self.K), torch.zeros(self.K, 2)
                for m in range(3):
                    active, x = self.SHARES[m] if m in there else torch.zeros(2)
                    torch.testing.assert_close(shown[b, t, m], torch.stack((active / active_total, x / x_total)))
                    p += active / active_total * outputs[m][b, t, :, :2].softmax(-1)
                    value += x / x_total * outputs[m][b, t, :, 2]
                torch.testing.assert_close(found[b, t, :, 2], value, atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(found[b, t, :, :2].exp(), p, atol=1e-6, rtol=1e-5)
        # The scale of a modality's logits is its own affair: only its probabilities count.
        shifted = [y + torch.tensor([m + 1.0, m + 1.0, 0.0]) for m, y in enumerate(outputs)]
        torch.testing.assert_close(self.fusion()(shifted, usable_BTM), found, atol=1e-5, rtol=1e-5)

    def test_sure_predictions_stay_finite_in_value_and_gradient(self) -> None:
        outputs = [(y * 1e4).requires_grad_() for y in self.outputs()]
        fusion = self.fusion()
        found = fusion(outputs, torch.ones(B, T, 3, dtype=torch.bool))
        found.sum().backward()
        for x in (found, fusion.weights_MP.grad, *(y.grad for y in outputs)):
            assert x is not None
            assert torch.isfinite(x).all()

    def test_a_modality_that_takes_no_part_gets_no_gradient_and_has_no_say(self) -> None:
        outputs = [y.requires_grad_() for y in self.outputs()]
        usable_BTM = torch.ones(B, T, 3, dtype=torch.bool)
        usable_BTM[0, :, 1] = False
        fusion = self.fusion()
        wanted = fusion(outputs, usable_BTM)
        wanted.square().sum().backward()
        assert outputs[1].grad is not None
        assert (outputs[1].grad[0] == 0).all()
        assert (outputs[1].grad[1:] != 0).any()
        garbage = [y.detach().clone() for y in outputs]
        garbage[1][0] = torch.inf
        assert torch.equal(fusion(garbage, usable_BTM), wanted)

    def test_the_order_of_the_parameters_is_kept(self) -> None:
        parameters = [
            {"name": "x", "component": "position"},
            {"name": "asset", "kind": "categorical", "classes": 3, "component": "asset"},
            {"name": "y", "component": "position"},
            {"name": "active", "kind": "binary", "component": "active"},
            {"name": "z", "component": "position"},
        ]
        targets = Targets.model_validate({"from": "labels", "tracks": 1, "parameters": parameters})
        fusion = DecisionFusion(("a", "b"), targets)
        with torch.no_grad():
            fusion.weights_MP.zero_()
        one, two = torch.randn(2, 1, 1, 1, 8)
        found = fusion([one, two], torch.ones(1, 1, 2, dtype=torch.bool)).flatten()
        one, two = one.flatten(), two.flatten()
        for at in (0, 4, 7):
            torch.testing.assert_close(found[at], (one[at] + two[at]) / 2)
        for span in (slice(1, 4), slice(5, 7)):
            torch.testing.assert_close(found[span].exp(), (one[span].softmax(0) + two[span].softmax(0)) / 2)

    def test_no_modality_sees_another_before_the_predictions(self, model: MultimodalModel) -> None:
        batch = replace(make_batch(), present_BTM=torch.ones(B, T, 3, dtype=torch.bool))
        assert isinstance(model.fusion, DecisionFusion)
        outputs: list[Tensor] = []
        model.head.register_forward_hook(lambda module, arguments, result: outputs.extend(result))
        model(batch)
        before = list(outputs)
        outputs.clear()
        changed = dict(batch.values)
        changed["visual"] = changed["visual"] + 1.0
        model(replace(batch, values=changed))
        for name, was, now in zip(FEATURES, before, outputs, strict=True):
            assert torch.equal(was, now) == (name != "visual")
