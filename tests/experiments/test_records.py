"""Records are written last and whole."""

import json
import math
import os
from pathlib import Path

import pytest

from experiments.records import RECORD, epochs_trained, forget, is_final, read_head, read_record, write_record
from mmcore.errors import RecordError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_record(tmp_path, {"status": "done", "scores": [{"value": 0.5}]})
    assert read_record(tmp_path) == {"format": 1, "status": "done", "scores": [{"value": 0.5}]}


def test_nan_and_infinity_become_null_so_that_the_file_is_json(tmp_path: Path) -> None:
    write_record(tmp_path, {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": 1})
    text = (tmp_path / RECORD).read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == {
        "format": 1,
        "a": None,
        "b": [None, {"c": None}],
        "d": 1,
    }


def test_no_record_means_not_done(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


def test_a_write_that_fails_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_record(tmp_path, {"status": "done"})
    assert read_record(tmp_path) is None


def test_a_broken_record_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"format": 1, ')
    with pytest.raises(RecordError, match="Remove this file"):
        read_record(tmp_path)


def test_the_head_is_what_stands_before_the_scores(tmp_path: Path) -> None:
    head = {"fingerprint": "ab", "failure": {"message": 'x,\n "scores": ['}, "nested": {"scores": 1}, "seconds": 2.5}
    write_record(tmp_path, {**head, "scores": [{"value": 0.5}] * 9999, "arm": "later"})
    assert read_head(tmp_path) == {"format": 1, **head}
    # A head longer than the part that is read at a time.
    head["config"] = {str(i): "x" * 100 for i in range(500)}
    write_record(tmp_path, {**head, "scores": [], "arm": "later"})
    assert read_head(tmp_path) == {"format": 1, **head}


def test_a_record_without_scores_is_its_own_head(tmp_path: Path) -> None:
    write_record(tmp_path, {"status": "done", "arm": "a"})
    assert read_head(tmp_path) == read_record(tmp_path)
    assert read_head(tmp_path / "none") is None
    (tmp_path / RECORD).write_text('{"format": 1, "sco')
    with pytest.raises(RecordError, match="Remove this file"):
        read_head(tmp_path)


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"format": 99}')
    with pytest.raises(RecordError, match=r"expected 1; found 99"):
        read_record(tmp_path)


def test_epochs_count_only_with_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text('[{"epoch": 1}, {"epoch": 2}]')
    assert epochs_trained(tmp_path) == 0
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"")
    assert epochs_trained(tmp_path) == 2


def test_forgetting_removes_what_a_new_training_must_not_find(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"")
    write_record(tmp_path, {"status": "failed"})
    (tmp_path / "error.txt").write_text("why")
    (tmp_path / "run.lock").touch()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
    assert read_record(tmp_path) is None
    assert epochs_trained(tmp_path) == 0


def test_only_a_result_or_a_divergence_is_the_last_word() -> None:
    assert is_final({"status": "done", "failure": None})
    assert is_final({"status": "failed", "failure": {"error": "TrainingDiverged"}})
    assert not is_final({"status": "failed", "failure": {"error": "OSError"}})
    assert not is_final({"status": "failed", "failure": None})
