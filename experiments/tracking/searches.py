"""Searches in the tracking store: a parent run for each search, a child for each of its trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.tracking.client import Param
from experiments.tracking.connection import ARM, KIND, PARENT, STUDY, SUPERSEDED, TRIAL, VARIANT, Connection
from experiments.tracking.names import LONGEST_TEXT, key_of

FINGERPRINTS = "mmstudy.fingerprints"
"""Tag of a trial: its runs."""


class Searches(Connection):
    """The calls about searches; see :class:`experiments.tracking.store.Store`."""

    def search(self, experiment: str, study: str, variant: str, arm: str, tags: Mapping[str, str]) -> str:
        """The parent run of an arm's search."""
        own = {STUDY: study, VARIANT: variant, ARM: arm, KIND: "search", **tags}
        run = self.find_or_create(experiment, f"search: {arm}", own, by=("search", variant, arm))
        with self.talking("open a search"):
            self.resume(run)
        return run.info.run_id

    def trial(
        self, experiment: str, parent: str, number: int, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str:
        """The run of one trial, a child of its search; RUNNING until :meth:`end_trial`.

        Args:
            number: of the trial in the search's storage. name: what people call it.
        """
        own, by = {TRIAL: str(number), KIND: "trial", PARENT: parent, **tags}, ("trial", parent, str(number))
        run = self.find_or_create(experiment, name, own, by)
        trained, there = tags.get(FINGERPRINTS, ""), run.data.tags.get(FINGERPRINTS, "")
        if trained and there and trained[:LONGEST_TEXT] != there:
            # The storage lost its end: this number was another trial's, which it does not know any more.
            self.supersede(run.info.run_id, "KILLED")
            run = self.find_or_create(experiment, name, own, by)
        with self.talking("describe a trial"):
            fresh = {key_of(k): str(v)[:6000] for k, v in params.items()}
            missing = [Param(k, v) for k, v in fresh.items() if k not in run.data.params]
            self.client.log_batch(run.info.run_id, params=missing)
        return run.info.run_id

    def report_trial(self, run: str, steps: Iterable[tuple[int, float]]) -> None:
        """The objective of a trial that goes on, by step."""
        self.log_rows(run, ((step, {"objective": value}) for step, value in steps))

    def end_trial(self, run: str, metrics: Mapping[str, float], tags: Mapping[str, str], status: str) -> None:
        """A trial's values and state."""
        with self.talking("end a trial"), self.lock:
            self.end(self.client.get_run(run), metrics, tags, status)

    def trials(self, experiment: str, parent: str) -> dict[int, tuple[str, str]]:
        """Number to (run, status) of all trials of a search that the store has."""
        query = f"tags.`mlflow.parentRunId` = '{parent}' and tags.`mmstudy.kind` = 'trial'"
        with self.talking("list trials"):
            return {
                int(run.data.tags[TRIAL]): (run.info.run_id, run.info.status)
                for run in self.all_runs(experiment, query)
                if SUPERSEDED not in run.data.tags
            }
