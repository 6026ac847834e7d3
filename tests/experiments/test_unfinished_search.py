"""Commands that read records, on a study whose plain arms have some and whose search is not finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.execute import trial
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from mmcore.data.prepare import prepare
from mmcore.fingerprint import fingerprint

SEARCH = """\
corpus: {corpus}
search:
  sampler: random
  budget: {{trials: 4}}
  repeats: 1
  space:
    training.optimiser.learning_rate: {{kind: log_uniform, low: 1e-4, high: 1e-2, role: scientific}}
"""


@pytest.fixture
def begun(home: Home, tmp_path: Path, tiny_corpus: Path, tiny_study_text: str) -> Path:
    """The study's file; each of its two plain arms is trained for a repeat."""
    threads = torch.get_num_threads()
    path = tmp_path / "searching.yaml"
    path.write_text(tiny_study_text + SEARCH.format(corpus=tiny_corpus), encoding="utf-8")
    request = open_request(str(path), home, Options())
    assert request.tunes
    prepared = prepare(request.place.folder, request.study.arms[0].config.data, home.prepared)
    for arm in request.study.arms:
        config = arm.config.model_copy(update={"repeat": request.study.first_repeat, "threads": 1})
        identity = fingerprint(config, prepared.content)
        told = {"study": request.study.name, "arm": arm.name, "fingerprint": identity}
        trial(config, home.run(identity), lambda: prepared, on_event=lambda event: None, **told)
    torch.set_num_threads(threads)
    return path


def test_report_check_and_compare_tell_what_is_still_to_be_found(home: Home, begun: Path) -> None:
    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["--home", str(home.root), *words])
        assert done.exit_code == 0, (words, done.exception)
        return done.stdout

    for command in ("report", "check"):
        text = " ".join(told(command, str(begun)).split())
        assert "The search has not begun with these options; 1 arm still to be found: 'tuned'." in text
        assert f"mmstudy --home {home.root} run {begun}" in text
    found = json.loads(told("report", str(begun), "--format", "json"))
    assert [(c["arm"], c["reference"]) for c in found["comparisons"]] == [("both", "track")]
    checks = {c["code"]: c["outcome"] for c in json.loads(told("check", str(begun), "--format", "json"))["checks"]}
    assert checks["ABL031"] == "warning"
    with_another_metric = json.loads(told("report", str(begun), "--metric", "loss", "--format", "json"))
    assert with_another_metric["metric"] == "loss"
    assert "both" in told("compare", str(begun), str(begun))
