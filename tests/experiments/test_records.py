"""Records are written last and whole."""

import json
import math
import os
from pathlib import Path

import pytest
from factories.records import a_record, failed

from experiments.records import RECORD, delete_run, epochs_trained, read_head, read_record, write_record
from mmcore.config import build_config
from mmcore.errors import RecordError
from mmcore.facts import Alike, CorpusFacts, Failure, Side, SplitFacts
from mmcore.record import Head, Record
from mmcore.scores import ItemLoss, Outcome, Score


def a_whole_record() -> Record:
    """A record with something in every kind of field, and no NaN, which equals nothing."""
    return a_record(
        scores=(Score("test", "all", "mae", "x", 0.5, parameter="left"),),
        history=({"epoch": 1, "train/loss": 2.0},),
        items=(ItemLoss("a", "g", True, "x", 0.1, 7, 0.2),),
        outcomes=(Outcome("a", "left", "x", 7, 0.1, 0.2, None, ((0, 1, 7),)),),
        corpus=CorpusFacts(missing={"audio": 1}, alike=(Alike("audio", "track", (("l", "m"),), 1),), copies=()),
        split=SplitFacts(test=Side(3, 2, 9, cut=1, missing={"audio": 1}), twins=(("a", "b"),)),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for record in (a_whole_record(), failed(failure=Failure("TrainingDiverged", "NaN", 1, 2, "x"), history=())):
        write_record(tmp_path, record)
        assert read_record(tmp_path) == record


def test_nan_and_infinity_become_null_so_that_the_file_is_json_and_are_read_as_nan(tmp_path: Path) -> None:
    scores = tuple(Score("test", "all", "skill", None, value) for value in (math.nan, math.inf, -math.inf, 1.0))
    write_record(tmp_path, a_record(scores=scores, history=({"epoch": 1, "train/loss": math.nan},)))
    told = json.loads((tmp_path / RECORD).read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [score["value"] for score in told["scores"]] == [None, None, None, 1.0]
    assert told["history"] == [{"epoch": 1, "train/loss": None}]
    record = read_record(tmp_path)
    assert record is not None
    assert [math.isnan(score.value) for score in record.scores] == [True, True, True, False]
    assert math.isnan(record.history[0]["train/loss"])


def test_no_record_means_not_done(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


def test_a_write_that_fails_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_record(tmp_path, a_record())
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ['{"format": 1, ', "", "[]", "null", '{"format": 1}', '{"format": 1, "repeat": "a"}'])
def test_a_broken_record_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    for read in (read_record, read_head):
        with pytest.raises(RecordError, match=r"sets this file aside"):
            read(tmp_path)


def test_a_field_of_a_wrong_type_is_named(tmp_path: Path) -> None:
    write_record(tmp_path, a_whole_record())
    text = (tmp_path / RECORD).read_text()
    (tmp_path / RECORD).write_text(text.replace('"count": 7', '"count": "seven"', 1))
    with pytest.raises(RecordError, match=r"'items\.0\.count' of the record.*found 'seven'"):
        read_record(tmp_path)


def test_the_head_is_what_stands_before_the_scores(tmp_path: Path) -> None:
    failure = Failure("error", 'x,\n "scores": [')
    # The second head is longer than the part that is read at a time.
    for config in (build_config({"corpus": "c"}), build_config({"corpus": "c" * 50_000})):
        record = a_record(failure=failure, config=config, scores=(Score("test", "all", "skill", None, 0.5),) * 9999)
        write_record(tmp_path, record)
        head = read_head(tmp_path)
        assert head == Head(**{name: getattr(record, name) for name in Head.__dataclass_fields__})
        assert isinstance(head, Head)


def test_a_torn_record_has_no_head(tmp_path: Path) -> None:
    assert read_head(tmp_path / "none") is None
    (tmp_path / RECORD).write_text('{"format": 1, "sco')
    with pytest.raises(RecordError, match="sets this file aside"):
        read_head(tmp_path)


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"format": 99}')
    with pytest.raises(RecordError, match=r"expected 1; found 99"):
        read_record(tmp_path)


def test_a_record_of_an_earlier_version_lacks_what_was_not_measured_then(tmp_path: Path) -> None:
    write_record(tmp_path, a_whole_record())
    told = json.loads((tmp_path / RECORD).read_text())
    for name in ("leakage", "selection", "gates", "hardware", "outcomes", "calibration", "naive_classes"):
        del told[name]
    for name in ("scope", "lengths", "alike", "copies"):
        del told["corpus"][name]
    for name in ("drawn", "divided_groups", "twins"):
        del told["split"][name]
    for name in ("cut", "missing", "labels"):
        del told["split"]["test"][name]
    told["split"]["given"] = True
    (tmp_path / RECORD).write_text(json.dumps(told))
    record = read_record(tmp_path)
    assert record is not None
    assert (record.gates, record.outcomes, record.leakage.windows) == (None, (), None)
    assert (record.corpus.scope, record.corpus.lengths, record.corpus.alike) == (None, None, None)
    assert record.split.test == Side(3, 2, 9)
    assert record.split.came_about == "corpus"


def test_epochs_count_only_with_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text('[{"epoch": 1}, {"epoch": 2}]')
    assert epochs_trained(tmp_path) == 0
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"")
    assert epochs_trained(tmp_path) == 2


def test_forgetting_removes_what_a_new_training_must_not_find(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"")
    write_record(tmp_path, failed())
    (tmp_path / "error.txt").write_text("why")
    (tmp_path / "run.lock").touch()
    delete_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
    assert read_record(tmp_path) is None
    assert epochs_trained(tmp_path) == 0


def test_only_a_result_or_a_divergence_is_the_last_word() -> None:
    assert a_record().is_final
    assert failed().is_final
    assert not failed(failure=Failure("OSError")).is_final
    assert not failed(failure=None).is_final


def test_a_score_is_named_as_in_a_study_or_by_its_parts() -> None:
    record = a_record(scores=(Score("test", "all", "accuracy", "label", 0.75),))
    assert record.score("label/accuracy") == record.score("accuracy", "label") == 0.75
    with pytest.raises(KeyError, match="label/accuracy"):
        record.score("label/f1")
