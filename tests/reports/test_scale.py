"""Large studies: what a page holds grows slowly enough with runs that 2,000 of them stay below 10 MiB."""

import pandas as pd
import pytest

from reports.output.render import LONG, write_report
from reports.summary.build import summarise

PAGE = 10 * 2**20
RUNS = 2000


@pytest.fixture(scope="module")
def written(results_of, study_of, tmp_path_factory):
    """20 arms × 20 repeats × 30 epochs, six components, forty items, every section of records."""
    arms = [f"arm number {i}" for i in range(20)]
    components = ("active", "asset", "scale", "position", "rotation", "crop")
    results = results_of(study_of(arms, repeats=20), effects={}, components=components, epochs=30, items=40,
                         calibrated=True)  # fmt: skip
    return results, write_report(summarise(results), results, tmp_path_factory.mktemp("scale"))


def test_the_page_stays_within_its_share(written):
    results, page = written
    assert len(results.runs) == 400
    assert page.stat().st_size <= PAGE * len(results.runs) / RUNS


def test_every_run_and_every_number_is_still_there(written):
    results, page = written
    html = page.read_text(encoding="utf-8")
    assert all(fingerprint in html for fingerprint in (run.fingerprint for run in results.runs))
    tables = page.parent / "tables"
    for name in LONG:
        read = pd.read_csv(tables / f"{name}.csv")
        frame = getattr(results, name)
        assert list(read.columns) == list(frame.columns)
        assert len(read) == len(frame)
        column = {"items": "loss", "scores": "value", "history": "train/loss"}[name]
        assert (read[column] == frame[column].to_numpy()).all()
