import re

import pytest
from pydantic import ValidationError

from mmcore.config import Adam, Cosine, Forecast, RunConfig, build_config, override, valid_keys
from mmcore.errors import ConfigError, MMStudyError
from mmcore.schema import CorpusSchema
from mmcore.task import is_leaky, resolve_causal, resolve_task


def test_the_defaults_are_the_seeds_sizes():
    config = RunConfig(corpus="c")
    model, training = config.model, config.training
    assert (model.width, model.layers, model.heads, model.feed_forward, model.dropout) == (256, 6, 8, 1024, 0.1)
    assert (training.optimiser.learning_rate, training.optimiser.weight_decay) == (1e-4, 1e-5)
    assert (training.batch, training.epochs, training.clip_norm) == (16, 10, 1.0)
    assert training.schedule == Cosine(warmup_epochs=2, floor=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, r"modle: unknown key 'modle'. Did you mean 'model'\?"),
        ({"model": {"widht": 3}}, r"model.widht: unknown key 'widht'. Did you mean 'width'\?"),
        (
            {"model": {"fusion": {"kind": "gate"}}},
            "model.fusion: kind 'gate' is unknown. Did you mean 'gated'",
        ),
        (
            {"task": {"horizn": 2}},
            "task: a kind must be named. Write {kind: NAME, …}; NAME is one of forecast, reconstruct, label",
        ),
        (
            {"model": {"fusion": {"kind": "gated", "rank": 2}}},
            "model.fusion.rank: 'rank' is not a setting of kind gated. It belongs to low_rank: name that kind",
        ),
        (
            {"model": {"fusion": {"kind": "gated", "class": "mine:Product"}}},
            "model.fusion.class: 'class' is not a setting of kind gated. It belongs to custom: name that kind",
        ),
        (
            {"loss": {"continuous": {"kind": "mse", "delta": 2}}},
            "loss.continuous.delta: 'delta' is not a setting of kind mse. It belongs to huber",
        ),
        ({"model": {"fusion": "add"}}, "model.fusion: must be a mapping; found 'add'. Write {kind: add}"),
        (
            {"model": {"modalities": "track"}},
            re.escape("model.modalities: must be a list; found 'track'. Write [tr"),
        ),
        (
            {"model": {"positions": "rotaryy"}},
            r"model.positions: 'rotaryy' is not one of the choices. Did you mean 'rotary'\? Valid: sinusoidal",
        ),
        (
            {"augmentation": {"modality_dropout": {"rate": {"audio": 1.5}}}},
            "augmentation.modality_dropout.rate.audio: must be at most 1; found 1.5",
        ),
        (
            {"training": {"schedule": {"kind": "cosine", "flor": 0.1}}},
            "training.schedule.flor: unknown key 'flor'. Did you mean 'floor'",
        ),
        ({"model": {"width": "wide"}}, "model.width: must be a whole number.*found 'wide'"),
        (
            {"training": {"batch": True}},
            "training.batch: must be a number, not a truth value; found True",
        ),
        ({"data": {"clip": False}}, "data.clip: must be a number, not a truth value"),
        ({"loss": {"weights": {"x": True}}}, "loss.weights.x: must be a number, not a truth value"),
        (
            {"augmentation": {"modality_dropout": {"rate": {"audio": True}}}},
            "augmentation.modality_dropout.rate.audio: must be a number, not a truth value",
        ),
        ({"training": {"batch": 0}}, "training.batch: must be greater than 0; found 0"),
        ({"model": {"width": 10, "heads": 4}}, r"model: model.heads \(4\) must divide model.width \(10\)"),
        ({"model": {"width": 9, "heads": 3}}, "must be even"),
        ({"model": {"modalities": []}}, "at least one modality"),
        ({"model": {"modalities": ["a", "a"]}}, "none twice"),
        ({"split": {"validation": 0.5, "test": 0.5}}, "something must be left to train on"),
        ({"loss": {"weights": {"a": -1.0}}}, "loss.weights.a: must be at least 0"),
        (
            {"training": {"optimiser": {"kind": "adam", "learning_rate": 1e-7}}},
            r"training: schedule.floor \(1e-06\) must not be above optimiser.learning_rate \(1e-07\)",
        ),
        (
            {"device": "gpu"},
            r"device: 'gpu' is not one of the choices. Did you mean 'cpu'\? Valid: auto, cpu, cuda, mps",
        ),
    ],
)
def test_a_broken_rule_is_told_with_its_path_and_the_nearest_name(values, message):
    with pytest.raises(ConfigError, match=message):
        build_config({"corpus": "c", **values})


