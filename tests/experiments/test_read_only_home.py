"""A home that may only be read, as that of somebody else on a mounted disk: whatever reads works; what writes says what
else to name."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.finished_study import WORDS, files_of, project, whole_project

from benchmarks.faults import disks
from experiments.held import is_held
from experiments.home import Home

__all__ = ["project", "whole_project"]

ROOT = os.name == "posix" and os.geteuid() == 0
pytestmark = pytest.mark.skipif(
    os.name != "posix" or (ROOT and not disks.allowed()), reason="nothing is forbidden to root, nor may it mount here"
)


@contextmanager
def _without_write_bits(root: Path) -> Iterator[None]:
    """As a mounted disk, for a user who may not mount one."""
    paths = [root, *root.rglob("*")]
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for path in paths:
        path.chmod(before[path] & ~0o222)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(before[path])


@pytest.fixture
def locked(project: Path) -> Iterator[Home]:
    """The home of a finished study with a search, which nobody may write to; the project is the current folder."""
    home = Home.choose(project / "mlruns")
    before = files_of(home.root)
    with ExitStack() as ending:
        ending.enter_context(disks.read_only(home.root) if ROOT else _without_write_bits(home.root))
        with pytest.raises(OSError, match=r"Read-only|Permission"):
            (home.root / "probe").write_text("x")
        yield home
    assert files_of(home.root) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", *WORDS), "nothing to train"),
        (("status", *WORDS), "both"),
        (("describe", *WORDS), "parameters"),
        (("check", *WORDS), "ABL"),
        (("home", "check"), "nothing is wrong"),
        (("data", "inspect", "corpus"), "modality"),
        (("data", "inspect", "new"), "modality"),
        (("home", "export", WORDS[0], "other.zip", *WORDS[1:]), "6 runs"),
        (("predict", WORDS[0], "both", "corpus", *WORDS[1:], "--out", "predicted"), "predicted"),
        (("export", WORDS[0], "both", *WORDS[1:], "--out", "exported"), "exported"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_whatever_reads_works_in_a_home_that_may_only_be_read(
    locked: Home, project: Path, words: tuple[str, ...], said: str
) -> None:
    # A corpus of the reader's own, which the home has not prepared.
    shutil.copytree(project / "corpus", project / "new")
    items = project / "new" / "items.csv"
    items.write_text("\n".join(items.read_text().splitlines()[:-1]) + "\n")
    told = mmstudy(locked, *words)
    assert told.returncode == 0, told.stderr
    assert said in told.stdout + told.stderr


def test_a_report_is_written_to_a_folder_of_the_readers_own(locked: Home, project: Path) -> None:
    told = mmstudy(locked, "report", *WORDS, "--out", "mine")
    assert told.returncode == 0, told.stderr
    assert f"Report: {project / 'mine' / 'report.html'}" in told.stdout
    (kept,) = (locked.root / "reports").iterdir()
    assert files_of(project / "mine").keys() == files_of(kept).keys()
    for name in ("report.json", "tables/items.csv"):
        assert (project / "mine" / name).read_bytes() == (kept / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (("report", *WORDS), "--out DIR"),
        (("judge", "mlruns/reports"), "--out DIR"),
        (("analyse", *WORDS, "errors"), "mmstudy home import"),
        (("run", *WORDS), "mmstudy home import"),
        (("sync", *WORDS), "mmstudy home import"),
        (("home", "import", "level.zip"), "--home DIR"),
        (("home", "move", "elsewhere"), "Copy the folder"),
        (("data", "prepare", "corpus"), "--home DIR"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_must_write_says_in_one_line_what_else_to_name(
    locked: Home, project: Path, words: tuple[str, ...], step: str
) -> None:
    if words[0] == "judge":
        words = ("judge", next((locked.root / "reports").iterdir()).as_posix())
    told = mmstudy(locked, *words)
    assert told.returncode == 2, told.stdout
    (line,) = told.stderr.splitlines()[-1:]
    assert line.startswith("error: ")
    assert str(locked.root) in line
    assert step in line, line
    assert not (project / "elsewhere").exists()


def test_a_search_whose_last_line_was_cut_off_is_read_as_it_is(project: Path) -> None:
    home = Home.choose(project / "mlruns")
    (journal,) = (home.root / "search").glob("*.journal")
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "work')
    torn = journal.read_bytes()
    told = mmstudy(home, "plan", *WORDS)
    assert told.returncode == 0, told.stderr
    # A plan writes nothing; the next search cuts the line off.
    assert journal.read_bytes() == torn


@pytest.mark.parametrize("words", [("report", *WORDS), ("judge", "scores.csv")], ids=" ".join)
def test_a_report_removes_no_figures_and_tables_but_its_own(project: Path, words: tuple[str, ...]) -> None:
    home = Home.choose(project / "mlruns")
    (project / "scores.csv").write_text("arm,repeat,score\na,0,1\na,1,2\na,2,3\nb,0,2\nb,1,3\nb,2,5\n")
    drawn = project / "paper" / "figures" / "mine.svg"
    drawn.parent.mkdir(parents=True)
    drawn.write_text("<svg/>")
    told = mmstudy(home, *words, "--out", "paper")
    assert told.returncode == 2
    assert "figures/mine.svg" in told.stderr
    assert "Name a new folder with --out" in told.stderr
    assert files_of(project / "paper") == {"figures/mine.svg": b"<svg/>"}
    # An earlier report is written over, with the figures that it has no more.
    drawn.unlink()
    assert mmstudy(home, *words, "--out", "paper").returncode == 0
    (project / "paper" / "figures" / "old.svg").write_text("<svg/>")
    assert mmstudy(home, *words, "--out", "paper").returncode == 0
    assert not (project / "paper" / "figures" / "old.svg").exists()


def test_a_lock_is_seen_by_whoever_may_only_read_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "run.lock"
    path.parent.mkdir()
    code = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
    command = [sys.executable, "-c", code + "print(flush=True); sys.stdin.read()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process, ExitStack() as ending:
        ending.callback(process.kill)
        assert process.stdout is not None
        process.stdout.readline()
        # A disk with an open file cannot be mounted anew; its files may still be those of another user.
        with _without_write_bits(path.parent):
            assert is_held(path)
    with _without_write_bits(path.parent):
        assert not is_held(path)


def test_a_report_elsewhere_counts_as_a_look_where_the_home_can_keep_it(project: Path) -> None:
    home = Home.choose(project / "mlruns")
    (kept,) = (home.root / "reports").iterdir()
    before = files_of(home.root)
    assert mmstudy(home, "report", *WORDS, "--out", "mine").returncode == 0
    (note,) = (home.root / "looks").iterdir()
    look, report = json.loads(note.read_bytes()), json.loads((project / "mine" / "report.json").read_bytes())
    assert (look["study"], look["repeats"]) == ("level", report["repeats"])
    assert len(look["provenance"]["runs"]) == len(report["provenance"]["runs"]) == 4
    after = files_of(home.root)
    assert {name for name in after if before.get(name) != after[name]} <= {f"looks/{note.name}"}
    # It is the same look as the home's own report, which stays as it was.
    assert mmstudy(home, "report", *WORDS).returncode == 0
    assert (kept / "report.json").read_bytes() == before[f"reports/{kept.name}/report.json"]
