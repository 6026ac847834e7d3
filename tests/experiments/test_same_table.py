"""The same table, always: kills, resumes, workers and whatever else is open leave no trace in a report but times."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from factories.deaths import COMMAND, begun, driver_script, script
from factories.studies import sketching, unmirrored

from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options
from reports.output.times import PLACES, TIMES, without_times

pytestmark = pytest.mark.usefixtures("no_mirror")

STUDY = """\
question: Does a tuned learning rate help?
preset: null
repeats: 3
reference: both
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 2, batch: 8}
arms:
  both: {}
  track: {model.modalities: [track]}
analyses: [{kind: errors}]
search:
  space:
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-4, high: 1e-1, role: scientific}
  sampler: cma_es
  pruner: halving
  budget: {trials: 5}
  repeats: 1
  parallel: 2
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "rate.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected(study: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of one worker in a home of its own."""
    home = Home(tmp_path_factory.mktemp("alone"))
    with sketching(), unmirrored():
        run_study(str(study), home.root, Options(corpus=str(tiny_corpus), workers=1))
    return table(home)


def table(home: Home) -> str:
    """The study's report.json, times and places aside."""
    (file,) = [file for file in home.root.glob("reports/rate*/report.json")]
    return json.dumps(without_times(json.loads(file.read_text(encoding="utf-8"))))


DIES = """
from pathlib import Path
from experiments.cli.main import main
from factories.deaths import before_each_message, die

records, runs = int(sys.argv.pop(1)), Path(sys.argv.pop(1))
before_each_message(lambda *_: len(list(runs.glob("*/record.json"))) >= records and die())
main()
"""


def killed_after(records: int, home: Home, study: Path, corpus: Path, workers: int) -> None:
    """The command, which dies of SIGKILL once so many runs have a record."""
    words = ["--home", home.root, "run", study, "--corpus", corpus, "--workers", str(workers)]
    command = driver_script(DIES, str(records), home.runs, *words)
    process = begun(command, home.make().root / "out.log", OMP_NUM_THREADS="3")
    try:
        assert process.wait(timeout=300) == -signal.SIGKILL, (home.root / "out.log").read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_table_is_the_same_on_four_workers(study: Path, tiny_corpus: Path, home: Home, expected: str) -> None:
    run_study(str(study), home.root, Options(corpus=str(tiny_corpus), workers=4))
    assert table(home) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
@pytest.mark.mirrored
def test_a_table_is_the_same_after_kills_and_beside_other_open_runs(
    study: Path, tiny_corpus: Path, tiny_study: Path, home: Home, expected: str
) -> None:
    """Killed in the search and among the runs; then resumed while another study is open in the same home."""
    for records, workers in ((2, 2), (7, 1)):
        killed_after(records, home, study, tiny_corpus, workers)
    words = ["--home", str(home.root), "run", str(tiny_study), "--corpus", str(tiny_corpus), "--workers", "1"]
    other = begun(script(COMMAND, *words), home.root / "out.log", OMP_NUM_THREADS="3")
    try:
        run_study(str(study), home.root, Options(corpus=str(tiny_corpus), workers=2))
        assert table(home) == expected
        assert other.wait(timeout=300) == 0
    finally:
        other.kill()
        other.wait()
    # Its runs and its own report have changed nothing here.
    run_study(str(study), home.root, Options(corpus=str(tiny_corpus)))
    assert table(home) == expected


def test_what_is_left_of_a_report_is_everything_but_times_and_places(expected: str) -> None:
    left = json.loads(expected)
    assert {"arms", "comparisons", "checks", "sections", "provenance"} <= set(left)
    assert left["sections"]
    assert left["provenance"]["runs"]
    assert left["provenance"]["environment"]["threads"] == [1]
    for name in (*TIMES, *PLACES):
        assert f'"{name}":' not in expected
