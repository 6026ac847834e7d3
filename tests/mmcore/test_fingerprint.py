"""Pins the identity of runs: who changes the numerics raises NUMERICS and, with it, the values here."""

import pytest

from mmcore.config import NOT_NUMBERS, RunConfig, build_config, override
from mmcore.config.overrides import Plain
from mmcore.errors import ConfigError
from mmcore.fingerprint import (
    NUMERICS,
    fingerprint,
    fingerprint_read,
    identity,
    numerics,
    runs_of,
    training_fingerprint,
)

CONTENT = "0123456789abcdef" * 2
WINDOW = {"corpus": "c", "data": {"window": 100}}
"""What every config needs before it has a name: a number for its window."""


def config_of(values: Plain) -> RunConfig:
    return build_config(override(WINDOW, values))


GOLDEN = {
    "defaults": ({}, "762d6a83398b10afda8a8a13092bb4f1"),
    "repeat": ({"repeat": 3}, "d18617e88fa03d5467bff81b73dc0a51"),
    "arm": (
        {
            "task": {"kind": "forecast", "horizon": 5},
            "model": {"fusion": {"kind": "concat"}, "modalities": ["visual", "audio"], "width": 64},
            "training": {"optimiser": {"kind": "adamw", "learning_rate": 3e-4}, "patience": 4},
            "loss": {"weights": {"crop": 0.5}},
        },
        "bdbcbadeabb5cebb71e03ad52c03fce9",
    ),
}


@pytest.mark.parametrize(("values", "expected"), GOLDEN.values(), ids=GOLDEN.keys())
def test_fingerprints_are_pinned(values, expected):
    assert NUMERICS == 4
    assert fingerprint(config_of(values), CONTENT) == fingerprint_read(config_of(values), CONTENT) == expected


def test_a_name_does_not_depend_on_the_names_that_were_asked_for_before(monkeypatch):
    """What configs say is kept by the objects that they are made of; new objects may get the places of old ones."""

    def names(repeats):
        for size in range(300):
            config = config_of({"training": {"batch": 1 + size}, "repeat": 9})
            yield [fingerprint(config.model_copy(update={"repeat": repeat}), CONTENT) for repeat in repeats]

    monkeypatch.setattr("mmcore.fingerprint._MOST", 100)
    together = [*names((0, 1, 2))]
    assert len({name for own in together for name in own}) == 900
    for repeat in (2, 0, 1):
        monkeypatch.setattr("mmcore.fingerprint._known", {})
        assert [own[0] for own in names((repeat,))] == [own[repeat] for own in together]


def test_what_a_fingerprint_hashes_can_be_read():
    values = {"repeat": 2, "device": "auto", "model": {"modalities": ["b", "a"]}}
    assert identity(config_of(values), CONTENT) == {
        "config": {"model": {"modalities": ["a", "b"]}},
        "corpus": CONTENT,
        "repeat": 2,
        "numerics": NUMERICS,
    }


BASE = config_of({})


@pytest.mark.parametrize(
    "change",
    [
        {"corpus": "elsewhere"},
        {"device": "auto"},
        {"threads": 7},
        {"model.width": 256},
        {"training": BASE.training.model_dump()},
        {"model.fusion": {"kind": "gated"}},
    ],
    ids=str,
)
def test_paths_machine_and_written_out_defaults_stay_out(change):
    same = config_of(change)
    assert fingerprint(same, CONTENT) == fingerprint(BASE, CONTENT)


CHANGES = [
    {"repeat": 1},
    {"task.kind": "reconstruct"},
    {"task": {"kind": "forecast"}},
    {"data.window": 50},
    {"data.stride": 50},
    {"data.clip": 5.0},
    {"data.interpolation": "last"},
    {"split.test": 0.3},
    {"model.modalities": ["track"]},
    {"model.fusion.kind": "add"},
    {"model.head.kind": "shared"},
    {"model.causal": True},
    {"model.layers_before": 1},
    {"model.absence": "learned"},
    {"model.positions": "rotary"},
    {"loss.weights": {"scale": 2.0}},
    {"loss.weighting.kind": "dwa"},
    {"loss.continuous.kind": "huber"},
    {"augmentation.noise": {"deviations": 0.2}},
    {"evaluation.without": ["audio"]},
    {"training.epochs": 11},
    {"training.schedule.kind": "constant"},
    {"training.schedule": {"kind": "cosine", "begins": "first_step"}},
    {"training.optimiser": {"kind": "adam", "learning_rate": 2e-4}},
]


def test_whatever_changes_the_numbers_changes_the_fingerprint():
    prints = {fingerprint(config_of(change), CONTENT) for change in CHANGES}
    prints |= {fingerprint(BASE, CONTENT), fingerprint(BASE, CONTENT[::-1])}
    assert len(prints) == len(CHANGES) + 2
    assert all(len(p) == 32 and int(p, 16) >= 0 for p in prints)


def test_the_order_of_modalities_and_keys_does_not_matter():
    a = config_of({"model": {"modalities": ["x", "y"], "width": 64}})
    b = config_of({"model": {"width": 64, "modalities": ["y", "x"]}})
    assert fingerprint(a, CONTENT) == fingerprint(b, CONTENT)


def test_runs_that_differ_in_their_test_alone_share_their_training():
    def deaf(*names, **changes):
        return config_of({"evaluation": {"without": names}, **changes})

    assert training_fingerprint(BASE, CONTENT) == fingerprint(BASE, CONTENT)
    assert training_fingerprint(deaf("a"), CONTENT) == fingerprint(BASE, CONTENT) != fingerprint(deaf("a"), CONTENT)
    assert training_fingerprint(deaf("a", repeat=1), CONTENT) != fingerprint(BASE, CONTENT)
    # A set in meaning.
    assert fingerprint(deaf("a", "b"), CONTENT) == fingerprint(deaf("b", "a", "b"), CONTENT)


def test_every_field_is_in_the_fingerprint_or_named_as_staying_out():
    assert set(NOT_NUMBERS) <= set(RunConfig.model_fields)
    assert set(RunConfig.model_fields) - set(NOT_NUMBERS) == {
        "task", "data", "split", "model", "loss", "augmentation", "training", "evaluation", "metrics"
    }  # fmt: skip


def test_a_window_needs_a_number_before_a_run_has_a_name():
    """None is the longest item of a corpus: two corpora, two numbers, and one name would be wrong for both."""
    with pytest.raises(ConfigError, match=r"data.window: the window must be a number here.*with_window"):
        fingerprint(RunConfig(corpus="c"), CONTENT)
    assert fingerprint(config_of({"data.window": 101}), CONTENT) != fingerprint(BASE, CONTENT)
    assert "data" not in identity(BASE, CONTENT)["config"]
    assert identity(config_of({"data.window": 524}), CONTENT)["config"]["data"] == {"window": 524}


def test_runs_of_an_earlier_version_are_named_as_it_named_them():
    """The second is what version 3 called its runs, as pinned then."""
    config = config_of({})
    now = fingerprint(config, CONTENT)
    with runs_of(3):
        assert fingerprint(config, CONTENT) == fingerprint_read(config, CONTENT) == "de4c632b5ab92eb5670ad976c9f3ea13"
        assert numerics() == 3
        with pytest.raises(ConfigError, match="no such version"), runs_of(NUMERICS + 1):
            pass
    assert fingerprint(config, CONTENT) == now
    assert numerics() == NUMERICS