def test_a_missing_value_and_the_file_are_named():
    with pytest.raises(ConfigError, match=r"^study\.yaml: corpus: a required value is missing$"):
        build_config({}, where="study.yaml")


def test_a_floor_above_the_peak_is_fine_where_there_is_no_floor():
    build_config(
        {
            "corpus": "c",
            "training": {
                "optimiser": {"kind": "adam", "learning_rate": 1e-7},
                "schedule": {"kind": "constant"},
            },
        }
    )


def test_content_lookahead_defaults_to_the_horizon():
    forecast = build_config({"corpus": "c", "task": {"kind": "forecast", "horizon": 7}}).task
    assert forecast.lookahead == 7
    forecast = build_config({"corpus": "c", "task": {"kind": "forecast", "horizon": 7, "content_lookahead": 0}}).task
    assert forecast.lookahead == 0


def test_a_setting_that_one_kind_alone_has_names_that_kind():
    assert build_config({"corpus": "c", "task": {"horizon": 3}}).task == Forecast(horizon=3)
    assert build_config({"corpus": "c", "task": {"content_lookahead": 0}}).task == Forecast(content_lookahead=0)


def test_an_empty_group_in_a_hierarchical_order_is_told():
    fusion = build_config({"corpus": "c", "model": {"fusion": {"kind": "hierarchical", "order": [[], "a", "b"]}}})
    with pytest.raises(ConfigError, match=r"each modality.*found a, b and an empty group"):
        fusion.model.fusion.tree(("a", "b"))


# Overrides ---------------------------------------------------------------------------------------------------------
def test_overrides_lie_over_the_base_and_change_neither():
    base = {"corpus": "c", "model": {"width": 64, "fusion": {"kind": "gated"}}}
    changes = {"model.layers": 2, "training": {"epochs": 3}, "training.batch": 8}
    before = repr(base), repr(changes)
    assert override(base, changes) == {
        "corpus": "c",
        "model": {"width": 64, "fusion": {"kind": "gated"}, "layers": 2},
        "training": {"epochs": 3, "batch": 8},
    }
    assert (repr(base), repr(changes)) == before


def test_another_kind_drops_the_keys_of_the_old_one():
    base = {"training": {"schedule": {"kind": "cosine", "floor": 1e-5, "warmup_epochs": 1}}}
    assert override(base, {"training.schedule.kind": "constant"}) == {"training": {"schedule": {"kind": "constant"}}}
    assert override(base, {"training.schedule": {"kind": "cosine", "floor": 0.0}}) == {
        "training": {"schedule": {"kind": "cosine", "floor": 0.0, "warmup_epochs": 1}}
    }


def test_a_value_may_become_a_mapping_and_a_mapping_a_value():
    assert override({"task": None}, {"task.kind": "label"}) == {"task": {"kind": "label"}}
    assert override({"task": {"kind": "label"}}, {"task": None}) == {"task": None}


def test_valid_keys_follow_the_path_through_families():
    assert "training" in valid_keys("")
    assert valid_keys("training.optimiser") == ["kind", "learning_rate", "weight_decay"]
    assert valid_keys("training.schedule") == ["kind", "warmup_epochs", "floor", "begins"]
    assert valid_keys("no.such.path") == []


