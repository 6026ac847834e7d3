"""What a review of searches found: a grid under every pruner, fronts, and a database that fails or has a password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from experiments.home import Home
from experiments.plan import Asked, Options, ask
from experiments.search_claims import SETTINGS, trials_of
from experiments.search_samplers import build_pruner, build_sampler, suggest

BASE = """\
question: Does tuning help?
preset: null
repeats: 7
reference: base
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8}
  training: {epochs: 9, batch: 8}
arms:
  base: {}
search:
"""
RATE = "training.optimiser.learning_rate: {kind: log_uniform, low: 1e-5, high: 1e-1, points: 5, role: scientific}"
LAYERS = "model.layers: {kind: int, low: 1, high: 3, role: scientific}"


@pytest.fixture
def asking(tmp_path: Path, tiny_corpus: Path, home: Home) -> Callable[..., Asked]:
    def build(*knobs: str, **settings: str) -> Asked:
        path = tmp_path / "rate.yaml"
        lines = ["  space:", *(f"    {knob}" for knob in knobs), *(f"  {k}: {v}" for k, v in settings.items())]
        path.write_text(BASE + "\n".join(lines) + "\n", encoding="utf-8")
        return ask(str(path), home.make(), Options(corpus=str(tiny_corpus)))

    return build


@pytest.mark.parametrize("pruner", ["none", "median", "halving", "hyperband", "wilcoxon"])
def test_a_grid_visits_every_cell_once_under_every_pruner(asking: Callable[..., Asked], pruner: str) -> None:
    search = asking(RATE, LAYERS, sampler="grid", pruner=pruner, budget="{trials: 99}", repeats="5").study.search
    assert search is not None
    (arm,) = search.searches
    sampler, guard = build_sampler(search, arm), build_pruner(search, arm)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=guard)
    for _ in arm.cells():
        trial = study.ask()
        settings = arm.settings(lambda axis, trial=trial: suggest(trial, axis))
        trial.set_user_attr(SETTINGS, settings)
        trial.report(0.1 * settings["model.layers"], 1)
        trial.should_prune()
        study.tell(trial, 0.1 * settings["model.layers"])
    found = [trial.params for trial in trials_of(study)]
    assert sorted(map(repr, found)) == sorted(map(repr, arm.cells()))
