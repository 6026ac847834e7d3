"""A new user's folder becomes a corpus with one command and one correction, and a study of it finds the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories.command import mmstudy
from factories.raw_folder import FRAME_RATE, MISSPELT, write_raw_folder

from experiments.home import Home
from mmcore.data.sources.folder import FolderSource
from studies.study import catalogue

pytestmark = pytest.mark.usefixtures("no_mirror")

SMALL = {
    "data": {"window": 50, "stride": 25},
    "model": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.1, "absence": "learned"},
    "training": {"epochs": 3, "batch": 8, "steps_per_epoch": 15, "clip_norm": 5.0},
    "training.optimiser": {"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 1e-2},
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw_folder(tmp_path_factory.mktemp("recordings") / "talks").folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def corrected(folder: Path) -> None:
    """The one correction: the rate of the camera."""
    path = folder / "corpus.yaml"
    text = path.read_text()
    assert text.count("???") == 2, "the hint at the top, and the one value"
    path.write_text(text.replace("sampling_rate: ???", "sampling_rate: 30000/1001"))


def test_one_command_says_what_it_guessed_and_what_it_must_ask(raw: Path, home: Home, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    done = mmstudy(home, "data", "init", raw, "--out", out)
    assert done.returncode == 0
    for says in (
        "30 items, 3 modalities (audio, subtitles, visual), predicted from labels",
        "times in 'timestamp': milliseconds, as items are",
        "label (calm, happy, sad)",
        "segments from 'start' to 'end'",
        "which fits 29.97 and 30",
        f"'{MISSPELT[1]}'. Nearest: '{MISSPELT[0]}', which has no visual. Misspelt?",
        "1 item without it: clip_11",
        "2 items without it: clip_04, clip_17",
        "1 item without it: clip_23",
        "notes.txt: .txt: not a file of rows",
        f"mmstudy data check {out}",
        f"mmstudy run modalities --corpus {out}",
    ):
        assert says in " ".join(done.stdout.split()), says


def test_check_names_the_question_and_then_finds_nothing(raw: Path, home: Home, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    mmstudy(home, "data", "init", raw, "--out", out)
    done = mmstudy(home, "data", "check", out)
    assert done.returncode == 1
    assert "'modalities.visual.sampling_rate' is still to be filled in" in done.stdout
    corrected(out)
    done = mmstudy(home, "data", "check", out)
    assert done.returncode == 0
    assert "30 items, 116 tables read; no error, 3 warnings" in done.stdout
    source = FolderSource(out)
    assert source.table("clip_00", "visual")["time"].iloc[1] == pytest.approx(1 / FRAME_RATE)
    assert source.table("clip_00", "audio")["time"].iloc[1] == pytest.approx(0.01)


def test_json_says_the_same(raw: Path, home: Home, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    told = json.loads(mmstudy(home, "data", "init", raw, "--out", out, "--format", "json").stdout)
    assert len(told["items"]) == 30
    assert {m["name"]: m["times"]["seconds_per_unit"] for m in told["modalities"]}["audio"] == 0.001
    assert told["targets"]["parameters"][0]["labels"] == ["calm", "happy", "sad"]
    assert len(told["questions"]) == 1
    checked = json.loads(mmstudy(home, "data", "check", out, "--format", "json").stdout)
    assert (checked["errors"], checked["warnings"]) == (1, 2)
    assert checked["problems"][0]["found"] == "???"


@pytest.mark.rendered
@pytest.mark.slow
def test_a_study_of_the_new_corpus_agrees_with_the_truth(raw: Path, home: Home, tmp_path: Path) -> None:
    """Audio tells the classes, the picture one of them, words none: by verdicts of `modalities`, on small models."""
    out = tmp_path / "corpus"
    mmstudy(home, "data", "init", raw, "--out", out)
    corrected(out)
    study: dict[str, Any] = yaml.safe_load(catalogue()["modalities"].read_text(encoding="utf-8"))
    study |= {"repeats": 10, "base": SMALL, "analyses": []}
    path = tmp_path / "modalities.yaml"
    path.write_text(yaml.safe_dump(study))
    done = mmstudy(home, "run", path, "--corpus", out, "--pack", "10")
    assert done.returncode == 0, done.stderr
    (report,) = home.root.glob("reports/modalities*/report.json")
    comparisons = json.loads(report.read_text(encoding="utf-8"))["comparisons"]
    verdicts = {(one["arm"], one["reference"]): one["verdict"] for one in comparisons}
    gains = {(one["arm"], one["reference"]): one["difference"] for one in comparisons}
    everything = "audio+subtitles+visual"
    # Audio helps, alone, with the others, and more than a placebo of its size.
    assert verdicts["audio", "subtitles"] == verdicts["audio", "visual"] == "better"
    assert verdicts[everything, "subtitles+visual"] == verdicts[everything, "placebo audio"] == "better"
    # The picture helps where audio is missing; beside audio it brings nothing.
    assert verdicts["subtitles+visual", "subtitles"] == "better"
    assert verdicts["subtitles", "visual"] == "worse"
    assert verdicts[everything, "placebo visual"] != "better"
    # Words bring nothing.
    assert verdicts[everything, "placebo subtitles"] != "better"
    assert verdicts["audio+subtitles", "audio"] != "better"
    assert gains["audio", "subtitles"] > gains["audio", "visual"] > 0.1
