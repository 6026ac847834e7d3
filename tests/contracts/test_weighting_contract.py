"""Every way of weighing loss components. A new one joins with one class and inherits every promise."""

from typing import ClassVar

import torch
from contracts.weighting_contract import START, TARGETS, WeightingContract


class TestFixed(WeightingContract):
    made_of: ClassVar = {"kind": "fixed"}
    told: ClassVar = False

    def test_equal_weights_are_exactly_one(self) -> None:
        for weight in (0.1, 1.0, 7.0):
            training = self.training(dict.fromkeys(TARGETS.components, weight))
            assert training.step(1, 1).tolist() == [1.0] * 4


class StartsWhereAsked(WeightingContract):
    def test_it_starts_from_the_weights_asked_for(self) -> None:
        for start in START.values():
            fixed = TestFixed().training(start).step(1, 1)
            torch.testing.assert_close(self.training(start).step(1, 1), fixed)


class TestUncertainty(StartsWhereAsked):
    made_of: ClassVar = {"kind": "uncertainty"}


class TestDynamicWeightAverage(StartsWhereAsked):
    made_of: ClassVar = {"kind": "dwa"}


class TestGradNorm(StartsWhereAsked):
    made_of: ClassVar = {"kind": "gradnorm"}


class TestRandom(WeightingContract):
    made_of: ClassVar = {"kind": "random"}


class TestPCGrad(WeightingContract):
    made_of: ClassVar = {"kind": "pcgrad"}
    as_told: ClassVar = False


class TestCustomWeighting(WeightingContract):
    made_of: ClassVar = {"kind": "custom", "class": "contracts.own_contract_parts:Inverse"}
