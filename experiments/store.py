"""The tracking store: MLflow as a mirror of the records. The only importer of mlflow.

Experiment = study; parent run = arm (aggregates, verdicts); children = repeats. Every call is idempotent: it asks what
the store has and adds the rest, under a lock of the home, so that nothing is there twice after an interrupted study,
``mmstudy sync`` or two commands on one home.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from experiments.home import Home, sqlite_uri
from experiments.records import Begun
from experiments.relocation import follow
from experiments.store_names import LARGEST_BATCH, LONGEST_TEXT, chunks, key_of, score_name, short
from experiments.uploads import digest_of, files_of, remove_leftovers
from mmcore.errors import StoreError
from mmcore.record import Record

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A server that is away should cost seconds, not the minutes of MLflow's default retries.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# Lines about each run that a server closes would stand in the middle of --format json.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

with warnings.catch_warnings():
    # mlflow's dependencies announce their own deprecations on import; nothing a user of mmstudy can act on.
    warnings.simplefilter("ignore")
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag, ViewType
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking import MlflowClient

# What goes wrong is raised as well: a log of it would stand on the terminal, with pages of traceback.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.ERROR)

ARM, REPEAT, FINGERPRINT, STUDY, COMMIT, VARIANT, KEY, TRIAL = (
    "mmstudy." + key for key in ("arm", "repeat", "fingerprint", "study", "commit", "variant", "key", "trial")
)


def tracking_uri(home: Home) -> str:
    """``MLFLOW_TRACKING_URI`` if set, else SQLite inside the home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or home.mlflow_uri


SUPERSEDED = "mmstudy.superseded"
"""Marks a run that another one took the place of: a failed one, or a trial whose storage was broken."""

STATUS, FAILURE, FILES = ("mmstudy." + key for key in ("status", "failure", "files"))
"""Tags: of a run's record, its status and why it failed, and a digest of the files that are mirrored completely."""


