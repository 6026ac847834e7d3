"""A corpus whose audio starts at one hour: told by inspect, by every run and by the report's check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from factories.command import mmstudy

from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options
from experiments.progress import Silent

pytestmark = pytest.mark.usefixtures("no_mirror")

TOLD = "times 3600–3603.9 s against 0–3.9 s: an offset of 3600 s? Set offset: -3600 in corpus.yaml"


class Heard(Silent):
    """Keeps all remarks."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def say(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture
def late_corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "late"
    shutil.copytree(tiny_corpus, folder)
    for path in (folder / "audio").glob("*.parquet"):
        pd.read_parquet(path).assign(time=lambda frame: frame["time"] + 3600).to_parquet(path)
    return folder


def test_inspect_run_and_report_name_the_offset(tiny_study: Path, late_corpus: Path, home: Home) -> None:
    text = mmstudy(home, "data", "inspect", late_corpus, "--lag").stdout
    assert f"audio does not meet the other streams in 12 of 12 items. item00: {TOLD}" in text
    told = json.loads(mmstudy(home, "data", "inspect", late_corpus, "--format", "json").stdout)
    assert told["times"] == [line.strip() for line in text.splitlines() if "does not meet" in line]
    assert {row["apart"] for row in told["items"] if row["modality"] == "audio"} == {TOLD}
    # inspect has built the store: the run finds it and tells it all the same.
    heard = Heard()
    outcome = run_study(str(tiny_study), home.root, Options(corpus=str(late_corpus)), display=heard)
    assert any(TOLD in remark for remark in heard.remarks)
    check = next(check for check in outcome.summary.checks if check.code == "ABL035")
    assert check.outcome == "warning"
    assert f"audio in all items (item00: {TOLD})" in check.text


def test_inspect_shows_rows_read_and_used_and_the_lags(tiny_corpus: Path, home: Home) -> None:
    text = mmstudy(home, "data", "inspect", tiny_corpus, "--lag").stdout
    header = next(line for line in text.splitlines() if line.startswith("modality"))
    assert "rows read  rows used  rows a step" in header
    told = json.loads(mmstudy(home, "data", "inspect", tiny_corpus, "--lag", "--format", "json").stdout)
    assert [(row["rows"], row["rows_used"]) for row in told["modalities"]] == [(480, 480), (480, 480)]
    # x copies the level of the same step.
    assert [(lag["verdict"], lag["seconds"], lag["agree"]) for lag in told["lags"]] == [("none", 0.0, 12)]
    assert "audio and track: no lag" in text


def test_inspect_names_a_column_that_no_item_has_a_value_of(tiny_corpus: Path, home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "silent"
    shutil.copytree(tiny_corpus, folder)
    text = mmstudy(home, "data", "inspect", folder).stdout
    assert "without a value" not in text
    # All items are of one length: one number says it.
    assert "length of every item: 40 steps, 4 s" in text
    for path in (folder / "track").glob("*.parquet"):
        pd.read_parquet(path).assign(**{"0_x": float("nan")}).to_parquet(path)
    column = "0_x"
    assert f"track: column {column} has no value in any item" in mmstudy(home, "data", "inspect", folder).stdout
