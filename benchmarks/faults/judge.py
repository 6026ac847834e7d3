"""What must hold once the command has come to its end after a fault."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from benchmarks.faults.case import Case
from reports.output.times import without_times

_LOCKS = (".lock", ".guard")
_ASIDE = re.compile(r"\.broken-[0-9-]+")
"""What is kept of a file that was torn."""
_OWN = ("artifacts", "logs", "mlflow.db", "search", "timings.jsonl")
"""Parts of a home that depend on how a study came about: looked at otherwise, or of no weight."""
_OF_TIMES = ("figures/cost.svg", "tables/figure_cost.csv")
"""What a report shows only where runs took long enough."""
_OF_MOMENTS = ("seconds", "epoch_seconds", "system/")
"""Beginnings of metrics that no two runs share: times, and the load of the machine."""
_GRACE = 3.0
"""Seconds that processes have to end after the command."""
_GRACE_OF_NODES = 10.0
"""The same for workers on other machines, whose command may have been killed."""


def judge(case: Case) -> None:
    """Add to the case's problems what does not hold."""
    for check in (_table, _words, _processes, _files, _locks, _mirror, _models):
        try:
            case.problems.extend(check(case))
        except (OSError, ValueError, KeyError, sqlite3.Error) as problem:
            case.problems.append(f"{check.__name__[1:]} cannot be looked at: {problem!r}")


def table_of(home: Path) -> str:
    """The study's report.json, times and places aside."""
    (file,) = home.glob("reports/*/report.json")
    text = json.dumps(without_times(json.loads(file.read_text(encoding="utf-8"))), indent=1, ensure_ascii=False)
    return text.replace(str(home.parent), "PROJECT")


@cache
def _expected_table(home: Path) -> str:
    return table_of(home)


def _table(case: Case) -> Iterator[str]:
    mine, its = table_of(case.home).splitlines(), _expected_table(case.expected.home).splitlines()
    if mine != its:
        first = next((pair for pair in zip(mine, its, strict=False) if pair[0] != pair[1]), ("", ""))
        yield f"the table is another one: {first[0].strip()[:100]} instead of {first[1].strip()[:100]}"


def _words(case: Case) -> Iterator[str]:
    for call in range(1, case.calls + 1):
        said = case.said(call)
        for sign in ("Traceback", "Exception in thread", "Exception ignored"):
            if sign in said:
                lines = [line for line in said.splitlines() if line.strip()]
                at = next(number for number, line in enumerate(lines) if sign in line)
                end = next(
                    (line for line in lines[at + 1 :] if re.match(r"[A-Za-z_.]+(Error|Exception|Interrupt)", line)), ""
                )
                yield f"call {call} shows '{sign}': {end[:200]}"
                break


def _processes(case: Case) -> Iterator[str]:
    end = time.monotonic() + _GRACE
    while (left := [one for one in case.zygote.descendants if one.pid not in case.servers]) and time.monotonic() < end:
        time.sleep(0.02)
    for process in left:
        yield f"process {process.pid} ({process.name()}) is still there"
    end = time.monotonic() + _GRACE_OF_NODES
    while case.cluster is not None and (there := case.cluster.workers):
        if time.monotonic() > end:
            yield f"worker {there[0].pid} is still there, below a node"
            return
        time.sleep(0.1)


def _files(case: Case) -> Iterator[str]:
    mine, its = _names(case.home), _names(case.expected.home)
    for name in sorted(mine - its):
        if not _ASIDE.search(name):
            yield f"{name} is left"
    for name in sorted(its - mine):
        yield f"{name} is missing"


def _names(home: Path) -> set[str]:
    found = set()
    for path in home.rglob("*"):
        name = path.relative_to(home).as_posix()
        if path.is_file() and name.split("/")[0] not in _OWN and not name.endswith((*_LOCKS, *_OF_TIMES)):
            # A search in a database gives the report another name.
            found.add(re.sub(r"^reports/[^/]+", "reports", name))
    return found


def _locks(case: Case) -> Iterator[str]:
    for path in case.home.rglob("*"):
        if path.suffix in _LOCKS:
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                yield f"the lock {path.name} is still held"
            else:
                lock.release()


# The tracking store ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Run:
    """A run of the tracking store.

    Args:
        key: by which it is found in two stores: kind, and arm, fingerprint or trial.
        metrics: (name, step, value, whether it is NaN).
    """

    key: tuple[str, ...]
    status: str
    tags: dict[str, str]
    artifacts: Path
    metrics: tuple[tuple[str, int, float, int], ...]


def _runs(path: Path) -> list[_Run]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        found = []
        columns = "run_uuid, name, status, artifact_uri"
        for run, name, status, uri in store.execute(f"SELECT {columns} FROM runs WHERE lifecycle_stage = 'active'"):
            tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)))
            rows = store.execute("SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?", (run,))
            kind, arm = tags.get("mmstudy.kind", ""), tags.get("mmstudy.arm", "")
            key = (kind, arm, tags.get("mmstudy.fingerprint", name if kind == "trial" else ""))
            found.append(_Run(key, status, tags, Path(unquote(urlsplit(uri).path)), tuple(rows)))
        return found


@cache
def _expected_runs(path: Path) -> dict[tuple[str, ...], _Run]:
    return {run.key: run for run in _runs(path)}


