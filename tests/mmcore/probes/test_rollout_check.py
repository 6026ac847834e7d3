"""Rollout is called faithful where attention decides, and not where it decides nothing, on models built by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.answers.attention import RolloutFaithfulness
from mmcore.config import ModelConfig
from mmcore.data.prepare import prepare
from mmcore.events import ignore
from mmcore.model.build import build_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.probes.attention.occlusion import distance, gradient_times_input, occlusion, spans_of
from mmcore.probes.attention.probe import check_rollout
from mmcore.probes.attention.rollout_check import RolloutCheck
from mmcore.seeding import generator
from mmcore.trained import Trained
from reports.sections.faithfulness import judge

T, WIDTH = 20, 32
BACK = 3
SIZES = {
    "modalities": ["speech"], "width": WIDTH, "layers": 1, "heads": 1, "feed_forward": 8, "norm": "pre",
    "positions": "learned", "head": {"kind": "shared"},
}  # fmt: skip
VALUE, READ, FIRST = 0, 1, 2
"""Features: what is read now, what attention brings, and from where on one feature stands for each position."""


@pytest.fixture
def model(prepared: Any) -> MultimodalModel:
    """Position t in feature FIRST + t, speech in VALUE; no attention, no feed-forward."""
    built = build_model(ModelConfig.model_validate(SIZES), prepared.schema, True, 0, T)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.startswith("encoder") and "norm" not in name:
                parameter.zero_()
        (embed,) = [p for name, p in built.named_parameters() if name.startswith("embedding") and p.ndim == 2]
        embed.zero_()
        embed[VALUE, 0] = 1.0
        (places,) = [p for name, p in built.named_parameters() if name.startswith("positions")]
        places.zero_()
        places[range(T), range(FIRST, FIRST + T)] = 3.0
    return built


def look_back(model: MultimodalModel, sharp: float = 60.0) -> None:
    """Queries look for the position BACK steps before their own."""
    attention = model.encoder.layers[0].attention
    with torch.no_grad():
        for t in range(T):
            attention.in_weight[WIDTH + FIRST + t, FIRST + t] = 1.0
            if t >= BACK:
                attention.in_weight[FIRST + t - BACK, FIRST + t] = sharp


def carry_values(model: MultimodalModel) -> None:
    """What is looked at brings its speech along."""
    attention = model.encoder.layers[0].attention
    with torch.no_grad():
        attention.in_weight[2 * WIDTH + READ, VALUE] = 1.0
        attention.out_weight[READ, READ] = 5.0


@pytest.fixture
def check(config: Any, editing_corpus: Any, prepared: Any) -> Any:
    def told(model: MultimodalModel) -> RolloutFaithfulness:
        run = config(editing_corpus, **{f"model__{name}": value for name, value in SIZES.items()})
        return check_rollout(Trained(run, prepared, model, torch.device("cpu"), ignore))

    return told


def label(told: RolloutFaithfulness, measure: str = "occlusion") -> str:
    return judge([getattr(row, measure) for row in told.items]).label


def test_attention_that_copies_one_step_is_faithful(model: Any, check: Any) -> None:
    look_back(model)
    carry_values(model)
    told = check(model)
    assert label(told) == label(told, "gradient") == "faithful"
    assert told.occlusion > 0.95
    assert told.beyond > 0.9, "and nearness does not explain it"
    assert told.nearness < 0.5
    assert np.argmax(told.reach.rollout) == np.argmax(told.reach.occlusion) == BACK - 1
    assert told.reach.occlusion[BACK - 1] == pytest.approx(1.0)


def test_attention_by_content_that_decides_is_faithful(model: Any, check: Any) -> None:
    attention = model.encoder.layers[0].attention
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        attention.in_weight[: 2 * WIDTH].normal_(generator=rng)
        attention.in_weight[:WIDTH] *= 0.25
    carry_values(model)
    told = check(model)
    assert label(told) == "faithful"
    assert told.beyond > 0.5


def test_attention_whose_values_are_zero_is_not_faithful(model: Any, check: Any) -> None:
    look_back(model)
    told = check(model)
    assert told.occlusion == told.gradient == 0.0
    assert label(told) == label(told, "gradient") == "not faithful"


def test_attention_whose_output_is_thrown_away_is_not_faithful(model: Any, check: Any) -> None:
    look_back(model)
    carry_values(model)
    with torch.no_grad():
        model.encoder.layers[0].attention.out_weight.zero_()
    told = check(model)
    assert label(told) == "not faithful"
    assert told.past.rollout == pytest.approx(0.5, abs=0.01)
    assert told.past.occlusion == 0.0


def test_uniform_attention_is_not_faithful(model: Any, check: Any) -> None:
    """All steps are looked at alike, and what they hold decides what each of them does."""
    carry_values(model)
    told = check(model)
    assert told.occlusion == pytest.approx(0.0, abs=0.2)
    assert label(told) == "not faithful"
    assert label(told, "gradient") == "not faithful"


def test_attention_that_shows_one_step_and_reads_another_is_not_faithful(model: Any, check: Any, prepared: Any) -> None:
    """Two heads: the loud one looks BACK steps and brings nothing; the other brings everything, from everywhere."""
    two = build_model(ModelConfig.model_validate({**SIZES, "heads": 2}), prepared.schema, True, 0, T)
    with torch.no_grad():
        for (name, to), (_, from_) in zip(two.named_parameters(), model.named_parameters(), strict=True):
            assert to.shape == from_.shape, name
            to.copy_(from_)
        attention = two.encoder.layers[0].attention
        # Head 0 has features 0 … 15. It looks back, by as many positions as it has room for.
        half = WIDTH // 2
        for t in range(half):
            attention.in_weight[WIDTH + t, FIRST + t] = 1.0
            if t >= BACK:
                attention.in_weight[t - BACK, FIRST + t] = 60.0
        attention.in_weight[2 * WIDTH + half, VALUE] = 1.0
        attention.out_weight[READ, half] = 5.0
    told = check(two)
    assert abs(told.occlusion) < 0.3
    assert label(told) in ("not faithful", "not shown")


# The measures ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("steps", "most", "length"), [(20, 50, 1), (50, 50, 1), (51, 50, 2), (120, 50, 3), (1, 5, 1)])
def test_spans_cover_a_window_once(steps: int, most: int, length: int) -> None:
    spans = spans_of(steps, most)
    assert [step for first, last in spans for step in range(first, last)] == list(range(steps))
    assert len(spans) <= most
    assert {last - first for first, last in spans[:-1]} <= {length}


def test_occlusion_against_a_model_run_by_hand(prepared: Any, config: Any, editing_corpus: Any) -> None:
    built = build_model(ModelConfig(width=16, layers=1, heads=2, feed_forward=16), prepared.schema, True, 0, T)
    trained = Trained(config(editing_corpus), prepared, built, torch.device("cpu"), ignore)
    batch = next(trained.test.batches())
    kept = {name: value.clone() for name, value in batch.values.items()}
    spans = spans_of(T, 4)
    effect = occlusion(built, batch, prepared.schema.targets, spans)
    assert effect.shape == (4, T, 4)
    assert all(torch.equal(batch.values[name], value) for name, value in kept.items()), "the batch stays as it is"
    for j, (first, last) in enumerate(spans):
        assert not effect[:, :first, j].any(), "an output does not know what comes later"
        present = batch.present_BTM.clone()
        present[:, first:last] = False
        with torch.inference_mode():
            a, b = built(batch), built(replace(batch, present_BTM=present))
        expected = []
        for at, size in ((0, 2), (2, 3)):
            moved = (a[..., at : at + size].softmax(-1) - b[..., at : at + size].softmax(-1)).abs().sum(-1) / 2
            expected.append(moved)
        expected.append((a[..., 5] - b[..., 5]).abs())
        wanted = torch.stack(expected).mean((0, 3)).numpy()
        assert effect[..., j] == pytest.approx(np.where(wanted < 1e-6, 0, wanted), abs=1e-6)
    assert distance(a, a, prepared.schema.targets).abs().max() == 0.0


def test_gradient_times_input_of_a_linear_model_is_its_terms(prepared: Any, config: Any, editing_corpus: Any) -> None:
    class Linear(torch.nn.Module):
        modalities = ("speech",)

        def __init__(self) -> None:
            super().__init__()
            self.weight_TT = torch.nn.Parameter(torch.tril(torch.arange(1.0, T * T + 1).view(T, T)))

        def forward(self, batch: Any) -> Any:
            sums_BT = batch.values["speech"][..., 0] @ self.weight_TT.T
            return sums_BT[..., None, None] * torch.ones(2, 6)

    trained = Trained(
        config(editing_corpus),
        prepared,
        build_model(ModelConfig.model_validate(SIZES), prepared.schema, True, 0, T),
        torch.device("cpu"),
        ignore,
    )
    batch = next(trained.test.batches())
    model: Any = Linear()
    asked = [5, 12, 19]
    part = gradient_times_input(model, batch, asked, 3, repeat=0)
    terms = (model.weight_TT[asked][None] * batch.values["speech"][..., 0][:, None]).abs().detach().numpy()
    # Signs add up to another factor in each draw, the same for all steps.
    factor = (part / np.where(terms > 0, terms, 1)).max()
    assert part == pytest.approx(np.where(terms > 1e-6 * terms.max(-1, keepdims=True), factor * terms, 0.0), rel=1e-4)
    assert model.weight_TT.grad is None
    assert not batch.values["speech"].requires_grad


def test_gradient_times_input_is_captums(prepared: Any, config: Any, editing_corpus: Any) -> None:
    captum = pytest.importorskip("captum.attr")
    built = build_model(ModelConfig(width=16, layers=1, heads=2, feed_forward=16), prepared.schema, True, 0, T)
    trained = Trained(config(editing_corpus), prepared, built, torch.device("cpu"), ignore)
    batch = next(trained.test.batches())
    signs = torch.as_tensor(generator(4, "attention/signs", index=0).choice([-1.0, 1.0], (2, 6))).float()

    def score(*values: Any) -> Any:
        return (built(replace(batch, values=dict(zip(built.modalities, values, strict=True))))[:, 11] * signs).sum(
            (1, 2)
        )

    inputs = tuple(batch.values[name].clone().requires_grad_() for name in built.modalities)
    oracle = captum.InputXGradient(score).attribute(inputs)
    expected = sum(one.sum(-1) for one in oracle).abs().detach().numpy()
    found = gradient_times_input(built, batch, [11], 1, repeat=4)[:, 0]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5 * float(expected.max()))


# Items -------------------------------------------------------------------------------------------------------------
def test_where_targets_belong_to_items_spans_of_the_whole_window_count(
    label_corpus: Any, config: Any, tmp_path: Any
) -> None:
    run = config(label_corpus, model__modalities=["sensor"], model__norm="pre")
    store = prepare(label_corpus, run.data, tmp_path)
    built = build_model(run.model, store.schema, False, 0, T)
    told = check_rollout(Trained(run, store, built, torch.device("cpu"), ignore))
    assert not np.isnan(told.occlusion)
    assert np.isnan([told.nearness, told.beyond]).all()
    assert told.reach is told.past is None
    assert {row.outputs for row in told.items} <= {1, 2, 3, 4, 5, 6}


def test_long_windows_are_checked_by_spans(config: Any, editing_corpus: Any, prepared: Any) -> None:
    run = config(editing_corpus, data__window=58)
    trained = Trained(run, prepared, build_model(run.model, prepared.schema, True, 0, 58), torch.device("cpu"), ignore)
    assert RolloutCheck(trained).spans[0] == (0, 2)
    told = check_rollout(trained)
    assert told.span == 2
    assert not np.isnan(told.occlusion)
    assert sum(told.reach.occlusion) == pytest.approx(1.0, abs=1e-3)
