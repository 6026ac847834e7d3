"""``mmstudy home move``: everything works at the new place, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
from factories.command import mmstudy
from factories.finished_study import OPTIONS, WORDS, files_of, project, whole_project
from filelock import FileLock
from mlflow.tracking import MlflowClient

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.upkeep.check import check_home
from experiments.upkeep.move import move_home
from mmcore.errors import MMStudyError, StoreError

__all__ = ["project", "whole_project"]
RENAME, COPY = os.rename, shutil.copy2


def on_another_disk(source: str | Path, target: str | Path) -> None:
    """A rename, where every folder called ``mlruns`` is on a disk of its own."""
    if Path(source).name == "mlruns" and Path(target).parent != Path(source).parent:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
    RENAME(source, target)


def works(home: Home, before: dict[str, bytes] | None = None) -> None:
    """The study has all its runs, its search and its analyses; MLflow finds its files."""
    assert check_home(home).findings == ()
    request = open_request(WORDS[0], home, OPTIONS)
    assert not request.tunes, "the search is finished"
    assert {run.state for run in plan(request, home).runs} == {"done"}
    if before is not None:
        assert mmstudy(home, "report", *WORDS).returncode == 0
        after = files_of(home.root / "reports")
        assert {*after} == {*before}, "its report has the same name"
        same = [name for name in before if name.endswith(".csv")]
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
    client = MlflowClient(home.mlflow_uri)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    (run, *_) = [run for run in runs if "mmstudy.fingerprint" in run.data.tags]
    artifacts = Path(url2pathname(urlparse(str(run.info.artifact_uri)).path))
    assert artifacts.is_relative_to(home.root)
    assert (artifacts / "record.json").is_file()


@pytest.mark.parametrize("other_disk", [False, True])
def test_everything_works_at_the_new_place(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_disk: bool
) -> None:
    if other_disk:
        monkeypatch.setattr(os, "rename", on_another_disk)
    before = files_of(project / "mlruns" / "reports")
    new = Home(tmp_path / "big disk" / "results")
    done = mmstudy(Home.choose(), "home", "move", new.root)
    assert done.returncode == 0, done.stderr
    assert f"--home '{new.root}'" in done.stdout
    assert not (project / "mlruns").exists()
    assert os.listdir(new.root.parent) == ["results"]
    works(new)
    # And back again, beside its study.
    move_home(new, project / "mlruns")
    works(Home.choose(), before)


@pytest.mark.parametrize("at", [5, "place", "old"])
def test_an_interrupted_move_goes_on(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int | str
) -> None:
    home, new = Home.choose(), Home(tmp_path / "results")
    calls = 0

    def rename(source: Path, target: Path) -> None:
        if (at == "place" and target == new.root and source != home.root) or (at == "old" and source == home.root):
            on_another_disk(source, target)
            raise KeyboardInterrupt
        on_another_disk(source, target)

    def copy(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        COPY(source, target)
        if calls == at:
            with open(target, "r+b") as file:
                file.truncate(0)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        patch.setattr(shutil, "copy2", copy)
        with pytest.raises(KeyboardInterrupt):
            move_home(home, new.root)
    assert (project / "mlruns").exists() or new.root.exists()
    monkeypatch.setattr(os, "rename", on_another_disk)
    with pytest.raises(StoreError, match="another home is on its way"):
        move_home(Home(tmp_path), new.root)
    move_home(home, new.root)
    assert not (project / "mlruns").exists()
    assert sorted(os.listdir(project)) == ["corpus", "level.yaml", "level.zip"]
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    works(new)


def test_a_full_disk_loses_nothing(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(project / "mlruns")

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(os, "rename", on_another_disk)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(MMStudyError, match="no space left on the disk"):
            move_home(Home.choose(), tmp_path / "results")
    assert {name: text for name, text in files_of(project / "mlruns").items() if not name.endswith(".lock")} == {
        name: text for name, text in before.items() if not name.endswith(".lock")
    }
    move_home(Home.choose(), tmp_path / "results")


def test_a_bad_copy_is_told_and_the_old_home_is_whole(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(source: Path, target: Path) -> None:
        COPY(source, target)
        if target.name == "record.json":
            target.write_bytes(target.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(os, "rename", on_another_disk)
    monkeypatch.setattr(shutil, "copy2", bad)
    with pytest.raises(StoreError, match="a copy must be the same as its original"):
        move_home(Home.choose(), tmp_path / "results")
    assert check_home(Home.choose()).findings == ()


def test_what_was_written_meanwhile_is_not_removed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(source: Path, target: Path) -> None:
        COPY(source, target)
        (project / "mlruns" / "late.txt").write_text("new")

    monkeypatch.setattr(os, "rename", on_another_disk)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", late)
        with pytest.raises(StoreError, match="nothing may be written to a home while it is copied"):
            move_home(Home.choose(), tmp_path / "results")
    move_home(Home.choose(), tmp_path / "results")
    assert (tmp_path / "results" / "late.txt").read_text() == "new"


def test_a_home_at_work_and_a_place_that_is_taken_are_refused(project: Path, tmp_path: Path) -> None:
    home = Home.choose()
    folder = sorted(home.runs.iterdir())[0]
    with FileLock(folder / "run.lock"), pytest.raises(StoreError, match="when nothing works in it") as caught:
        move_home(home, tmp_path / "results")
    assert "run.lock" in str(caught.value)
    for place, why in (
        (project / "corpus", "does not exist yet"),
        (project / "level.yaml", "does not exist yet"),
        (project / "level.yaml" / "x", "must be a folder"),
        (home.root / "inside", "cannot be moved into itself"),
    ):
        with pytest.raises(StoreError, match=why):
            move_home(home, place)
    with pytest.raises(StoreError, match="there is no home to move"):
        move_home(Home(tmp_path / "none"), tmp_path / "results")
    assert sorted(os.listdir(project)) == ["corpus", "level.yaml", "level.zip", "mlruns"]
