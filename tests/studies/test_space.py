"""Spaces: what is drawn is what a config gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from mmcore.config import Plain
from mmcore.errors import StudyError
from studies.search.space import Choice, Int, LogUniform, Simplex, Uniform, axes_of, cells, settle, simplex


def test_weights_of_a_simplex_keep_their_sum_and_are_uniform() -> None:
    """A share of K uniform proportions has the distribution Beta(1, K − 1)."""
    rng = np.random.default_rng(0)
    drawn = np.array([simplex(list(1.0 - rng.random(4))) for _ in range(4000)])
    np.testing.assert_allclose(drawn.sum(1), 4.0, rtol=1e-6)
    assert (drawn >= 0).all()
    for column in drawn.T:
        assert stats.kstest(column / 4, stats.beta(1, 3).cdf).pvalue > 0.001


def test_a_simplex_of_ones_is_equal_weights() -> None:
    assert simplex([1.0, 1.0, 1.0]) == [1.0, 1.0, 1.0]


def test_a_simplex_writes_a_weight_for_each_component() -> None:
    space = {"loss.weights": Simplex(components=("a", "b"))}
    assert [axis.name for axis in axes_of("loss.weights", space["loss.weights"])] == [
        "loss.weights.a",
        "loss.weights.b",
    ]
    assert settle(space, {}, lambda axis: 0.5) == {"loss.weights.a": 1.0, "loss.weights.b": 1.0}


SPACE = {
    "model.fusion.kind": Choice(values=("add", "bottleneck")),
    "model.fusion.tokens": Int(low=1, high=5, step=2, when={"model.fusion.kind": "bottleneck"}),
    "model.dropout": Uniform(low=0.0, high=0.5, points=3),
}


def test_a_condition_on_another_knob_decides_for_each_trial() -> None:
    picked = settle(SPACE, {}, lambda axis: axis.choices[0] if axis.choices else axis.low)
    assert picked == {"model.fusion.kind": "add", "model.dropout": 0.0}
    picked = settle(SPACE, {}, lambda axis: axis.choices[-1] if axis.choices else axis.high)
    assert picked == {"model.fusion.kind": "bottleneck", "model.fusion.tokens": 5, "model.dropout": 0.5}


@pytest.mark.parametrize(("kind", "there"), [("gradnorm", True), ("dwa", False), (None, False)])
def test_a_condition_on_what_is_not_searched_is_for_the_config_to_decide(kind: str | None, there: bool) -> None:
    space = {"loss.weighting.alpha": Uniform(low=1.0, high=2.0, when={"loss.weighting.kind": ["gradnorm", "other"]})}
    config: Plain = {"loss": {"weighting": {"kind": kind}}} if kind else {}
    assert bool(settle(space, config, lambda axis: axis.low)) == there


def test_a_grid_has_every_combination_once() -> None:
    grid = cells(SPACE, {})
    assert len(grid) == 3 + 3 * 3
    assert len({tuple(sorted(cell.items())) for cell in grid}) == len(grid)
    assert {cell["model.dropout"] for cell in grid} == {0.0, 0.25, 0.5}
    assert all(("model.fusion.tokens" in cell) == (cell["model.fusion.kind"] == "bottleneck") for cell in grid)


def test_a_grid_by_order_of_magnitude() -> None:
    found = [cell["x"] for cell in cells({"x": LogUniform(low=1e-4, high=1e-2, points=3)}, {})]
    np.testing.assert_allclose(found, [1e-4, 1e-3, 1e-2])
    assert (found[0], found[-1]) == (1e-4, 1e-2)


def test_a_grid_needs_points() -> None:
    with pytest.raises(StudyError, match="points: N"):
        cells({"x": Uniform(low=0, high=1)}, {})


def test_choices_of_any_type_come_back_as_they_were() -> None:
    space = {"model.modalities": Choice(values=(None, ["audio"], ["audio", "visual"]))}
    (axis,) = axes_of("model.modalities", space["model.modalities"])
    assert axis.choices is not None
    found = [settle(space, {}, lambda _, at=at: axis.choices[at])["model.modalities"] for at in range(3)]
    assert found == [None, ["audio"], ["audio", "visual"]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Uniform(low=1, high=1), "must be below high"),
        (lambda: LogUniform(low=0, high=1), "zero has no order of magnitude"),
        (lambda: Int(low=1, high=4, step=2), "do not reach 4"),
        (lambda: Choice(values=(1, 1)), "must differ"),
        (lambda: Choice(values=(1,)), "at least 2"),
        (lambda: Simplex(components=("a", "a")), "two or more different names"),
    ],
)
def test_what_makes_no_space_is_refused(build: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        build()


def test_a_condition_is_looked_up_inside_a_mapping_that_was_drawn() -> None:
    space = {
        "model.fusion": Choice(values=({"kind": "gated"}, {"kind": "bottleneck"})),
        "model.fusion.tokens": Int(low=1, high=5, when={"model.fusion.kind": "bottleneck"}),
    }
    config = {"model": {"fusion": {"kind": "bottleneck", "tokens": 2}}}
    first = settle(space, config, lambda axis: axis.choices[0] if axis.choices else axis.low)
    assert first == {"model.fusion": {"kind": "gated"}}
    last = settle(space, config, lambda axis: axis.choices[-1] if axis.choices else axis.high)
    assert last == {"model.fusion": {"kind": "bottleneck"}, "model.fusion.tokens": 5}
    assert len(cells(space, config)) == 1 + 5
