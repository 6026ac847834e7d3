"""Files in the tracking store: a run's record, its table of test items, and a study's report."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from experiments.tracking.client import ArtifactRepository, MlflowClient, Run, RunTag, get_artifact_repository
from mmcore.config import ForeignConfig
from mmcore.record import Record

FILES = "mmstudy.files"
"""Tag of a run: a digest of the files that are mirrored completely."""
REPORT = "mmstudy.report"
"""Tag of the run that keeps the report: a digest of the report that is mirrored completely."""
LEFT_OUT = "mmstudy.report_left_out"
"""Tag of the same run: files of the report that are too large to be mirrored; they are in the home."""
TABLES = "mlflow.loggedArtifacts"
"""MLflow's own tag, by which its page for evaluations finds tables."""

METRICS_FILE = "metrics.json"
ITEMS_TABLE = "test_items.json"
PAGES = ("report/report.html", "report/report.md", "report/report.json")
"""Files of the report to which descriptions link."""

LARGEST = 20_000_000
"""Bytes of the largest file of a report that is mirrored: tables with a row for everything may be far larger."""

_RECORD = ("record.json", "config.json", "history.json", "normalisation.json", "items.csv", "error.txt", "output.log")


def log_run_files(
    client: MlflowClient, there: Run, record: Record, numbers: Mapping[str, float], workdir: Path
) -> None:
    """A finished run's files, once; those that changed since they were mirrored are mirrored again.

    The caller holds the lock: what a killed upload left half-written is removed.

    Args:
        there: the run, asked for under the lock.
        numbers: all of the run's, for ``metrics.json``; NaN and infinite ones become null.
    """
    files = [(workdir / name, "") for name in _RECORD] + [(workdir / "checkpoints" / "best.pt", "checkpoints")]
    files = [(path, folder) for path, folder in files if path.exists()]
    digest = _digest((path.name, path) for path, _ in files)
    run, tags = there.info.run_id, there.data.tags
    if tags.get(FILES) == digest:
        return
    remove_leftovers(there.info.artifact_uri or "")
    repository = _repository(client, there)
    for path, folder in files:
        repository.log_artifact(str(path), folder or None)
    _log_json(repository, asdict(record.environment), "environment.json")
    _log_json(repository, _finite_numbers(numbers), METRICS_FILE)
    # Last, so that files whose mirroring was cut off are mirrored again.
    done = [RunTag(FILES, digest)]
    if record.items:
        _log_json(repository, items_table(record), ITEMS_TABLE)
        done.append(RunTag(TABLES, _with_table(tags.get(TABLES), ITEMS_TABLE)))
    client.log_batch(run, tags=done)


def log_numbers_file(client: MlflowClient, there: Run, numbers: Mapping[str, float]) -> None:
    """Every number of a run, also those that are no metrics."""
    _log_json(_repository(client, there), _finite_numbers(numbers), METRICS_FILE)


def items_table(record: Record) -> dict[str, list[object]]:
    """The losses on test items in MLflow's form of a table; of training code of the user's own, its scores by item."""
    own = isinstance(record.config, ForeignConfig)
    heads: list[object] = ["item", "group", "score", "value"] if own else [
        "item", "group", "component", "loss", "naive_loss", "targets",
    ]  # fmt: skip
    rows: list[object] = [
        [one.item, one.group, one.component, _finite(one.loss)] + ([] if own else [_finite(one.naive_loss), one.count])
        for one in record.items
    ]
    return {"columns": heads, "data": rows}


def log_report(client: MlflowClient, run: str, folder: Path) -> bool:
    """A study's report as artifacts of a run, under ``report/``; whether anything was to be done.

    Files that the report no longer has are removed, so that the store holds one report and the last.

    Args:
        folder: of the report.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {name: path for name, path in found.items() if path.stat().st_size <= LARGEST}
    digest = _digest(files.items())
    there = client.get_run(run)
    if there.data.tags.get(REPORT) == digest:
        return False
    remove_leftovers(f"{there.info.artifact_uri or ''}/report")
    repository = _repository(client, there)
    for name, path in files.items():
        repository.log_artifact(str(path), f"report/{name}".rpartition("/")[0])
    for stale in sorted({*_listed(repository, "report")} - {f"report/{name}" for name in files}):
        repository.delete_artifacts(stale)
    left = [name for name in found if name not in files]
    if left or LEFT_OUT in there.data.tags:
        client.set_tag(run, LEFT_OUT, ", ".join(left)[:5000])
    client.set_tag(run, REPORT, digest)
    return True


def remove_leftovers(uri: str) -> None:
    """Remove what killed uploads left half-written, where artifacts are files of this machine.

    MLflow writes each file beside its place first, under this name. The caller knows that nobody uploads there.

    Args:
        uri: of a run's artifacts.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        for torn in Path(url2pathname(parts.path)).rglob(".artifact.uploading.*"):
            torn.unlink(missing_ok=True)


def _repository(client: MlflowClient, there: Run) -> ArtifactRepository:
    """Where a run's files lie. The client would ask the store about the run again."""
    return get_artifact_repository(there.info.artifact_uri or "", tracking_uri=client.tracking_uri)


def _log_json(repository: ArtifactRepository, value: object, name: str) -> None:
    """A file of the bytes that MLflow's ``log_dict`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(json.dumps(value, indent=2, default=str), encoding="utf-8")
        repository.log_artifact(str(path))


def _listed(repository: ArtifactRepository, folder: str) -> Iterator[str]:
    for one in repository.list_artifacts(folder):
        if one.is_dir:
            yield from _listed(repository, one.path)
        else:
            yield one.path


def _with_table(tag: str | None, name: str) -> str:
    known = json.loads(tag) if tag else []
    entry = {"path": name, "type": "table"}
    return json.dumps(known if entry in known else [*known, entry])


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, path in files:
        digest.update(name.encode() + hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _finite_numbers(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in numbers.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