# Task --------------------------------------------------------------------------------------------------------------
def schema(targets_from: str, step: float | None = None) -> CorpusSchema:
    return CorpusSchema.model_validate(
        {
            "format": 1,
            "name": "c",
            "step": step,
            "modalities": {"track": {"features": [{"name": "0_x"}]}},
            "targets": {"from": targets_from, "parameters": [{"name": "x", "component": "x"}]},
        }
    )


@pytest.mark.parametrize(
    ("targets_from", "task", "kind", "causal"),
    [
        ("track", None, "forecast", True),
        ("track", "forecast", "forecast", True),
        ("track", "reconstruct", "reconstruct", False),
        ("labels", None, "label", False),
        ("labels", "label", "label", False),
    ],
)
def test_the_task_follows_from_the_targets(targets_from, task, kind, causal):
    config = build_config({"corpus": "c", "task": task and {"kind": task}})
    resolved = resolve_task(config, schema(targets_from))
    assert resolved.kind == kind
    assert resolve_causal(config, resolved) is causal
    assert is_leaky(resolved) == (kind == "reconstruct")


@pytest.mark.parametrize(
    ("targets_from", "task"), [("track", "label"), ("labels", "forecast"), ("labels", "reconstruct")]
)
def test_a_task_that_does_not_fit_says_what_does(targets_from, task):
    other = "forecast" if targets_from == "track" else "label"
    with pytest.raises(ConfigError, match=f"task {task} does not fit .*set task.kind to {other}"):
        resolve_task(build_config({"corpus": "c", "task": {"kind": task}}), schema(targets_from))


@pytest.mark.parametrize("causal", [True, False])
def test_labels_may_be_causal_or_not_and_forecasts_must_be(causal):
    config = build_config({"corpus": "c", "model": {"causal": causal}})
    assert resolve_causal(config, resolve_task(config, schema("labels"))) is causal
    if causal:
        assert resolve_causal(config, resolve_task(config, schema("track")))
    else:
        with pytest.raises(ConfigError, match=r"model\.causal: a forecast needs a causal encoder"):
            resolve_causal(config, resolve_task(config, schema("track")))


@pytest.mark.parametrize(
    ("horizon", "lookahead", "interpolation", "step", "fits"),
    [
        (2, None, "linear", 1.0, True),
        (2, 2, "linear", 1.0, True),
        (2, 1, "linear", 1.0, False),
        (1, 0, "linear", 0.1, False),
        (2, 1, "last", 1.0, True),
        (2, 0, "linear", None, True),
    ],
)
def test_content_below_the_horizon_must_not_be_interpolated(horizon, lookahead, interpolation, step, fits):
    task = {"kind": "forecast", "horizon": horizon, "content_lookahead": lookahead}
    config = build_config({"corpus": "c", "task": task, "data": {"interpolation": interpolation}})
    if fits:
        assert resolve_task(config, schema("track", step)) == config.task
    else:
        with pytest.raises(ConfigError, match=r"ahead of the look-ahead .*Set data\.interpolation to last") as caught:
            resolve_task(config, schema("track", step))
        assert caught.value.where == "data.interpolation"


@pytest.mark.parametrize("found", [True, 7, 1.5])
def test_a_text_that_yaml_took_for_something_else_is_to_be_quoted(found):
    with pytest.raises(ConfigError, match=f"corpus: must be text; found {found}. Quote it, since YAML"):
        build_config({"corpus": found})
    with pytest.raises(ConfigError) as caught:
        build_config({"corpus": [1]})
    assert caught.value.next_step is None


def test_errors_of_ours_only_leave_build_config():
    with pytest.raises(MMStudyError) as caught:
        build_config({"corpus": 3})
    assert not isinstance(caught.value, ValidationError)


def test_settings_of_a_family_without_a_kind_are_those_of_its_default_member():
    config = build_config({"corpus": "c", "training": {"optimiser": {"learning_rate": 0.5}}})
    assert config.training.optimiser == Adam(learning_rate=0.5)
    assert build_config({"corpus": "c", "model": {"fusion": {}}}) == build_config({"corpus": "c"})
