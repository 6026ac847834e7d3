"""A study that travels as one file is the same study elsewhere, and no archive harms the home that takes it in."""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.finished_study import OPTIONS, WORDS, files_of, project, whole_project, within
from factories.training_code import project as runner_project
from mlflow.tracking import MlflowClient

from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.portable import take_in
from experiments.portable.archive import Enclosed, write_archive
from experiments.portable.manifest import parse_manifest
from experiments.portable.take_in import import_study
from mmcore.errors import CorpusError, MMStudyError, RecordError

__all__ = ["project", "whole_project"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder: another machine."""
    (tmp_path / "another machine").mkdir()
    return tmp_path / "another machine"


def report_of(folder: Path) -> dict[str, bytes]:
    return files_of(folder / "mlruns" / "reports")


# The same study ------------------------------------------------------------------------------------------------------
def test_a_report_elsewhere_has_the_same_bytes(whole_project: Path, elsewhere: Path) -> None:
    archive = whole_project / "level.zip"
    with within(elsewhere):
        home = Home.choose()
        done = mmstudy(home, "home", "import", archive)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert "report: mmstudy report level.yaml --corpus corpus" in lines
        assert "2 searches copied" in lines
        assert mmstudy(home, "report", *WORDS).returncode == 0
        told = mmstudy(home, "status", *WORDS)
    assert told.returncode == 0, told.stderr
    assert not (elsewhere / "corpus").exists(), "the corpus stays where it is"
    before, after = report_of(whole_project), report_of(elsewhere)
    assert "report.html" in {Path(name).name for name in after}
    assert after == before


def test_an_imported_study_is_mirrored_and_not_trained(whole_project: Path, elsewhere: Path) -> None:
    with within(elsewhere):
        home = Home.choose()
        import_study(whole_project / "level.zip", home)
        again = import_study(whole_project / "level.zip", home)
        assert (again.placed, again.searches) == (0, 0)
        assert again.done == again.planned == again.known - 2, "one trial of each search besides the runs of the study"
        assert mmstudy(home, "sync", *WORDS).returncode == 0
        client = MlflowClient(home.mlflow_uri)
        shown = client.search_runs([one.experiment_id for one in client.search_experiments()])
        assert {run.info.status for run in shown} == {"FINISHED"}
        fingerprints = {run.data.tags.get("mmstudy.fingerprint") for run in shown}
        planned = plan(open_request("level.yaml", home, OPTIONS), home).runs
        assert {run.fingerprint for run in planned} <= fingerprints
        assert sum("mmstudy.trial" in run.data.tags for run in shown) == 2
        with pytest.raises(CorpusError, match="the corpus of this study is on another machine"):
            run_study("level.yaml", corpus="corpus", changes={"training.epochs": 2})


def test_with_its_corpus_a_study_goes_on_elsewhere(project: Path, elsewhere: Path) -> None:
    home = Home.choose()
    (project / "level.zip").unlink()
    done = mmstudy(home, "home", "export", WORDS[0], "level.zip", *WORDS[1:], "--with-corpus", "--no-checkpoints")
    assert done.returncode == 0, done.stderr
    assert "left out: checkpoints" in done.stdout
    with within(elsewhere):
        assert import_study(project / "level.zip", Home.choose()).corpus
        request = open_request("level.yaml", Home.choose(), OPTIONS)
        assert request.place.ensure().is_relative_to(elsewhere / "mlruns")
        assert not list((elsewhere / "mlruns").rglob("*.pt"))
        table = next(request.place.ensure().glob("audio/*.parquet"))
        table.write_bytes(b"")
        with pytest.raises(CorpusError, match="the corpus must have the content"):
            request.place.ensure()


def test_training_code_travels_only_if_both_sides_say_so(tmp_path: Path, elsewhere: Path) -> None:
    from factories.training_code import STUDY

    path = runner_project(tmp_path / "mine", STUDY.replace("repeats: 8", "repeats: 2"))
    with within(path.parent):
        outcome = run_study("gate.yaml")
        before = files_of(outcome.report.parent)
        done = mmstudy(Home.choose(), "home", "export", "gate.yaml", "gate.zip")
        assert "with code of yours, which the study needs: train.py" in done.stdout
    with within(elsewhere):
        refused = mmstudy(Home.choose(), "home", "import", path.parent / "gate.zip")
        assert refused.returncode == 2
        assert "1 file: train.py" in refused.stderr
        assert os.listdir(elsewhere) == []
        import_study(path.parent / "gate.zip", Home.choose(), with_code=True)
        assert mmstudy(Home.choose(), "report", "gate.yaml").returncode == 0
        (after,) = (files_of(folder) for folder in (elsewhere / "mlruns" / "reports").iterdir())
    assert after == before


# What is there stays -------------------------------------------------------------------------------------------------
def test_what_differs_is_refused_and_nothing_is_changed(project: Path, elsewhere: Path) -> None:
    with within(elsewhere):
        import_study(project / "level.zip", Home.choose())
        record = next(Home.choose().runs.glob("*/record.json"))
        record.write_bytes(record.read_bytes() + b"\n")
        for changed in (record, elsewhere / "level.yaml"):
            if changed.suffix == ".yaml":
                changed.write_text("question: Mine?\n")
            before = files_of(elsewhere)
            with pytest.raises(RecordError, match="an import overwrites nothing") as caught:
                import_study(project / "level.zip", Home.choose())
            assert str(changed) in str(caught.value)
            assert str(project / "level.zip") in str(caught.value)
            assert files_of(elsewhere) == before
            changed.unlink()
        assert import_study(project / "level.zip", Home.choose()).placed == 1


def test_an_export_overwrites_nothing(project: Path) -> None:
    done = mmstudy(Home.choose(), "home", "export", WORDS[0], "level.zip", *WORDS[1:])
    assert done.returncode == 2
    assert "an export overwrites nothing" in done.stderr
    done = mmstudy(Home.choose(), "home", "export", WORDS[0], "new.zip", *WORDS[1:], "--metric", "no_such")
    assert done.returncode == 2
    assert sorted(os.listdir(project)) == ["corpus", "level.yaml", "level.zip", "mlruns"]


class Stopped(BaseException):
    """What a test raises where a process would be killed."""


@pytest.mark.parametrize("error", [Stopped(), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_import_leaves_whole_runs_and_goes_on(
    project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    replace, calls = os.replace, 0

    def stops(source: Path, target: Path) -> None:
        nonlocal calls
        calls += "runs" in Path(target).parts
        if calls == 9:
            raise error
        replace(source, target)

    with within(elsewhere):
        monkeypatch.setattr(take_in.os, "replace", stops)
        with pytest.raises((Stopped, KeyboardInterrupt, MMStudyError)):
            import_study(project / "level.zip", Home.choose())
        monkeypatch.undo()
        home = Home.choose()
        assert not list(home.root.glob(".import-*"))
        assert 0 < len(list(home.runs.glob("*/record.json"))) < 6
        for record in home.runs.glob("*/record.json"):
            assert len(list(record.parent.glob("checkpoints/best.pt"))) == 1, "a run with a record is whole"
        done = import_study(project / "level.zip", home)
        assert done.done == done.planned
        assert mmstudy(home, "home", "check", "--mend").returncode == 0


# Archives that mean harm ---------------------------------------------------------------------------------------------
def rewritten(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A copy of an archive with other files; its manifest is left as it is unless the change touches it."""
    with zipfile.ZipFile(archive) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    change(files)
    other = archive.with_name("other.zip")
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, text in files.items():
            whole.writestr(name, text)
    return other


def repacked(archive: Path, change: Callable[[dict[str, bytes], dict[str, object]], None]) -> Path:
    """The same with a manifest that fits the files, as a forger would write it."""
    with zipfile.ZipFile(archive) as whole:
        files = {name: whole.read(name) for name in whole.namelist() if name != "manifest.json"}
        said = json.loads(whole.read("manifest.json"))
    change(files, said)
    other = archive.with_name("other.zip")
    other.unlink(missing_ok=True)
    manifest = parse_manifest(json.dumps({**said, "files": _listed(files)}).encode(), "test")
    write_archive(other, manifest, [Enclosed(name, text) for name, text in files.items()])
    return other


def _listed(files: dict[str, bytes]) -> list[dict[str, object]]:
    return [{"path": name, "size": len(text), "sha256": "0" * 64} for name, text in files.items()]


def named(name: str) -> Callable[[dict[str, bytes]], None]:
    """Adds a file to archive and manifest."""

    def change(files: dict[str, bytes]) -> None:
        said = json.loads(files["manifest.json"])
        said["files"].append({"path": name, "size": 1, "sha256": "0" * 64})
        files["manifest.json"] = json.dumps(said).encode()
        files[name] = b"x"

    return change


def manifest_with(**changes: object) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **changes}).encode()

    return change


