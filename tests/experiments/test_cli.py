"""The command as a user meets it: exit codes, error texts, text and JSON."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.command import mmstudy, mmstudy_process
from factories.deaths import hears_ctrl_c

import mmcore
from experiments.cli.options import own_options_first
from experiments.home import Home
from reports.output.columns import table
from studies.study import catalogue


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_list_names_the_catalogue(home: Home) -> None:
    names = {entry["study"] for entry in as_json(mmstudy(home, "list", "--format", "json"))}
    assert names == set(catalogue())
    text = mmstudy(home, "list").stdout
    assert "Does multimodal beat track-only?" in text
    assert not home.root.exists()


def test_the_version_needs_no_command() -> None:
    done = subprocess.run([sys.executable, "-m", "experiments.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.split()[:2] == ["mmstudy", mmcore.__version__]


def test_a_value_that_python_would_call_none_is_called_null(home: Home) -> None:
    done = mmstudy(home, "plan", "track_vs_multimodal", "--set", "training.patience=none")
    assert "training.patience" in refused(done)
    assert "Write null for no value" in done.stderr


def test_the_home_may_stand_behind_the_command(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    words = ["plan", str(tiny_study), "--corpus", str(tiny_corpus), "--format", "json"]
    command = [sys.executable, "-m", "experiments.cli", *words, f"--home={home.root}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert as_json(done)["runs"]["to do"] == 4
    assert own_options_first(["run", "x", "--home", "a", "--storage=b"]) == ["--home", "a", "--storage=b", "run", "x"]
    assert own_options_first(["--home", "a", "run", "x", "--home", "b"]) == ["--home", "a", "--home", "b", "run", "x"]
    for words in (["run", "x", "--home"], ["run", "x", "--home", "--format", "json"]):
        assert own_options_first(words) == words


def test_plan_as_json_holds_every_run(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    told = as_json(mmstudy(home, "plan", tiny_study, "--corpus", tiny_corpus, "--format", "json"))
    assert told["runs"] == {"to do": 4, "resume": 0, "running": 0, "done": 0, "failed": 0}
    assert told["comparisons"] == [["both", "track"]]
    assert len(told["fingerprints"]) == 4
    assert not home.root.exists()


def test_a_matched_plan_tells_what_each_arm_costs(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    words = ["plan", tiny_study, "--corpus", tiny_corpus, "--match", "parameters", "--set", "model.feed_forward=64"]
    told = as_json(mmstudy(home, *words, "--format", "json"))
    assert told["match"] == {"by": "parameters", "tolerance": 0.02, "unmatched": False}
    both, track = told["arms"]
    assert track["overrides"] == {"model.modalities": ["track"]}
    assert (track["ratio"], track["within"]) == (1.0, True)
    assert both["within"]
    assert both["ratio"] == both["parameters"] / track["parameters"] == pytest.approx(1, abs=0.02)
    assert both["overrides"]["model.feed_forward"] < 64
    assert both["flops"] > 0
    text = mmstudy(home, *words).stdout
    assert "matched by parameters within 2 % of track" in text
    assert f"{both['parameters']:,}" in text
    # Another question: another report folder, and the command that rebuilds it says so.
    assert "--match parameters" in refused(mmstudy(home, "report", *words[1:]))


def test_a_plan_says_which_arms_could_not_be_matched(home: Home, tiny_corpus: Path, tmp_path: Path) -> None:
    study = tmp_path / "tight.yaml"
    study.write_text(
        "question: Is it?\npreset: null\nrepeats: 2\nreference: small\nmatch: flops\n"
        "base: {data.window: 20, model: {width: 8, layers: 1, heads: 1, feed_forward: 8}}\n"
        "arms: {small: {}, tight: {model: {width: 64, heads: 64}}}\n"
    )
    text = mmstudy(home, "plan", study, "--corpus", tiny_corpus).stdout
    assert "(!) no width, feed_forward or number of layers brings tight there" in text
    told = as_json(mmstudy(home, "plan", study, "--corpus", tiny_corpus, "--format", "json"))
    assert [arm["within"] for arm in told["arms"]] == [True, False]
    assert told["arms"][1]["ratio"] > 2
    assert told["arms"][1]["overrides"]["model.feed_forward"] == 1


def test_a_design_is_planned_with_what_each_arm_changes(home: Home, tiny_corpus: Path, tmp_path: Path) -> None:
    study = tmp_path / "designed.yaml"
    study.write_text(
        "question: Is it?\npreset: null\nrepeats: 2\nreference: base\n"
        "base: {model: {width: 8, layers: 1, heads: 2, feed_forward: 8}}\n"
        "design: {kind: factorial, factors: {model.layers: [1, 2], training.optimiser.learning_rate: [1e-4, 1e-3]}}\n"
    )
    told = as_json(mmstudy(home, "plan", study, "--corpus", tiny_corpus, "--format", "json"))
    assert told["reference"] == "layers=1, learning_rate=0.0001"
    assert told["arms"][3] == {
        "name": "layers=2, learning_rate=0.001",
        "overrides": {"model.layers": 2, "training.optimiser.learning_rate": 0.001},
    }
    text = mmstudy(home, "plan", study, "--corpus", tiny_corpus).stdout
    assert "model.layers = 2, training.optimiser.learning_rate = 0.001" in text
    assert max(len(line) for line in text.splitlines()[4:9]) <= 140
    assert "each of the other 3 arms against layers=1, learning_rate=0.0001" in text


def test_describe_counts_parameters_and_operations_of_each_part(
    home: Home, tiny_study: Path, tiny_corpus: Path
) -> None:
    told = as_json(mmstudy(home, "describe", tiny_study, "--corpus", tiny_corpus, "--format", "json"))
    both, track = told["arms"]
    for arm in (both, track):
        parts = arm["parameters"]
        assert parts["total"] == sum(n for part, n in parts.items() if part != "total")
        assert arm["flops"]["encoder"] > 0
    assert both["parameters"]["fusion"] == 2 * (8 * 8 + 8)  # a gate per modality at width 8
    assert track["parameters"]["fusion"] == 0
    assert both["modalities"] == ["audio", "track"]
    assert both["placebo"] == []
    text = mmstudy(home, "describe", tiny_study, "--corpus", tiny_corpus).stdout
    assert "trained parameters" in text
    assert "both: audio, track\n" in text
    control = tiny_study.with_name("control.yaml")
    control.write_text(tiny_study.read_text() + "  control: {data.placebo: [audio]}\n", encoding="utf-8")
    told = as_json(mmstudy(home, "describe", control, "--corpus", tiny_corpus, "--format", "json"))
    assert told["arms"][2]["placebo"] == ["audio"]
    assert told["arms"][2]["parameters"] == told["arms"][0]["parameters"]
    assert told["arms"][2]["flops"] == told["arms"][0]["flops"]
    text = mmstudy(home, "describe", control, "--corpus", tiny_corpus).stdout
    assert "control: audio (placebo), track" in text


def test_a_whole_study_from_the_command_line(
    home: Home, tiny_study: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--corpus", tiny_corpus, "--repeats", "1", "--set", "training.epochs=1"]
    done = mmstudy_process(home, "run", tiny_study, "--workers", "1", *words)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.rsplit("Report: ", 1)[1].strip())
    assert page.is_file()
    # Piped: a line for each finished run, no bars, no colours.
    assert "[2/2]" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    told = as_json(mmstudy(home, "report", tiny_study, *words, "--format", "json"))
    keys = {
        "study",
        "question",
        "metric",
        "arms",
        "comparisons",
        "baselines",
        "checks",
        "provenance",
        "alpha",
        "margin",
    }
    assert keys <= set(told), "the interface may grow, never shrink"
    assert {arm["name"] for arm in told["arms"]} == {"both", "track"}
    status = as_json(mmstudy(home, "status", tiny_study, *words, "--format", "json"))
    assert status["runs"]["done"] == 2

    # One run on one split: a check warns, which --strict makes an exit code of.
    checked = mmstudy(home, "check", tiny_study, *words, "--strict")
    assert checked.returncode == 1
    assert checked.stderr == ""
    assert "ABL012  warning         All runs share one split" in checked.stdout
    assert "What to do: Add repeats" in checked.stdout
    assert "docs/checks.md#abl012" in checked.stdout
    found = as_json(mmstudy(home, "check", tiny_study, *words, "--format", "json"))
    assert [{k: c[k] for k in ("code", "title", "outcome")} for c in found["checks"]] == told["checks"]
    assert all(c["reason"] and c["advice"] for c in found["checks"])
    verbs = ("check", "report", "run")
    assert [mmstudy(home, verb, tiny_study, *words, "--strict").returncode for verb in verbs] == [1, 1, 1]
    assert [mmstudy(home, verb, tiny_study, *words).returncode for verb in verbs] == [0, 0, 0]
    monkeypatch.setattr("reports.checks.RULES", ())
    assert [mmstudy(home, verb, tiny_study, *words, "--strict").returncode for verb in verbs] == [0, 0, 0]
    assert "done" in mmstudy(home, "status", tiny_study, *words).stdout
    # The changed value is on record in the report.
    assert "training.epochs" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "track_vs_multimodel"], "Did you mean 'track_vs_multimodal'?"),
        (["run", "no/such.yaml"], "no such study file"),
        (["plan", "fusion", "--preset", "sed"], "Did you mean 'seed'?"),
        (["plan", "fusion", "--set", "model.widht=3"], "Did you mean 'width'?"),
        (["plan", "fusion", "--set", "training.epochs"], "--set takes PATH=VALUE"),
        (["plan", "fusion", "--set", "model.width=[1"], "--set model.width: this is not valid YAML"),
        (["plan", "fusion", "--match", "none", "--set", "evaluation.without=[smell]"], "audio, visual, track"),
        (["plan", "fusion", "--metric", "skil"], "Did you mean 'skill'?"),
        (["plan", "fusion", "--corpus", "/nowhere"], "mmstudy data import"),
        (["report", "fusion"], "no finished run yet"),
        (["report", "fusion", "--repeats", "3"], "run fusion --repeats 3"),
        (
            ["plan", "fusion", "--set", "training.epochs="],
            "--set training.epochs: --set takes PATH=VALUE; found no value",
        ),
        (
            ["plan", "fusion", "--set", "training.epochs=1", "--set", "training.epochs=2"],
            "'training.epochs' is set twice",
        ),
        (["plan", "fusion", "--set", "training.epochs=*x"], "--set training.epochs: this is not valid YAML"),
        (["plan", "fusion", "--set", 'model.norm="a\\0"'], "U+0000"),
        (["plan", "fusion", "--set", 'model.norm="\\ud800"'], "U+D800"),
        (["plan", "fusion", "--set", "model..width=8"], "a path is names joined by dots"),
        (["plan", "fusion", "--corpus", ""], "--corpus needs a value; found an empty text"),
        (["plan", "fusion", "--metric", " "], "--metric needs a value; found an empty text"),
        (["plan", "fusion", "--preset", ""], "--preset needs a value; found an empty text"),
        (["plan", "fusion", "--workers", "2000000"], "2000000"),
        (["plan", "fusion", "--set", f"model.width={2**40}"], "at most 65536"),
        (["plan", "fusion", "--set", f"training.epochs={'9' * 400}"], "64 characters are the limit"),
        (["plan", "fusion", "--set", "training.epochs=2026-13-45"], "training.epochs: must be a whole number"),
        (["plan", "fusion", "--set", "device=cuda"], "--device"),
        (["data", "simulate", "/proc/nowhere"], "/proc/nowhere"),
        (["data", "inspect", "/nowhere"], "corpus.yaml"),
        (["data", "import", "seed-layout", "/nowhere"], "/nowhere"),
        (["ui", "fusion"], "no runs in the tracking store"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(home: Home, words: list[str], message: str) -> None:
    errors = refused(mmstudy(home, *words))
    assert message in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "fusion", "--format", "xml"], "'--format': 'xml' is not one of 'text', 'json'."),
        (["judge", "scores.csv", "--step", "best"], "'--step': 'best' is not one of 'last', 'max', 'min'."),
        (["data", "import", "numpi", "x", "--out", "y"], "'kind': 'numpi' is not one of 'smartwatch',"),
    ],
)
def test_a_wrong_choice_is_told_in_words_and_not_by_an_exception(home: Home, words: list[str], message: str) -> None:
    done = mmstudy(home, *words)
    assert done.returncode == 2
    assert f"Invalid value for {message}" in done.stderr
    assert "Value error" not in done.stderr


def test_a_process_given_bad_input_ends_with_one_line_and_exit_code_2(home: Home) -> None:
    words = ("plan", "track_vs_multimodal", "--set", "model.widht=3")
    done = mmstudy_process(home, *words)
    assert "Did you mean 'width'?" in refused(done)
    assert done.stderr == mmstudy(home, *words).stderr


def test_a_home_that_cannot_be_is_one_line(tiny_study: Path, tiny_corpus: Path) -> None:
    errors = refused(mmstudy(Home(Path("/dev/null/x")), "run", tiny_study, "--corpus", tiny_corpus))
    assert errors.startswith("error: /dev/null")
    assert errors.count("\n") == 1


def test_data_simulate_inspect_and_prepare(home: Home, tmp_path: Path) -> None:
    corpus = tmp_path / "made"
    assert mmstudy(home, "data", "simulate", corpus).returncode == 0
    assert (corpus / "truth.yaml").exists()
    told = as_json(mmstudy(home, "data", "inspect", corpus, "--format", "json"))
    visual = next(row for row in told["modalities"] if row["modality"] == "visual")
    assert visual["nan"] > 0
    assert visual["missing"] > 0
    assert len(told["items"]) >= 3 * 60
    text = mmstudy(home, "data", "inspect", corpus).stdout
    assert "visual" in text
    assert "coverage" in text
    gap = next(row for row in told["items"] if any("gap" in text for text in row["warnings"]))
    assert f"{gap['item']}, {gap['modality']}: a gap of" in text
    every = mmstudy(home, "data", "inspect", corpus, "--items").stdout
    assert all(sum(line.startswith(row["item"] + " ") for line in every.splitlines()) >= 3 for row in told["items"])
    done = mmstudy(home, "data", "prepare", corpus)
    assert done.returncode == 0
    assert "prepared 60 items" in done.stdout
    # A second corpus in the same folder would be a mixture.
    assert "new folder" in refused(mmstudy(home, "data", "simulate", corpus))


def test_data_import_converts_the_seeds_files(home: Home, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    videos, steps = ["a", "b", "c", "d"], 200
    for video in videos:
        time_T = np.arange(steps) * 0.1
        names = ["audio_energy_rms", "audio_is_speaking", "silence_duration_ms", "text_is_active"]
        _csv(tmp_path / f"{video}_features.csv", ["time", *names], np.c_[time_T, rng.random((steps, 4))])
        scalars = "scene_change visual_motion saliency_x saliency_y face_count face_center_x face_center_y face_size "
        columns = [*(scalars + "face_mouth_open face_eyebrow_raise").split(), *(f"clip_{i}" for i in range(512))]
        _csv(tmp_path / f"{video}_visual_features.csv", ["time", *columns], np.c_[time_T, rng.random((steps, 522))])
    sequences = rng.random((8, 100, 240)).astype(np.float32)
    sequences[:, :, 0::12] = rng.integers(0, 2, (8, 100, 20))
    sequences[:, :, 1::12] = rng.integers(0, 10, (8, 100, 20))
    np.savez(
        tmp_path / "train_sequences.npz",
        sequences=sequences,
        masks=np.ones((8, 100), dtype=bool),
        video_ids=np.repeat(videos, 2),
    )
    done = mmstudy(home, "data", "import", "seed-layout", tmp_path)
    assert done.returncode == 0, done.stderr
    corpus = tmp_path / "corpus"
    told = as_json(mmstudy(home, "data", "inspect", corpus, "--format", "json"))
    assert [row["modality"] for row in told["modalities"]] == ["audio", "visual", "track"]
    planned = as_json(mmstudy(home, "plan", "seed_experiment", "--corpus", corpus, "--format", "json"))
    assert planned["runs"]["to do"] == 3


def _csv(path: Path, header: list[str], rows: np.ndarray) -> None:
    np.savetxt(path, rows, delimiter=",", header=",".join(header), comments="", fmt="%.4f")


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_ui_serves_the_studys_page_until_ctrl_c(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    assert mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus, "--repeats", "1").returncode == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "experiments.cli.main",
        "--home",
        str(home.root),
        "ui",
        "level",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=hears_ctrl_c
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert f"http://127.0.0.1:{port}/#/experiments/" in line
        end = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
                    assert answer.read() == b"OK"
                break
            except OSError:
                assert time.monotonic() < end, "the server never answered"
                time.sleep(0.2)
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(timeout=120)
        assert server.stdout is not None
        server.stdout.close()
    assert code == 0


def test_tables_align_words_left_and_numbers_right() -> None:
    assert table(["arm", "n"], [["a", 10], ["long", 2]]) == "arm    n\na     10\nlong   2"