def _mirror(case: Case) -> Iterator[str]:
    runs = _runs(case.tracked or case.home / "mlflow.db")
    for run in runs:
        name = "/".join(run.key)
        if run.status == "RUNNING":
            yield f"{name} is RUNNING in MLflow"
        doubled = [key for key, count in Counter(metric[:2] for metric in run.metrics).items() if count > 1]
        if doubled:
            yield f"{name} has {doubled[0]} twice in MLflow, and {len(doubled) - 1} more"
        if run.status == "FINISHED":
            yield from _traces(run, name)
    counting = [run for run in runs if run.status == "FINISHED" and "mmstudy.superseded" not in run.tags]
    found = Counter(run.key for run in counting)
    expected = _expected_runs(case.expected.home / "mlflow.db")
    for key, count in found.items():
        if count > 1:
            yield f"{'/'.join(key)} is {count} times in MLflow"
    for key in expected.keys() - found.keys():
        others = [run.status for run in runs if run.key == key]
        yield f"{'/'.join(key)} is not FINISHED in MLflow but {others or 'missing'}"
    for key in found.keys() - expected.keys():
        yield f"{'/'.join(key)} in MLflow is no run of the study"
    for run in counting:
        if run.key in expected:
            yield from _metrics(run, expected[run.key])
            if run.key[0] == "repeat":
                yield from _artifacts(case, run, expected[run.key])


def _traces(run: _Run, name: str) -> Iterator[str]:
    if "mmstudy.failure" in run.tags:
        yield f"{name} is FINISHED and has the tag of a failure: {run.tags['mmstudy.failure'][:100]}"
    if (run.artifacts / "error.txt").exists():
        yield f"{name} is FINISHED and has an error.txt"


def _metrics(run: _Run, expected: _Run) -> Iterator[str]:
    def values(one: _Run) -> dict[tuple[str, int], tuple[float, int]]:
        kept = (metric for metric in one.metrics if not metric[0].startswith(_OF_MOMENTS))
        if one.key[0] == "arm":
            # A report made in between adds a step: the last one counts.
            last: dict[str, tuple[int, tuple[float, int]]] = {}
            for key, step, value, nan in kept:
                last[key] = max(last.get(key, (-1, (0.0, 0))), (step, (value, nan)))
            return {(key, 0): value for key, (_, value) in last.items()}
        return {(key, step): (value, nan) for key, step, value, nan in kept}

    mine, its = values(run), values(expected)
    wrong = [key for key in mine.keys() | its.keys() if mine.get(key) != its.get(key)]
    if wrong:
        first = sorted(wrong)[0]
        found, wanted = mine.get(first), its.get(first)
        yield f"{'/'.join(run.key)} has {first} = {found} in MLflow instead of {wanted}; {len(wrong)} differ"


def _artifacts(case: Case, run: _Run, expected: _Run) -> Iterator[str]:
    name = "/".join(run.key)
    if not run.artifacts.is_relative_to(case.home if case.tracked is None else case.tracked.parent):
        yield f"{name} has its artifacts outside: {run.artifacts}"
        return
    mine, its = _files_in(run.artifacts), _files_in(expected.artifacts)
    if mine != its:
        yield f"{name} has other artifacts in MLflow: {sorted(mine ^ its)}"
    fingerprint = run.tags["mmstudy.fingerprint"]
    for file in ("record.json", "history.json"):
        mine, its = run.artifacts / file, case.home / "runs" / fingerprint / file
        if mine.exists() and _is_whole(its) and mine.read_bytes() != its.read_bytes():
            yield f"{name} has another {file} in MLflow than in the home"


def _files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _is_whole(path: Path) -> bool:
    """Whether it holds JSON: a history that was torn after its run had ended stays so, since nothing reads it."""
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class _Model:
    """A logged model of the tracking store.

    Args:
        arm, run: its arm, and the fingerprint of the run that trained it. status: of MLflow's, 2 for READY.
        metrics: with their last values.
    """

    arm: str
    run: str
    status: int
    artifacts: Path
    metrics: dict[str, float]


def _logged_models(path: Path) -> list[_Model]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        found = []
        columns = "model_id, status, artifact_location"
        for model, status, uri in store.execute(
            f"SELECT {columns} FROM logged_models WHERE lifecycle_stage = 'active'"
        ):
            tags = dict(store.execute("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", (model,)))
            rows = store.execute(
                "SELECT metric_name, metric_value FROM logged_model_metrics WHERE model_id = ? ORDER BY metric_step",
                (model,),
            )
            metrics = {name: value for name, value in rows if not name.startswith(_OF_MOMENTS)}
            arm, run = tags.get("mmstudy.arm", ""), tags.get("mmstudy.fingerprint", "")
            found.append(_Model(arm, run, status, Path(unquote(urlsplit(uri).path)), metrics))
        return found


_READY = 2


def _models(case: Case) -> Iterator[str]:
    models = _logged_models(case.tracked or case.home / "mlflow.db")
    expected = {model.arm: model for model in _logged_models(case.expected.home / "mlflow.db")}
    for arm, count in Counter(model.arm for model in models).items():
        if count > 1:
            yield f"arm {arm} has {count} models in MLflow"
    for arm in expected.keys() - {model.arm for model in models}:
        yield f"arm {arm} has no model in MLflow"
    for model in models:
        its = expected.get(model.arm)
        if its is None:
            yield f"a model of arm {model.arm} in MLflow is of no arm of the study"
            continue
        if model.status != _READY:
            yield f"the model of arm {model.arm} in MLflow is not READY but {model.status}"
        if model.run != its.run:
            yield f"the model of arm {model.arm} in MLflow is of run {model.run} instead of {its.run}"
        if model.metrics != its.metrics:
            yield f"the model of arm {model.arm} in MLflow has other numbers: {model.metrics} instead of {its.metrics}"
        mine, wanted = _files_in(model.artifacts), _files_in(its.artifacts)
        if mine != wanted:
            yield f"the model of arm {model.arm} in MLflow has other files: {sorted(mine ^ wanted)}"