def truncated_record(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith("record.json"))
    files[name] = files[name][:-2] + b"x}"


FORGED: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a path out of the home": (named("../evil.py"), "holds only files that a home or a study has"),
    "an absolute path": (named("/tmp/evil.py"), "holds only files that a home or a study has"),
    "a path out of the runs": (named("runs/../../evil"), "holds only files that a home or a study has"),
    "a drive": (named("C:\\evil.py"), "holds only files that a home or a study has"),
    "a hidden file beside the study": (named("code/.bashrc"), "holds only files that a home or a study has"),
    "code that steps out": (named("code/a/../../../evil.py"), "holds only files that a home or a study has"),
    "a lock": (named(f"runs/{'0' * 32}/run.lock"), "holds only files that a home or a study has"),
    "another byte": (truncated_record, "its hash differs"),
    "a file too many": (lambda files: files.update(x=b"x"), "holds the files that its manifest names"),
    "a file too few": (lambda files: files.pop("study.yaml"), "holds the files that its manifest names"),
    "no manifest": (lambda files: files.pop("manifest.json"), "has one manifest.json"),
    "a torn manifest": (lambda files: files.update({"manifest.json": b"{"}), "the manifest must be whole JSON"),
    "a later format": (manifest_with(format=2), "the archive has another format; expected 1; found 2"),
    "a wrong type": (manifest_with(runs=3), "'runs' of the manifest must be a list; found 3"),
    "a run that is none": (manifest_with(runs=["../x"]), "32 hexadecimal digits"),
    "a study that is none": (manifest_with(study="../x"), "the manifest must name a study"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_archive_is_refused_and_leaves_nothing(project: Path, elsewhere: Path, kind: str) -> None:
    change, why = FORGED[kind]
    archive = rewritten(project / "level.zip", change)
    with within(elsewhere), pytest.raises(RecordError, match=why) as caught:
        import_study(archive, Home.choose())
    assert str(archive) in str(caught.value)
    left = {path.name for path in elsewhere.rglob("*") if path.is_file()}
    assert left <= {".gitignore", "import.lock"}


def test_a_record_under_the_name_of_another_run_is_refused(project: Path, elsewhere: Path) -> None:
    def swapped(files: dict[str, bytes], said: dict[str, object]) -> None:
        one, two = [name for name in files if name.endswith("/record.json")][:2]
        files[one] = files[two]

    with within(elsewhere), pytest.raises(RecordError, match="a record must lie in the folder of its own run"):
        import_study(repacked(project / "level.zip", swapped), Home.choose())
    assert not list(elsewhere.rglob("record.json"))


def test_a_file_that_is_no_study_is_not_placed_beside_the_home(project: Path, elsewhere: Path) -> None:
    def other(files: dict[str, bytes], said: dict[str, object]) -> None:
        files["study.yaml"] = b"services: {web: {image: evil}}\n"
        said["file"] = "../docker-compose.yaml"

    with within(elsewhere), pytest.raises(MMStudyError, match=r"study\.yaml"):
        import_study(repacked(project / "level.zip", other), Home.choose())
    assert os.listdir(elsewhere) == ["mlruns"]


def test_bombs_links_and_special_files_are_refused_before_anything_is_unpacked(project: Path, elsewhere: Path) -> None:
    home, bomb = Home(elsewhere / "mlruns"), elsewhere / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("study.yaml", bytes(1000))
        whole.filelist[0].file_size = 2 << 30
    with pytest.raises(RecordError, match="an archive may unpack to at most 4 TiB, and to 200 times its size"):
        import_study(bomb, home)
    link = zipfile.ZipInfo("study.yaml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bomb, "w") as whole:
        whole.writestr(link, "/etc/passwd")
    with pytest.raises(RecordError, match="plain files only"):
        import_study(bomb, home)
    text = (project / "level.zip").read_bytes()
    for torn in (b"", b"PK", text[: len(text) // 2], text[:-30], bytes(range(256))):
        bomb.write_bytes(torn)
        with pytest.raises(RecordError, match=r"whole zip archive|has one manifest\.json"):
            import_study(bomb, home)
    bomb.unlink()
    os.mkfifo(bomb)
    with pytest.raises(RecordError, match="a FIFO instead of a file"):
        import_study(bomb, home)
    assert not home.root.exists()


def test_an_archive_that_the_disk_cannot_hold_is_refused(
    project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(elsewhere)._replace(free=1000)
    monkeypatch.setattr("experiments.portable.archive.shutil.disk_usage", lambda _: free)
    with within(elsewhere), pytest.raises(RecordError, match="there must be room for what the archive holds"):
        import_study(project / "level.zip", Home.choose())
    assert not list(elsewhere.rglob("record.json"))
