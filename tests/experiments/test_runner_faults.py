"""Training code of the user's own, and what goes wrong around it: a full disk, torn files, killed attempts."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from factories.training_code import SCRIPT, STUDY, project

from experiments.foreign import attempt
from experiments.foreign.execute import foreign_trial
from experiments.home import Home
from experiments.jobs import code_of
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options, has_runner
from experiments.records import read_record
from mmcore import atomic
from mmcore.errors import MMStudyError
from mmcore.events import Event, Note
from mmcore.record import Record

pytestmark = pytest.mark.usefixtures("no_mirror")

FULL = os.strerror(errno.ENOSPC)


def train_one(path: Path, home: Home, told: list[Event] | None = None) -> tuple[Record, Path]:
    """The first run of a study, trained in this process; its record and its folder."""
    request = open_request(str(path), home, Options())
    assert has_runner(request)
    run = plan(request, home).runs[0]
    folder = home.run(run.fingerprint or "")
    record = foreign_trial(
        run.config, code_of(request, run.config), run.repeat, folder,
        study="gate", arm=run.arm, fingerprint=folder.name, threads=1,
        on_event=([] if told is None else told).append,
    )  # fmt: skip
    return record, folder


def folder_of(path: Path, home: Home) -> Path:
    request = open_request(str(path), home, Options())
    return home.run(plan(request, home).runs[0].fingerprint or "")


def test_a_disk_that_is_full_for_us_is_no_failure_of_the_run(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path / "project", STUDY)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, FULL, "history.json")

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "_keep", full)
        with pytest.raises(MMStudyError, match="no space left on the disk"):
            train_one(path, home)
    assert read_record(folder_of(path, home)) is None
    assert train_one(path, home)[0].done


@pytest.mark.parametrize("says", [True, False])
def test_a_disk_that_is_full_for_the_training_code_is_no_failure_of_the_run(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, says: bool
) -> None:
    """It says so, or its output found no room either."""
    study = project(tmp_path / "project", STUDY, train=SCRIPT)
    words = f"raise OSError({errno.ENOSPC}, {FULL!r})" if says else "raise SystemExit(1)"
    once = f"import pathlib\nif not pathlib.Path('room').exists():\n    {words}\n"
    (study.parent / "train.py").write_text(once + SCRIPT, encoding="utf-8")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        if not says:
            patch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30, 4096))
        with pytest.raises(MMStudyError, match="no space left on the disk") as problem:
            train_one(study, home)
    folder = folder_of(study, home)
    assert problem.value.where == str(folder)
    assert read_record(folder) is None
    (study.parent / "room").touch()
    assert train_one(study, home)[0].done


def test_a_failure_on_a_disk_with_room_is_one(tmp_path: Path, home: Home) -> None:
    record, folder = train_one(project(tmp_path / "project", STUDY, train="raise SystemExit(3)"), home)
    assert record.why.startswith("it ended with exit code 3")
    assert read_record(folder) == record
    assert not atomic.is_full(folder)


def test_a_torn_record_is_set_aside_and_the_run_trained_again(tmp_path: Path, home: Home) -> None:
    """As a search meets it, which opens runs by name."""
    path = project(tmp_path / "project", STUDY)
    record, folder = train_one(path, home)
    (folder / "record.json").write_bytes((folder / "record.json").read_bytes()[:300])
    told: list[Event] = []
    again, _ = train_one(path, home, told)
    assert again.scores == record.scores
    (note,) = [event.text for event in told if isinstance(event, Note)]
    (kept,) = folder.glob("record.json.broken-*")
    assert str(kept) in note


def test_a_finished_run_keeps_nothing_of_an_attempt_that_was_killed(tmp_path: Path, home: Home) -> None:
    path = project(tmp_path / "project", STUDY)
    folder = folder_of(path, home)
    (folder / "work.4711.old").mkdir(parents=True)
    names = (".history.json.4711", ".history.json.4711-0.tmp", ".scores.json.4711", "error.txt", "error.json")
    left = [folder / name for name in names]
    for file in (*left, folder / "work.4711.old" / "model.pt", folder / ".record.json.4711-0.tmp"):
        file.write_text("[]", encoding="utf-8")
    # The attempt that follows tells of no epoch.
    (folder / "history.json").write_text('[{"epoch": 1}]', encoding="utf-8")
    silent = SCRIPT.replace('print(json.dumps({"epoch"', 'False and print(json.dumps({"epoch"')
    assert silent != SCRIPT
    (path.parent / "train.py").write_text(silent, encoding="utf-8")
    moved = folder_of(path, home)
    shutil.move(folder, moved)
    record, _ = train_one(path, home)
    assert record.done
    assert {file.name for file in moved.iterdir()} == {"record.json", "run.lock", "output.log", "settings.yaml", "work"}
