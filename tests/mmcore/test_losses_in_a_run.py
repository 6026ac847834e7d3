"""Chosen losses and weightings, from the config to the history."""

from dataclasses import replace

import pytest

from mmcore.errors import ConfigError
from mmcore.run import run

CE = {"kind": "cross_entropy"}


def test_fixed_weights_are_not_told(finished):
    assert not any(key.startswith("weight/") for row in finished[0].history for key in row)


def test_weights_that_are_equal_change_no_bit(
    config, without_time, same_weights, finished, editing_corpus, prepared, tmp_path
):
    weights = {"active": 0.3, "asset": 0.3, "position": 0.3}
    result = run(config(editing_corpus, loss__weights=weights), tmp_path, prepared=prepared)
    asked, own = (replace(one, fingerprint="", config=finished[0].config) for one in (finished[0], result))
    assert without_time(own) == without_time(asked)
    assert same_weights(tmp_path, finished[1])


def test_training_columns_are_plain_losses_whatever_is_minimised(config, finished, editing_corpus, prepared, tmp_path):
    """With a learning rate of almost 0 the model stays as it is, so every objective must tell the same losses."""
    still = {"training__optimiser": {"kind": "adam", "learning_rate": 1e-12}, "training__epochs": 1}
    still["training__schedule"] = {"kind": "constant"}
    plain = run(config(editing_corpus, **still), tmp_path / "plain", prepared=prepared)
    other = config(
        editing_corpus,
        **still,
        loss__binary={"kind": "focal", "alpha": 0.25},
        loss__categorical=CE | {"label_smoothing": 0.2, "class_weights": "balanced"},
        loss__continuous={"kind": "mae"},
        loss__weighting={"kind": "random"},
    )
    changed = run(other, tmp_path / "changed", prepared=prepared)
    losses = [{k: v for k, v in r.history[0].items() if "loss" in k} for r in (plain, changed)]
    assert len(losses[0]) == 8
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert changed.history[0]["gradient_norm"] != pytest.approx(plain.history[0]["gradient_norm"], rel=0.01)


@pytest.mark.parametrize(
    "losses",
    [
        {"loss__binary": {"kind": "focal"}, "loss__continuous": {"kind": "huber"}},
        {"loss__categorical": CE | {"class_weights": "balanced"}, "loss__weighting": {"kind": "gradnorm"}},
    ],
    ids=["focal and huber", "balanced under gradnorm"],
)
def test_other_losses_learn_the_task_too(config, losses, editing_corpus, prepared, tmp_path):
    result = run(config(editing_corpus, **losses), tmp_path, prepared=prepared)
    assert result.score("skill") > 0.2
    first, last = result.history[0], result.history[-1]
    assert last["train/loss"] < first["train/loss"]


@pytest.mark.parametrize("kind", ["fixed", "uncertainty", "dwa", "gradnorm", "random", "pcgrad"])
def test_a_training_that_diverges_names_its_component(config, kind, editing_corpus, prepared, tmp_path):
    wild = config(
        editing_corpus,
        loss__weighting={"kind": kind},
        loss__continuous={"kind": "huber"},
        training__optimiser={"kind": "adam", "learning_rate": 1e30},
        training__schedule={"kind": "constant"},
        training__clip_norm=None,
    )
    result = run(wild, tmp_path, prepared=prepared)
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.component in ("active", "asset", "position")


def test_a_missing_package_is_told_before_any_work(config, editing_corpus, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("mmcore.run.draw_split", lambda *_: pytest.fail("work was done"))
    with pytest.raises(ConfigError, match="needs the package torchjd"):
        run(config(editing_corpus, loss__weighting={"kind": "pcgrad"}), tmp_path, prepared=prepared)
    assert not list(tmp_path.iterdir())
