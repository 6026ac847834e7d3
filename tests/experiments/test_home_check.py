"""``mmstudy home check`` names whatever is wrong in a home, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from factories.command import mmstudy
from factories.finished_study import WORDS, files_of, project, whole_project
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from experiments.home import Home
from experiments.owner import Owner
from experiments.tuning.notes import TrialNotes, note
from experiments.upkeep.check import check_home
from experiments.upkeep.locks import at_work, held
from mmcore.language import speaking

__all__ = ["project", "whole_project"]


def one(home: Home, pattern: str) -> Path:
    return sorted(home.root.glob(pattern))[0]


def write(pattern: str, text: bytes) -> Callable[[Home], Path]:
    def harm(home: Home) -> Path:
        path = one(home, pattern)
        path.write_bytes(text)
        return path

    return harm


def write_in_store(name: str, text: bytes) -> Callable[[Home], Path]:
    return lambda home: write(f"prepared/*/{name}", text)(home).parent


def add(folder: str, name: str) -> Callable[[Home], Path]:
    def harm(home: Home) -> Path:
        path = (one(home, folder) if folder else home.root) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        return path

    return harm


def swapped_record(home: Home) -> Path:
    first, second = sorted(home.runs.glob("*/record.json"))[:2]
    shutil.copy(second, first)
    return first


def cut_array(home: Home) -> Path:
    path = one(home, "prepared/*/target.npy")
    path.write_bytes(path.read_bytes()[:-8])
    return path.parent


def running(home: Home) -> Path:
    with sqlite3.connect(home.root / "mlflow.db") as database:
        query = "UPDATE runs SET status = 'RUNNING' WHERE run_uuid IN (SELECT run_uuid FROM tags WHERE key = ?)"
        database.execute(query, ("mmstudy.fingerprint",))
    return home.root / "mlflow.db"


def moved_by_hand(home: Home) -> Path:
    with sqlite3.connect(home.root / "mlflow.db") as database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (home.artifacts.as_uri(), "file:///old")
            )
    return home.root / "mlflow.db"


def torn_database(home: Home) -> Path:
    path = home.root / "mlflow.db"
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def torn_journal(home: Home) -> Path:
    path = one(home, "search/*.journal")
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "work')
    return path


def lost_trial(home: Home) -> Path:
    path = one(home, "search/*.journal")
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage)
    trial = study.ask()
    note(trial, TrialNotes(process=Owner(Owner.me().host, 2**22 + 1, 0.0)))
    return path


HARMS: dict[str, tuple[Callable[[Home], Path], str, str]] = {
    "a torn record": (write("runs/*/record.json", b"{"), "broken", "sets this file aside"),
    "a record of another run": (swapped_record, "broken", "trains the run again"),
    "a torn history": (write("runs/*/history.json", b"[{"), "broken", "Remove it"),
    "a torn config": (write("runs/*/config.json", b"nul"), "broken", "remove this file"),
    "a torn checkpoint": (write("runs/*/checkpoints/best.pt", b"PK"), "broken", "train it again"),
    "a torn answer": (write("runs/*/analyses/*.json", b"{"), "broken", "makes the answer again"),
    "an answer of no kind": (write("runs/*/analyses/*.json", b"{}"), "broken", "makes the answer again"),
    "half a file of a run": (add("runs/*", ".record.json.1-0.tmp"), "leftover", "--mend"),
    "a record set aside": (add("runs/*", "record.json.broken-20260101-000000"), "leftover", "--mend"),
    "a torn array": (cut_array, "broken", "prepares the corpus again"),
    "a torn index": (write_in_store("index.json", b"[]"), "broken", "prepares the corpus again"),
    "a torn quality report": (write_in_store("quality.json", b"{"), "broken", "prepares the corpus again"),
    "half a store": (add("prepared", "x.partial-1"), "leftover", "--mend"),
    "a run that nobody trains": (running, "unfinished", "mmstudy sync level"),
    "addresses of another place": (moved_by_hand, "elsewhere", "rewrites them"),
    "a torn database": (torn_database, "broken", "mmstudy sync STUDY makes a new one"),
    "a torn line of a journal": (torn_journal, "unfinished", "cuts it off"),
    "a journal of something else": (write("search/*.journal", b"[1]\n"), "broken", "Rename the journal"),
    "a trial of a dead process": (lost_trial, "unfinished", "another process"),
    "a lock of a dashboard": (add("search", "x.journal.lock"), "leftover", "--mend"),
    "a torn report": (write("reports/*/report.json", b"{"), "broken", "mmstudy report STUDY writes it again"),
    "half a report": (add("reports/*", ".report.html.1-0.tmp"), "leftover", "--mend"),
    "a torn list of analyses": (write("asked/*.json", b"{"), "broken", "mmstudy analyse STUDY KIND"),
    "a lock of a killed command": (add("", "work/1.lock"), "leftover", "--mend"),
    "half an import": (add("", ".import-x"), "leftover", "--mend"),
}


def test_a_home_without_a_fault_is_called_so(whole_project: Path) -> None:
    home = Home(whole_project / "mlruns")
    before = files_of(home.root)
    done = mmstudy(home, "home", "check")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("6 runs", "1 prepared store", "1 database of MLflow", "1 search", "report", "1 list of analyses"):
        assert words in done.stdout
    assert done.stdout.endswith("nothing is wrong\n")
    assert files_of(home.root) == before


@pytest.mark.parametrize("name", HARMS)
def test_what_is_wrong_is_named_with_its_file_and_what_to_do(project: Path, name: str) -> None:
    harm, kind, step = HARMS[name]
    home = Home.choose()
    where = harm(home)
    before = files_of(home.root)
    done = mmstudy(home, "home", "check", "--format", "json")
    assert done.returncode == 1, done.stdout
    found = json.loads(done.stdout)["findings"]
    assert [(one["kind"], one["where"]) for one in found] == [(kind, str(where))] * len(found)
    assert step in found[0]["next_step"]
    assert files_of(home.root) == before, "a check changes nothing"
    mended = mmstudy(home, "home", "check", "--mend")
    if kind == "leftover":
        assert mended.returncode == 0
        assert f"removed: {where}" in mended.stdout
        assert not where.exists()
    else:
        assert mended.returncode == 1
        assert files_of(home.root) == before, "only leftovers are removed"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_read_is_told_and_not_called_broken(project: Path) -> None:
    home = Home.choose()
    record = one(home, "runs/*/record.json")
    record.chmod(0)
    (found,) = check_home(home).findings
    assert (found.kind, found.where) == ("unreadable", record)
    assert "chmod" in found.next_step


def test_what_is_at_work_is_left_out(project: Path) -> None:
    home = Home.choose()
    folder = one(home, "runs/*")
    (folder / ".record.json.1-0.tmp").write_bytes(b"x")
    with FileLock(folder / "run.lock"), at_work(home, "run"):
        assert len([*held(home)]) == 2
        checked = check_home(home)
        assert (checked.busy, checked.findings) == (1, ())
    assert [*held(home)] == []
    assert not (home.root / "work").exists()
    assert len(check_home(home).findings) == 1


def test_the_next_command_mends_what_the_check_says_it_does(project: Path) -> None:
    home = Home.choose()
    running(home)
    moved_by_hand(home)
    assert {one.kind for one in check_home(home).findings} == {"unfinished", "elsewhere"}
    assert mmstudy(home, "sync", *WORDS).returncode == 0
    assert check_home(home).findings == ()


def test_where_there_is_no_home_the_check_says_so(tmp_path: Path) -> None:
    done = mmstudy(Home(tmp_path / "none"), "home", "check")
    assert done.returncode == 2
    assert "there is no home here" in done.stderr
    assert not (tmp_path / "none").exists()


def test_findings_are_said_in_japanese_and_those_of_errors_in_english(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for name in ("runs/odd", "search", "asked"):
        (home.root / name).mkdir(parents=True)
    (home.root / "search" / "one.journal").write_bytes(b"torn")
    (home.root / "asked" / "study.json").write_bytes(b"torn")
    (home.root / ".x.tmp").write_bytes(b"x")
    findings = check_home(home).findings
    with speaking("ja"):
        said = [one.shown for one in findings]
    root = home.root
    assert said[0] == (
        f"{root}/runs/odd: 実行のフォルダー名は 16 進数 32 桁でなければなりません。"
        "ほかへ移してください。これを読むコマンドはありません"
    )
    assert said[1] == (
        f"{root}/search/one.journal: ジャーナルは完全な行で終わらなければなりません（実際は 1 行のうちの 4 バイト）。"
        "mmstudy run STUDY がそれを切り取って続けます"
    )
    assert said[2] == findings[2].message
    assert said[3].startswith(f"{root}/.x.tmp: 強制終了された")
    with speaking("en"):
        assert [one.shown for one in findings] == [one.message for one in findings]
