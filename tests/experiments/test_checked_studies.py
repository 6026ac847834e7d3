"""The checks on real runs: all that the seed experiment deserves, and none that a sound study does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from factories.records import changed

from experiments.execute import trial
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.records import read_record
from mmcore.data.prepare import prepare
from mmcore.facts import Chosen, Hardware
from mmcore.fingerprint import fingerprint
from mmcore.record import Record
from reports.model.report import Summary
from reports.records.frame import tidy
from reports.summary.build import summarise


def trained(name: str | Path, home: Home, options: Options) -> list[Record]:
    """The records of a study, trained here and now in this process."""
    open_request(str(name), home, options).place.ensure()
    request = open_request(str(name), home, options)
    prepared = prepare(request.place.folder, request.study.arms[0].config.data, home.prepared)
    records = []
    for repeat in range(request.study.repeats):
        for arm in request.study.arms:
            config = arm.config.model_copy(update={"repeat": repeat, "threads": 1})
            identity = fingerprint(config, prepared.content)
            told = {"study": request.study.name, "arm": arm.name, "fingerprint": identity}
            trial(config, home.run(identity), lambda: prepared, on_event=lambda event: None, **told)
            record = read_record(home.run(identity))
            assert record is not None
            # Whether this checkout has uncommitted changes is no fact about the study.
            records.append(changed(record, "environment.dirty", False))
    return records


def judged(name: str | Path, home: Home, options: Options, records: list[Record]) -> Summary:
    request = open_request(str(name), home, options)
    quality = prepare(request.place.folder, request.study.arms[0].config.data, home.prepared).quality
    return summarise(tidy(request.study, records, quality))


def outcomes(summary: Summary) -> dict[str, str]:
    return {check.code: check.outcome for check in summary.checks}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# What the seed experiment deserves ---------------------------------------------------------------------------------
SHRUNK = {
    "data.window": 50,
    "model.width": 64,
    "model.heads": 4,
    "model.layers": 2,
    "model.feed_forward": 128,
    "model.dropout": 0.0,
    "model.attention_dropout": 0.0,
    "training.epochs": 20,
    "training.batch": 2,
    "training.optimiser.learning_rate": 2e-3,
    # Two items to train on, which a network soon knows by heart.
    "split.test": 0.8,
    "split.validation": 0.17,
}
SEED = Options(corpus="simulated:quick", changes=tuple(SHRUNK.items()))


@pytest.fixture(scope="module")
def seed_records(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("seed") / "home")
    return home, trained("seed_experiment", home, SEED)


@pytest.mark.slow
def test_the_seed_experiment_triggers_every_check_that_it_deserves(seed_records):
    home, records = seed_records
    summary = judged("seed_experiment", home, SEED, records)
    texts = {check.code: check.text for check in summary.warnings}
    assert set(texts) == {
        "ABL001",  # the target is in the input
        "ABL004",  # nobody can know whether the modalities help,
        "ABL012",  # … with one run of each arm on one split
        "ABL005",  # the head cannot tell tracks apart
        "ABL013",  # a smaller network without the modalities is two changes,
        "ABL014",  # … and of another size
        "ABL017",  # gradients far above the norm at which they are clipped
        "ABL018",  # the learning rate rises again
        "ABL020",  # over-fitting
    }
    assert "'multimodal' against 'earlier_track_only'" in texts["ABL013"]
    assert "'earlier_track_only'" in texts["ABL014"]
    assert "in 'earlier_track_only'" in texts["ABL020"]
    # Copying the input scores (almost) perfectly, and that is measured, not only declared.
    assert all((record.leakage.copy_skill or 0) > 0.99 for record in records)
    # Not deserved: it read no test item early, divided no group and had nothing non-finite.
    assert {outcomes(summary)[code] for code in ("ABL002", "ABL016", "ABL024", "ABL025", "ABL026")} == {"passed"}


@pytest.mark.slow
def test_a_doctored_record_of_a_real_run_is_caught(seed_records):
    home, records = seed_records
    first = changed(changed(records[0], "selection.test_windows_read", 12), "split.divided_groups", 1)
    doctored = [first, *records[1:]]
    found = outcomes(judged("seed_experiment", home, SEED, doctored))
    assert (found["ABL024"], found["ABL025"]) == ("warning", "warning")
    doctored = [
        replace(changed(record, "split.divided_groups", None), selection=Chosen(), gates=None, hardware=Hardware())
        for record in doctored
    ]
    found = outcomes(judged("seed_experiment", home, SEED, doctored))
    assert [found[code] for code in ("ABL023", "ABL024", "ABL025", "ABL026")] == ["passed"] + ["not run"] * 3


# A study that deserves none ----------------------------------------------------------------------------------------
CORPUS = """\
format: 1
name: sound
step: 0.1
reference: track
modalities:
  audio: {features: [{name: level}]}
  visual: {features: [{name: motion}]}
  track: {features: [{name: 0_x}, {name: 0_scale}, {name: 1_x}, {name: 1_scale}]}
targets:
  from: track
  tracks: 2
  parameters:
    - {name: x, component: position}
    - {name: scale, component: scale}
"""

STUDY = """\
question: Does it matter whether modalities are gated or concatenated?
preset: null
repeats: 7
reference: gated
base:
  data: {window: 20}
  model: {width: 16, layers: 1, heads: 2, feed_forward: 32, dropout: 0.0}
  training: {epochs: 16, batch: 8, clip_norm: 5.0}
  training.optimiser: {kind: adamw, learning_rate: 1e-2}
  training.schedule: {kind: cosine, warmup_epochs: 1}
arms:
  gated: {}
  concat: {model.fusion: {kind: concat}}
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Thirty items of 60 steps. Positions follow the level and scales the motion of the same step, in opposite ways on
    the two tracks, with noise of a fifth of their variance."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    time, sign_K = np.arange(60) * 0.1, np.array([1.0, -1.0])
    for index in range(30):
        level, motion = rng.normal(size=(2, 60))
        tables = {"audio": {"level": level}, "visual": {"motion": motion}, "track": {}}
        for k in range(2):
            noise_2T = 0.5 * rng.normal(size=(2, 60))
            tables["track"] |= {
                f"{k}_x": sign_K[k] * level + noise_2T[0],
                f"{k}_scale": sign_K[k] * motion + noise_2T[1],
            }
        for name, columns in tables.items():
            (folder / "corpus" / name).mkdir(parents=True, exist_ok=True)
            pd.DataFrame({"time": time, **columns}).to_parquet(folder / "corpus" / name / f"item{index:02}.parquet")
    listing = pd.DataFrame({"item": [f"item{i:02}" for i in range(30)], "group": [f"item{i:02}" for i in range(30)]})
    listing.to_csv(folder / "corpus" / "items.csv", index=False)
    (folder / "corpus" / "corpus.yaml").write_text(CORPUS, encoding="utf-8")
    (folder / "sound.yaml").write_text(STUDY, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_sound_study_triggers_none(sound):
    home, options = Home(sound / "home"), Options(corpus=str(sound / "corpus"))
    records = trained(sound / "sound.yaml", home, options)
    summary = judged(sound / "sound.yaml", home, options, records)
    assert [(check.code, check.text) for check in summary.warnings] == []
    # All were really made, but those on matching, searches, shared test items, targets of items and a margin, which it
    # lacks.
    assert {code for code, outcome in outcomes(summary).items() if outcome != "passed"} == {
        "ABL010",
        "ABL028",
        "ABL029",
        "ABL031",
        "ABL033",
        "ABL042",
        "ABL043",
        "ABL044",
        "ABL047",
    }
