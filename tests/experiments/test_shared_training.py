"""Arms that differ in how they are tested alone share one training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.planning.timings import read
from experiments.records import read_record, write_record
from mmcore.config import EvaluationConfig
from mmcore.errors import StudyError
from mmcore.record import Record

pytestmark = pytest.mark.usefixtures("no_mirror")

ARMS = """\
arms:
  deaf: {evaluation.without: [audio]}
  track: {}
"""


@pytest.fixture
def study(tmp_path: Path, tiny_study_text: str) -> Path:
    """Reference ``track`` reads both modalities; ``deaf``, named before it, is the same model without the audio."""
    path = tmp_path / "level.yaml"
    path.write_text(tiny_study_text.partition("arms:\n")[0] + ARMS, encoding="utf-8")
    return path


def records_of(home: Home) -> dict[tuple[str, int], Record]:
    """By what was taken away, and repeat."""
    found = [read_record(folder) for folder in home.runs.iterdir()]
    return {
        (",".join(record.config.evaluation.without), record.repeat): record for record in found if record is not None
    }


def trainings_of(home: Home) -> set[str]:
    return {path.parent.parent.name for path in home.runs.glob("*/checkpoints/last.pt")}


def test_one_training_for_both_arms_and_another_call_does_nothing(study: Path, tiny_corpus: Path, home: Home) -> None:
    options = Options(corpus=str(tiny_corpus))
    outcome = run_study(str(study), home.root, options)
    assert outcome.failed == 0
    records = records_of(home)
    assert set(records) == {(without, repeat) for without in ("audio", "") for repeat in (0, 1)}
    assert trainings_of(home) == {records["", repeat].fingerprint for repeat in (0, 1)}
    for repeat in (0, 1):
        deaf, track = records["audio", repeat], records["", repeat]
        for same in ("history", "best_epoch", "parameters", "flops", "split", "leakage"):
            assert getattr(deaf, same) == getattr(track, same)
        assert [row.naive_loss for row in deaf.items] == [row.naive_loss for row in track.items]
        assert [row.loss for row in deaf.items] != [row.loss for row in track.items]
        # A test may begin early and wait for a training in another worker; it cannot end before that has.
        assert deaf.finished >= track.finished
    stamps = {path: path.stat().st_mtime_ns for path in home.runs.rglob("*.pt")}
    run_study(str(study), home.root, options)
    assert {path: path.stat().st_mtime_ns for path in home.runs.rglob("*.pt")} == stamps


def test_a_training_that_no_arm_names_is_done_and_recorded_once(study: Path, tiny_corpus: Path, home: Home) -> None:
    text = study.read_text().replace("  track: {}", "  track: {evaluation.without: [track]}")
    study.write_text(text)
    options = Options(corpus=str(tiny_corpus), repeats=1)
    before = plan(open_request(str(study), home, options), home)
    first, second = (run.seconds for run in before.runs)
    assert 0 < second < first
    assert run_study(str(study), home.root, options).failed == 0
    (name,) = trainings_of(home)
    record = read_record(home.run(name))
    assert record is not None
    assert (record.status, record.study) == ("done", "level")
    assert record.config.evaluation == EvaluationConfig()
    assert len(list(home.runs.iterdir())) == 3


def test_testing_is_planned_as_a_matter_of_seconds_and_teaches_nothing_about_training(
    study: Path, tiny_corpus: Path, home: Home
) -> None:
    # One worker: of two, either may be the one that trains what both runs share.
    options = Options(corpus=str(tiny_corpus), repeats=1, workers=1)
    deaf, track = plan(open_request(str(study), home, options), home).runs
    assert (deaf.arm, track.arm) == ("deaf", "track")
    assert 0 < deaf.seconds < track.seconds
    run_study(str(study), home.root, options)
    more = plan(open_request(str(study), home, Options(corpus=str(tiny_corpus), repeats=2)), home)
    assert more.basis == "1 finished run of these arms"
    assert [run.state for run in more.runs] == ["done", "done", "to do", "to do"]
    assert more.runs[2].seconds > 0 < more.runs[3].seconds
    # How long they really took says more of the machine than of the code: what counts is that they are kept apart.
    assert [timing.run for timing in read(home) if timing.kind == "train"] == [track.fingerprint]


def test_where_the_training_failed_the_test_has_failed_too_and_says_why(
    study: Path, tiny_corpus: Path, home: Home
) -> None:
    wild = ("training.optimiser.learning_rate", 1e30), ("training.schedule.kind", "constant")
    options = Options(corpus=str(tiny_corpus), repeats=1, changes=wild)
    request = open_request(str(study), home, options)
    run_study(str(study), home.root, options)
    deaf = records_of(home)["audio", 0]
    assert deaf.failure is not None
    assert (deaf.status, deaf.failure.error) == ("failed", "TrainingDiverged")
    assert "the training that it shares with run" in deaf.why
    assert records_of(home)["", 0].why in deaf.why
    # Both are final, until they are to be tried again; then the training is, too, though no arm may name it.
    assert [run.state for run in plan(request, home).runs] == ["failed", "failed"]
    track = home.run(records_of(home)["", 0].fingerprint)
    write_record(track, replace(records_of(home)["", 0], arm="of another study"))
    study.write_text(study.read_text().replace("  track: {}", "  track: {evaluation.without: [track]}"))
    run_study(str(study), home.root, options, retry_failed=True)
    record = read_record(track)
    assert record is not None
    # Trained anew for whichever of the two arms that share it came first.
    assert record.arm in ("deaf", "track")


def test_what_cannot_be_taken_away_is_refused_when_the_study_is_read(
    study: Path, tiny_corpus: Path, home: Home
) -> None:
    study.write_text(study.read_text().replace("[audio]", "[audoi]"))
    with pytest.raises(StudyError, match="Did you mean 'audio'"):
        open_request(str(study), home, Options(corpus=str(tiny_corpus)))
