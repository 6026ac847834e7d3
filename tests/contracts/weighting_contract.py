"""What every weighting of loss components promises, on a small model with four loss components."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from contracts.model_contract import SCHEMA, B, T, make_batch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import LossConfig, ModelConfig, Plain
from mmcore.model.build import build_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import CorpusSchema, Targets
from mmcore.training.objective import Objective
from mmcore.training.weighting import Step, Weighting, build_weighting

TARGETS = Targets.model_validate(
    {
        "from": "labels",
        "tracks": 2,
        "parameters": [
            {"name": "x", "component": "position"},
            {"name": "active", "kind": "binary", "component": "active"},
            {"name": "y", "component": "position"},
            {"name": "kind", "kind": "categorical", "classes": 3, "component": "kind"},
            {"name": "size", "component": "size"},
        ],
    }
)
"""Position has two parameters that do not stand side by side."""
WEIGHTED_SCHEMA = CorpusSchema.model_validate(SCHEMA.model_dump(by_alias=True) | {"targets": TARGETS})
START: dict[str, dict[str, float]] = {
    "equal": {},
    "uneven": {"position": 3.0, "kind": 0.5},
    "one left out": {"kind": 0.0},
    "one alone": {"position": 0.0, "active": 0.0, "kind": 0.0, "size": 7.0},
}
REPEAT = 3


def step_batch(index: int, without: str | None = None) -> Batch:
    """Random targets, all of them counted but those of ``without``."""
    rng = torch.Generator().manual_seed(index)
    target = torch.randn(B, T, 2, len(TARGETS.parameters), generator=rng)
    valid = torch.ones_like(target, dtype=torch.bool)
    for p, parameter in enumerate(TARGETS.parameters):
        if parameter.kind != "continuous":
            target[..., p] = torch.randint(parameter.outputs, target.shape[:3], generator=rng).float()
        valid[..., p] = parameter.component != without
    target = target.masked_fill(~valid, 0.0)
    return replace(
        make_batch(),
        target_BTKP=target,
        target_valid_BTKP=valid,
        previous_BTKP=torch.zeros_like(target),
        previous_valid_BTKP=torch.zeros_like(valid),
    ).check()


class Training:
    """A model under a weighting, one step after the other."""

    def __init__(self, config: LossConfig, fusion: str = "gated", layers: int = 1) -> None:
        sizes: Plain = {"width": 8, "layers": layers, "heads": 2, "feed_forward": 8, "dropout": 0.0}
        model = ModelConfig.model_validate(sizes | {"fusion": {"kind": fusion}})
        self.model: MultimodalModel = build_model(model, WEIGHTED_SCHEMA, causal=False, repeat=0, window=T)
        self.objective = Objective(config, TARGETS)
        self.weighting: Weighting = build_weighting(config, TARGETS, self.model, REPEAT)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=0.01)

    def losses(self, index: int, without: str | None = None) -> tuple[Tensor, Tensor]:
        batch = step_batch(index, without)
        losses = self.objective(self.model(batch), batch)
        return losses.trained_P, losses.counts_P

    def step(self, epoch: int, index: int, without: str | None = None, louder_P: Tensor | float = 1.0) -> Tensor:
        loss_P, count_P = self.losses(10 * epoch + index, without)
        self.optimiser.zero_grad()
        used_C = self.weighting.backward(Step(loss_P * louder_P, count_P, epoch, index, 0.01))
        self.optimiser.step()
        return used_C

    def epoch(self, epoch: int, without: str | None = None, steps: int = 4) -> tuple[list[Tensor], dict[str, float]]:
        used = [self.step(epoch, index, without if index % 2 else None) for index in range(1, steps + 1)]
        return used, self.weighting.end_epoch()

    def gradients(self) -> list[Tensor]:
        return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.model.parameters()]

    def outcome(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, two[name]) for name, value in one.items())


class WeightingContract:
    """Inherit, name the weighting, and every promise is tested."""

    made_of: ClassVar[Plain]
    told: ClassVar[bool] = True
    """Whether the history tells its weights."""
    as_told: ClassVar[bool] = True
    """Whether the gradient is that of the losses under the weights told, not only in proportion to it."""

    @pytest.fixture(params=list(START))
    def start(self, request: pytest.FixtureRequest) -> dict[str, float]:
        return START[request.param]

    def config(self, start: dict[str, float]) -> LossConfig:
        return LossConfig.model_validate({"weighting": self.made_of, "weights": start})

    def training(self, start: dict[str, float] | None = None, **model: Any) -> Training:
        return Training(self.config(start or {}), **model)

    def test_weights_are_never_negative_and_of_constant_sum(self, start: dict[str, float]) -> None:
        training = self.training(start)
        active_C = torch.tensor([start.get(name, 1.0) > 0 for name in TARGETS.components])
        for epoch in (1, 2, 3, 4):
            used, told = training.epoch(epoch)
            for used_C in used:
                assert not used_C.requires_grad
                assert (used_C >= 0).all()
                assert float(used_C.sum()) == pytest.approx(float(active_C.sum()), rel=1e-5)
                assert not used_C[~active_C].any()
            means = torch.stack(used).mean(0).tolist()
            if self.told:
                assert told == pytest.approx(
                    {f"weight/{name}": mean for name, mean in zip(TARGETS.components, means, strict=True)}
                )
            else:
                assert told == {}

    def test_the_gradient_is_that_of_the_weighted_losses(self, start: dict[str, float]) -> None:
        training, plain = self.training(start), self.training(start)
        loss_P, count_P = training.losses(1)
        used_C = training.weighting.backward(Step(loss_P, count_P, 1, 1, 0.01))
        loss_P, _ = plain.losses(1)
        (plain.weighting.by_component(loss_P) * used_C).sum().backward()
        found, wanted = (torch.cat([g.flatten() for g in t.gradients()]) for t in (training, plain))
        if not self.as_told:
            found, wanted = found / found.norm(), wanted / wanted.norm()
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)

    def test_what_is_left_out_has_no_say(self) -> None:
        one, two = self.training({"kind": 0.0}), self.training({"kind": 0.0})
        louder_P = torch.tensor([1000.0 if p.component == "kind" else 1.0 for p in TARGETS.parameters])
        for epoch in (1, 2, 3, 4):
            for index in (1, 2):
                one.step(epoch, index)
                two.step(epoch, index, louder_P=louder_P)
            assert one.weighting.end_epoch() == two.weighting.end_epoch()
        assert same(one.outcome(), two.outcome())

    @pytest.mark.parametrize("without", TARGETS.components)
    def test_a_component_without_targets_breaks_nothing(self, without: str) -> None:
        training = self.training()
        for epoch in (1, 2, 3, 4):
            used, told = training.epoch(epoch, without)
            assert all(used_C.isfinite().all() for used_C in used)
            assert all(value == value for value in told.values())
            assert all(gradient.isfinite().all() for gradient in training.gradients())

    def test_a_component_that_never_has_targets_breaks_nothing(self) -> None:
        training = self.training()
        for epoch in (1, 2, 3, 4):
            for index in (1, 2):
                assert training.step(epoch, index, "size").isfinite().all()
            assert all(value == value for value in training.weighting.end_epoch().values())
        assert all(value.isfinite().all() for value in training.outcome().values())

    def test_no_target_at_all_gives_no_gradient(self) -> None:
        training = self.training()
        loss_P, _ = training.losses(1)
        used_C = training.weighting.backward(Step(loss_P * 0.0, torch.zeros(len(loss_P)), 1, 1, 0.01))
        assert used_C.isfinite().all()
        assert not any(gradient.any() for gradient in training.gradients())

    def test_the_same_steps_give_the_same_bits_whatever_the_global_generator(self) -> None:
        outcomes = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            training = self.training({"position": 2.0})
            before = torch.random.get_rng_state()
            for epoch in (1, 2, 3):
                training.epoch(epoch)
            assert torch.equal(torch.random.get_rng_state(), before)
            outcomes.append(training.outcome())
        assert same(*outcomes)

    @pytest.mark.parametrize("at", [1, 2, 3])
    def test_saved_and_loaded_goes_on_as_if_nothing_had_been(self, at: int) -> None:
        whole, cut = self.training({"active": 0.5}), self.training({"active": 0.5})
        for epoch in range(1, at + 1):
            whole.epoch(epoch)
            cut.epoch(epoch)
        file = io.BytesIO()
        torch.save(
            {"model": cut.outcome(), "adam": cut.optimiser.state_dict(), "weighting": cut.weighting.state()}, file
        )
        file.seek(0)
        saved, resumed = torch.load(file, weights_only=True), self.training({"active": 0.5})
        resumed.model.load_state_dict(saved["model"])
        resumed.optimiser.load_state_dict(saved["adam"])
        resumed.weighting.load_state(saved["weighting"])
        for epoch in range(at + 1, at + 4):
            used, told = whole.epoch(epoch)
            again, told_again = resumed.epoch(epoch)
            assert torch.equal(torch.stack(used), torch.stack(again))
            assert told == told_again
        assert same(whole.outcome(), resumed.outcome())

    @pytest.mark.parametrize("fusion", ["gated", "concat", "decision"])
    @pytest.mark.parametrize("layers", [0, 2])
    def test_it_works_on_models_of_any_build(self, fusion: str, layers: int) -> None:
        training = self.training(fusion=fusion, layers=layers)
        for epoch in (1, 2, 3):
            training.epoch(epoch)
        assert all(value.isfinite().all() for value in training.outcome().values())