class Store:
    """An open tracking store.

    Args:
        home: where the default store and its artifacts lie.

    Raises:
        StoreError: from every method, when the store does not answer.
    """

    def __init__(self, home: Home) -> None:
        self.uri = tracking_uri(home)
        self._artifacts = home.artifacts if self.uri == home.mlflow_uri else None
        self._lock = FileLock(home.root / "mlflow.lock")
        with self._talking("open"):
            home.make()
            with self._lock:
                if self._artifacts is not None:
                    _create_database(home)
                    follow(home)
                self._client = MlflowClient(self.uri)
                self._client.search_experiments(max_results=1)

    def experiment(self, study: str, question: str) -> str:
        """The id of a study's experiment; created, or restored if a user deleted it."""
        # Another process of this home may be about to create it, too.
        with self._talking("open the experiment"), self._lock:
            found = self._client.get_experiment_by_name(short(study))
            if found is None:
                place = None if self._artifacts is None else (self._artifacts / study).resolve().as_uri()
                tags = {STUDY: study, "mlflow.note.content": question[:LONGEST_TEXT]}
                return self._client.create_experiment(short(study), artifact_location=place, tags=tags)
            if found.lifecycle_stage != "active":
                self._client.restore_experiment(found.experiment_id)
            return found.experiment_id

    def experiment_of(self, study: str) -> str:
        """The id of a study's experiment, which must exist."""
        with self._talking("find the experiment"):
            found = self._client.get_experiment_by_name(short(study))
            if found is None:
                raise StoreError(
                    f"study '{study}' has no runs in the tracking store",
                    where=self.uri,
                    next_step=f"Start it: mmstudy run {study}",
                )
            return found.experiment_id

    def arm(self, experiment: str, study: str, variant: str, arm: str, note: str) -> str:
        """The parent run of an arm. ``variant`` distinguishes the same study on another corpus or preset."""
        tags = {STUDY: study, VARIANT: variant, ARM: arm, "mmstudy.kind": "arm", "mlflow.note.content": note}
        return self._find_or_create(experiment, arm, tags, by=("arm", variant, arm))

    def search(self, experiment: str, study: str, variant: str, arm: str, tags: Mapping[str, str]) -> str:
        """The parent run of an arm's search."""
        own = {STUDY: study, VARIANT: variant, ARM: arm, "mmstudy.kind": "search", **tags}
        run = self._find_or_create(experiment, f"search: {arm}", own, by=("search", variant, arm))
        with self._talking("open a search"):
            self._client.update_run(run, status="RUNNING")
        return run

    def trial(
        self, experiment: str, parent: str, number: int, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str:
        """The run of one trial, a child of its search; RUNNING until :meth:`end_trial`.

        Args:
            number: of the trial in the search's storage. name: what people call it.
        """
        own = {TRIAL: str(number), "mmstudy.kind": "trial", "mlflow.parentRunId": parent, **tags}
        run = self._find_or_create(experiment, name, own, by=("trial", parent, str(number)))
        with self._talking("describe a trial"):
            known = self._client.get_run(run).data.params
            fresh = {key_of(k): str(v)[:6000] for k, v in params.items()}
            self._client.log_batch(run, params=[Param(k, v) for k, v in fresh.items() if k not in known])
        return run

    def report_trial(self, run: str, steps: Iterable[tuple[int, float]]) -> None:
        """The objective of a trial that goes on, by step."""
        now = int(time.time() * 1000)
        with self._talking("log a trial"), self._lock:
            there = {metric.step for metric in self._client.get_metric_history(run, "objective")}
            metrics = [Metric("objective", value, now, step) for step, value in steps if step not in there]
            for chunk in chunks(metrics, LARGEST_BATCH):
                self._client.log_batch(run, metrics=chunk)

    def end_trial(self, run: str, metrics: Mapping[str, float], tags: Mapping[str, str], status: str) -> None:
        """A trial's values and state."""
        self.log_verdicts(run, metrics, tags, status)

    def trials(self, experiment: str, parent: str) -> dict[int, tuple[str, str]]:
        """Number to (run, status) of all trials of a search that the store has."""
        query = f"tags.`mlflow.parentRunId` = '{parent}' and tags.`mmstudy.kind` = 'trial'"
        with self._talking("list trials"):
            return {
                int(run.data.tags[TRIAL]): (run.info.run_id, run.info.status)
                for run in self._all(experiment, query)
                if SUPERSEDED not in run.data.tags
            }

    def _all(self, experiment: str, query: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs([experiment], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def run(self, experiment: str, parent: str, begun: Begun, params: Mapping[str, Any]) -> str:
        """The child run of one repeat, set to RUNNING.

        Args:
            experiment, parent: from :meth:`experiment` and :meth:`arm`.
            params: the flattened config.
        """
        commit, name = begun.environment.commit, f"{begun.arm} r{begun.repeat}"
        tags = {
            STUDY: begun.study,
            ARM: begun.arm,
            REPEAT: str(begun.repeat),
            FINGERPRINT: begun.fingerprint,
            COMMIT: str(commit),
            "mmstudy.kind": "repeat",
            "mlflow.parentRunId": parent,
        }
        if commit:
            tags["mlflow.source.git.commit"] = commit
        by = ("repeat", parent, begun.fingerprint)
        run = self._find_or_create(experiment, name, tags, by)
        with self._talking("describe a run"), self._lock:
            there = self._client.get_run(run)
            if there.info.status == "FAILED" or there.data.tags.get(STATUS) == "failed":
                # Trained again after a failure: that one stays as it is, and the new attempt gets a run of its own.
                self.supersede(run, "FAILED")
                run = self._find_or_create(experiment, name, tags, by)
                there = self._client.get_run(run)
            named = {key_of(key): value for key, value in params.items()}
            fresh = [Param(k, str(v)[:6000]) for k, v in named.items() if k not in there.data.params]
            for chunk in chunks(fresh, 90):
                self._client.log_batch(run, params=chunk)
            if there.inputs is None or not there.inputs.dataset_inputs:
                dataset = Dataset(
                    name=begun.corpus,
                    digest=begun.content[:32],
                    source_type="local",
                    source=json.dumps({"path": begun.path}),
                    profile=json.dumps({"content": begun.content}),
                )
                self._client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
            self._client.update_run(run, status="RUNNING")
        return run

    def supersede(self, run: str, status: str) -> None:
        """Leave a run as it is, under a key that nobody looks for; another one takes its place."""
        with self._talking("supersede a run"):
            for key, value in {KEY: f"superseded {run}", SUPERSEDED: "true"}.items():
                self._client.set_tag(run, key, value)
            self._client.set_terminated(run, status)

    def mirrored(self, experiment: str, parents: Iterable[str]) -> set[str]:
        """Fingerprints of the repeats under these arms that are in the store completely."""
        wanted = set(parents)
        with self._talking("list runs"):
            return {
                run.data.tags[FINGERPRINT]
                for run in self._all(experiment, "tags.`mmstudy.kind` = 'repeat'")
                if run.data.tags.get("mlflow.parentRunId") in wanted
                and "mmstudy.status" in run.data.tags
                and SUPERSEDED not in run.data.tags
                and run.info.status in ("FINISHED", "FAILED")
            }

    def epochs(self, run: str, rows: Iterable[Mapping[str, float]]) -> None:
        """Log epochs, each once: those that the store has already are left out.

        An epoch may be missing between others: a driver that was killed had not yet heard of it, and the next one only
        heard of those after it. So the store is asked for each, and an epoch's metrics travel in one request.

        Args:
            run: the child run.
            rows: history rows, each with ``epoch``.
        """
        with self._talking("log epochs"), self._lock:
            there = {metric.step for metric in self._client.get_metric_history(run, "epoch")}
            now = int(time.time() * 1000)
            batches: list[list[Metric]] = [[]]
            for row in rows:
                step = int(row["epoch"])
                numbers = {key: value for key, value in row.items() if math.isfinite(value)}
                if step in there or not numbers:
                    continue
                metrics = [Metric(key_of(key), float(value), now, step) for key, value in numbers.items()]
                if len(batches[-1]) + len(metrics) > LARGEST_BATCH:
                    batches.append([])
                batches[-1] += metrics
            for batch in batches:
                # An epoch with more metrics than a request may have is the one that travels in parts.
                for chunk in chunks(batch, LARGEST_BATCH):
                    self._client.log_batch(run, metrics=chunk)

    def finish(self, run: str, record: Record, workdir: Path, reused_from: str | None) -> None:
        """Final scores, tags and artifacts; the run's status follows the record's.

        A reused run is a light mirror: the same metrics and a tag ``reused_from``, but no artifacts.
        """
        numbers = {score_name(score): score.value for score in record.scores} | {"seconds": record.seconds}
        numbers |= {f"parameters/{part}": float(count) for part, count in record.parameters.items()}
        with self._talking("finish a run"):
            with self._lock:
                self._log_numbers(run, numbers)
            tags = {STATUS: record.status, "mmstudy.record": f"{workdir.parent.name}/{workdir.name}"}
            if reused_from is not None:
                tags["reused_from"] = reused_from
            if record.failure is not None:
                tags[FAILURE] = record.failure.message[:LONGEST_TEXT]
            self._client.log_batch(run, tags=[RunTag(k, v) for k, v in tags.items()])
            if reused_from is None:
                with self._lock:
                    self._log_artifacts(run, record, workdir)
            self._client.set_terminated(run, "FINISHED" if record.done else "FAILED")

    def log_verdicts(self, parent: str, metrics: Mapping[str, float], tags: Mapping[str, str], status: str) -> None:
        """Aggregates and verdicts on an arm's parent run, replacing those of an earlier report.

        A number that changed since then gets the next step, so the store shows how it came about.
        """
        with self._talking("log the verdicts of an arm"), self._lock:
            self._log_numbers(parent, metrics)
            self._client.log_batch(parent, tags=[RunTag(key_of(k), v[:LONGEST_TEXT]) for k, v in tags.items()])
            self._client.set_terminated(parent, status)

    def _log_numbers(self, run: str, numbers: Mapping[str, float]) -> None:
        """Log numbers without steps of their own, each once; the caller holds the lock. NaN and infinite: left out.

        A number that has another value by now gets a step after all that its name has, its epochs included.
        """
        known = self._client.get_run(run).data
        named = {key_of(name): float(value) for name, value in numbers.items() if math.isfinite(value)}
        changed = {key: value for key, value in named.items() if known.metrics.get(key) != value}
        again = changed.keys() & known.metrics.keys()
        there = [metric.step for key in again for metric in self._client.get_metric_history(run, key)]
        now, step = int(time.time() * 1000), max(there, default=-1) + 1
        for chunk in chunks([Metric(key, value, now, step) for key, value in changed.items()], LARGEST_BATCH):
            self._client.log_batch(run, metrics=chunk)

    def reconcile(self, experiment: str, parents: Iterable[str], trained: Callable[[str], bool]) -> int:
        """Mark repeats as KILLED that are RUNNING in the store although no process trains them; returns how many.

        Args:
            experiment: the study's experiment.
            parents: the arms whose repeats are looked at; other studies' runs are not ours to judge.
            trained: whether some process trains the run of a fingerprint now.
        """
        ours = set(parents)
        with self._talking("reconcile"):
            stale = [
                run.info.run_id
                for run in self._client.search_runs([experiment], "attributes.status = 'RUNNING'", max_results=5000)
                if run.data.tags.get("mlflow.parentRunId") in ours and not trained(run.data.tags[FINGERPRINT])
            ]
            for run in stale:
                self._client.set_terminated(run, "KILLED")
            return len(stale)

    def killed(self, run: str) -> None:
        """The run was interrupted; the same command resumes it."""
        with self._talking("close a run"):
            self._client.set_terminated(run, "KILLED")

    def _log_artifacts(self, run: str, record: Record, workdir: Path) -> None:
        """The caller holds the lock."""
        files, there = files_of(workdir), self._client.get_run(run)
        digest = digest_of(files)
        if there.data.tags.get(FILES) == digest:
            return
        remove_leftovers(there.info.artifact_uri or "")
        for path, folder in files:
            self._client.log_artifact(run, str(path), folder or None)
        self._client.log_dict(run, asdict(record.environment), "environment.json")
        # Last, so that files whose mirroring was cut off are mirrored again.
        self._client.set_tag(run, FILES, digest)

    def _find_or_create(self, experiment: str, name: str, tags: dict[str, str], by: tuple[str, ...]) -> str:
        # Searched by a digest: MLflow's query language has no way to quote every name that an arm may have.
        key = hashlib.blake2b("\0".join(by).encode(), digest_size=16).hexdigest()
        with self._talking("find a run"):
            found = self._client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", ViewType.ACTIVE_ONLY, 1)
            if found:
                return found[0].info.run_id
            # Another process of this home may be about to do the same.
            with self._lock:
                found = self._client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", ViewType.ACTIVE_ONLY, 1)
                if found:
                    return found[0].info.run_id
                own = {name: value[:LONGEST_TEXT] for name, value in {**tags, KEY: key}.items()}
                return self._client.create_run(experiment, run_name=short(name), tags=own).info.run_id

    @contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as problem:
            raise StoreError(
                f"the tracking store could not {what}",
                found=f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"[:300],
                where=self.uri,
                next_step="Runs go on and keep their records; when the store is back, mmstudy sync STUDY catches up",
            ) from problem


def _create_database(home: Home) -> None:
    """Make the default database whole or not at all: one that a killed process left half-migrated never opens again.

    The caller holds a lock, since several processes that create a fresh store at once break it, too.
    """
    path = home.root / "mlflow.db"
    if path.exists():
        return
    for leftover in home.root.glob("mlflow.db.partial*"):
        leftover.unlink()
    partial = home.root / f"mlflow.db.partial-{os.getpid()}"
    store = SqlAlchemyStore(sqlite_uri(partial), home.artifacts.as_uri())
    store.engine.dispose()
    os.replace(partial, path)


def client_of(uri: str) -> MlflowClient:
    """A client of any tracking store, for reading what others logged."""
    return MlflowClient(uri)
