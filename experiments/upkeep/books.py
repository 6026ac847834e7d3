"""What a home keeps about its studies: MLflow's database, searches, reports, and small files of its own."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from experiments.held import is_held
from experiments.home import Home
from experiments.relocation import addresses
from experiments.upkeep.findings import Finding, entries, leftovers, of_system, read
from experiments.upkeep.locks import held
from mmcore.errors import MMStudyError
from mmcore.files import read_bytes, read_kept
from mmcore.language import sentence

_OBJECT = TypeAdapter(dict[str, Any])
_RUNNING = """
SELECT runs.run_uuid, study.value, fingerprint.value FROM runs
JOIN tags AS study ON study.run_uuid = runs.run_uuid AND study.key = 'mmstudy.study'
LEFT JOIN tags AS fingerprint ON fingerprint.run_uuid = runs.run_uuid AND fingerprint.key = 'mmstudy.fingerprint'
WHERE runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active'
"""


def check_tracking(home: Home) -> Iterator[Finding | int]:
    """MLflow's database in the home, which is only read: whether it is whole, what it shows as running, and addresses
    of another place."""
    path = home.root / "mlflow.db"
    if not path.exists():
        return
    yield 0
    busy = any(held(home))
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
            yield from _check_database(database, path, home, busy)
    except OSError as problem:
        yield of_system(problem, path)
    except sqlite3.Error as problem:
        yield Finding(
            "broken",
            path,
            sentence("MLflow's database must be whole"),
            str(problem)[:160],
            sentence(
                "Rename it: mmstudy sync STUDY makes a new one from the records, without what you wrote in MLflow "
                "yourself"
            ),
        )


def _check_database(database: sqlite3.Connection, path: Path, home: Home, busy: bool) -> Iterator[Finding]:
    (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(said)
    for run, study, fingerprint in database.execute(_RUNNING):
        trained = is_held(home.run(fingerprint) / "run.lock") if fingerprint else busy
        if not trained:
            yield Finding(
                "unfinished",
                path,
                sentence("MLflow shows a run of study '{study}' as RUNNING that nobody trains", study=study),
                sentence("run {run}", run=run),
                sentence(
                    "mmstudy sync {study} closes it, with the options of the study; so does mmstudy run", study=study
                ),
            )
    there = addresses(database, home)
    if there is not None:
        yield Finding(
            "elsewhere",
            path,
            sentence("artifacts of a moved home lie in the home"),
            sentence("addresses in {place}", place=there),
            sentence("mmstudy sync STUDY rewrites them; so does any command that trains"),
        )


def check_searches(home: Home) -> Iterator[Finding | int]:
    """The journals of searches: whole lines, and no trial of a process that died. They are read from a copy."""
    for path in entries(home.root / "search"):
        if path.name.endswith(".journal.lock") and not is_held(path.with_suffix("").with_suffix(".guard")):
            yield Finding(
                "leftover",
                path,
                sentence("another program locked this search and did not unlock it"),
                None,
                sentence("Close dashboards of this search; mmstudy home check --mend removes it"),
            )
        if path.suffix == ".journal" and not is_held(path.with_suffix(".guard")):
            yield 0
            yield from _check_journal(path)


def _check_journal(path: Path) -> Iterator[Finding]:
    try:
        text = read_bytes(path)
    except OSError as problem:
        yield of_system(problem, path)
        return
    whole, _, torn = text.rpartition(b"\n")
    if torn:
        yield Finding(
            "unfinished",
            path,
            sentence("a journal ends with a whole line"),
            sentence("{n} bytes of one", n=len(torn)) if len(torn) > 1 else sentence("1 byte of one"),
            sentence("mmstudy run STUDY cuts it off and goes on"),
        )
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found = orjson.loads(line)
        except ValueError as problem:
            found = str(problem)
        if not isinstance(found, dict) or "op_code" not in found:
            yield Finding(
                "broken",
                path,
                sentence("line {number} of a journal must be an entry of Optuna's", number=number),
                str(found)[:80],
                sentence("Rename the journal: the search then starts again, and finished runs are reused"),
            )
            return
    from experiments.tuning.travel import lost_trials

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.journal"
        copy.write_bytes(whole + b"\n" if whole else b"")
        try:
            for search, number in lost_trials(copy):
                yield Finding(
                    "unfinished",
                    path,
                    sentence(
                        "trial {number} of the search '{search}' belongs to a process that died",
                        number=number,
                        search=search,
                    ),
                    None,
                    sentence("mmstudy run STUDY gives it to another process"),
                )
        except MMStudyError as error:
            yield Finding(
                "broken",
                path,
                sentence("a journal must hold what Optuna can read"),
                error.found,
                sentence("Rename the journal: the search then starts again, and finished runs are reused"),
            )


def check_reports(home: Home) -> Iterator[Finding | int]:
    """Reports, and leftovers of their writing."""
    step = "mmstudy report STUDY writes it again"
    for folder in entries(home.root / "reports"):
        yield 0
        path = folder / "report.json"
        if path.exists():
            yield from read(lambda p=path: read_kept(p, _OBJECT, "the report", step), path)
        for place in (folder, folder / "tables", folder / "figures"):
            yield from leftovers(place, ".*.tmp")


def check_notes(home: Home) -> Iterator[Finding | int]:
    """The small files of the home itself."""
    what = "the list of analyses that mmstudy analyse added to a study"
    step = "Rename it to NAME.broken; then run mmstudy analyse STUDY KIND again"
    for path in entries(home.root / "asked"):
        if path.suffix == ".json" and not path.name.startswith("."):
            yield 0
            yield from read(lambda p=path: read_kept(p, _OBJECT, what, step), path)
    yield from read(lambda: home.earlier, home.moves)
    yield from leftovers(home.root / "asked", ".*.tmp")
    for path in entries(home.root / "work"):
        if not is_held(path):
            yield Finding(
                "leftover",
                path,
                sentence("a command that was killed left its lock"),
                None,
                sentence("mmstudy home check --mend removes it"),
            )
    if not is_held(home.root / "import.lock"):
        yield from leftovers(home.root, ".*.tmp", ".import-*")


def remove(path: Path) -> None:
    """Remove a leftover.

    Raises:
        OSError: the system does not allow it.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
