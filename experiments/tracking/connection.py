"""A connection to a tracking store, and the calls that all kinds of runs share; each adds only what is missing."""

from __future__ import annotations

import functools
import getpass
import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

from filelock import FileLock

from experiments.home import OWN_COPY, Home
from experiments.relocation import follow
from experiments.tracking import client as mlflow
from experiments.tracking.client import Metric, MlflowClient, Run, RunTag, ViewType, talking, tracking_uri
from experiments.tracking.names import LARGEST_BATCH, LONGEST_TEXT, chunks, key_of, short

ARM, REPEAT, FINGERPRINT, STUDY, COMMIT, VARIANT, KEY, TRIAL, KIND = (
    "mmstudy." + key for key in ("arm", "repeat", "fingerprint", "study", "commit", "variant", "key", "trial", "kind")
)
PARENT = "mlflow.parentRunId"
SUPERSEDED = "mmstudy.superseded"
"""Marks a run that another one took the place of: a failed one, or a trial whose storage was broken."""


class Connection:
    """An open tracking store.

    Args:
        home: where the default store and its artifacts lie.

    Raises:
        StoreError: from every method, when the store does not answer.
    """

    def __init__(self, home: Home) -> None:
        self.uri = tracking_uri(home)
        self.artifacts = home.artifacts if self.uri == home.mlflow_uri else None
        self.lock = FileLock(home.root / "mlflow.lock")
        with self.talking("open"):
            home.make(OWN_COPY)
            with self.lock:
                if self.artifacts is not None:
                    mlflow.create_database(home)
                    follow(home)
                self.client = MlflowClient(self.uri)
                self.client.search_experiments(max_results=1)

    def talking(self, what: str) -> AbstractContextManager[None]:
        """Errors within are StoreErrors that say what could not be done."""
        return talking(self.uri, what)

    def find_or_create(self, experiment: str, name: str, tags: dict[str, str], by: tuple[str, ...]) -> Run:
        """The run that ``by`` identifies, made with this name and these tags where it is missing."""
        # Searched by a digest: MLflow's query language has no way to quote every name that an arm may have.
        key = hashlib.blake2b("\0".join(by).encode(), digest_size=16).hexdigest()
        # Another process of this home may be about to do the same.
        with self.talking("find a run"), self.lock:
            found = self.client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", ViewType.ACTIVE_ONLY, 1)
            if found:
                return found[0]
            own = {"mlflow.user": user(), **tags, KEY: key}
            own = {name: value[:LONGEST_TEXT] for name, value in own.items()}
            return self.client.create_run(experiment, run_name=short(name), tags=own)

    def resume(self, there: Run) -> None:
        """Set a run to RUNNING that was something else."""
        if there.info.status != "RUNNING":
            self.client.update_run(there.info.run_id, status="RUNNING")

    def all_runs(self, experiment: str, query: str) -> Iterator[Run]:
        """Every run that a query finds, page by page."""
        token = None
        while True:
            page = self.client.search_runs([experiment], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def supersede(self, run: str, status: str) -> None:
        """Leave a run as it is, under a key that nobody looks for; another one takes its place."""
        with self.talking("supersede a run"):
            for key, value in {KEY: f"superseded {run}", SUPERSEDED: "true"}.items():
                self.client.set_tag(run, key, value)
            self.client.set_terminated(run, status)

    def log_numbers(self, there: Run, numbers: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log numbers without steps of their own, each once, and tags. NaN and infinite numbers: left out.

        A number that has another value by now gets a step after all that its name has, its epochs included. Tags are
        written over those of the same name, and travel with the last numbers.

        Args:
            there: the run as it is now; the caller has asked for it under the lock, which it still holds.
        """
        run, known = there.info.run_id, there.data
        named = {key_of(name): float(value) for name, value in numbers.items() if math.isfinite(value)}
        changed = {key: value for key, value in named.items() if known.metrics.get(key) != value}
        again = changed.keys() & known.metrics.keys()
        steps = [metric.step for key in again for metric in self.client.get_metric_history(run, key)]
        now, step = int(time.time() * 1000), max(steps, default=-1) + 1
        metrics = [Metric(key, value, now, step) for key, value in changed.items()]
        # The last request has room for the tags.
        whole = max(0, len(metrics) + len(tags) - LARGEST_BATCH)
        for chunk in chunks(metrics[:whole], LARGEST_BATCH):
            self.client.log_batch(run, metrics=chunk)
        self.client.log_batch(run, metrics=metrics[whole:], tags=_as_tags(tags))

    def log_rows(self, run: str, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Log rows of numbers, each once: rows that the store has already are left out.

        A row may be missing between others: a driver that was killed had not yet heard of it, and the next one only
        heard of those after it. So the store is asked for each, by the row's first number, and the numbers of a row
        travel in one request.

        Args:
            run: whose numbers these are.
            rows: step and numbers. NaN and infinite ones are left out.
        """
        with self.talking("log numbers by step"), self.lock:
            there: dict[str, set[int]] = {}
            now = int(time.time() * 1000)
            batches: list[list[Metric]] = [[]]
            for step, row in rows:
                numbers = {key_of(key): float(value) for key, value in row.items() if math.isfinite(value)}
                if not numbers:
                    continue
                first = "epoch" if "epoch" in numbers else min(numbers)
                if first not in there:
                    there[first] = {metric.step for metric in self.client.get_metric_history(run, first)}
                if step in there[first]:
                    continue
                there[first].add(step)
                metrics = [Metric(key, value, now, step) for key, value in numbers.items()]
                if len(batches[-1]) + len(metrics) > LARGEST_BATCH:
                    batches.append([])
                batches[-1] += metrics
            for batch in batches:
                # A row with more metrics than a request may have is the one that travels in parts.
                for chunk in chunks(batch, LARGEST_BATCH):
                    self.client.log_batch(run, metrics=chunk)

    def end(self, there: Run, metrics: Mapping[str, float], tags: Mapping[str, str], status: str) -> None:
        """Numbers and tags of a parent run or a trial, replacing earlier ones, and its status.

        A number that changed since then gets the next step, so the store shows how it came about.

        Args:
            there: the run as it is now; the caller has asked for it under the lock, which it still holds.
        """
        self.log_numbers(there, metrics, tags)
        self.client.set_terminated(there.info.run_id, status)

    def log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Tags, written over those of the same name."""
        self.client.log_batch(run, tags=_as_tags(tags))


def _as_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key_of(key), value[:LONGEST_TEXT]) for key, value in tags.items()]


@functools.cache
def user() -> str:
    """Who runs the command, as MLflow itself would find out."""
    try:
        return getpass.getuser()
    except (ImportError, OSError, KeyError):
        # A container may have no name for its user.
        return "unknown"


def origin_tags(source: str, commit: str | None) -> dict[str, str]:
    """Where a run comes from, under MLflow's own names: its columns Source, Version and User show them.

    Args:
        source: the study's file or name. commit: of the code; None outside a git checkout.
    """
    tags = {"mlflow.source.name": source, "mlflow.source.type": "LOCAL", "mlflow.user": user()}
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})
