"""The tracking store: MLflow as a mirror of the records.

Experiment = study; parent run = arm (aggregates, verdicts); children = repeats. Every call is idempotent: it asks what
the store has and adds the rest, under a lock of the home, so that nothing is there twice after an interrupted study,
``mmstudy sync`` or two commands on one home.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.records import Begun
from experiments.tracking.artifacts import PAGES, log_numbers_file, log_report, log_run_files
from experiments.tracking.client import Dataset, DatasetInput, InputTag, Param, Run, tracking_uri
from experiments.tracking.connection import (
    ARM,
    COMMIT,
    FINGERPRINT,
    KIND,
    PARENT,
    REPEAT,
    STUDY,
    SUPERSEDED,
    VARIANT,
    origin_tags,
)  # fmt: skip
from experiments.tracking.names import LONGEST_TEXT, chunks, key_of, short
from experiments.tracking.searches import Searches
from experiments.tracking.views import EXPERIMENT_TAGS, METRIC_TAG, VIEW_TAG, report_note, view
from mmcore.errors import StoreError, nearest
from mmcore.record import Record
from mmcore.shell import argument

__all__ = ["ARM", "FINGERPRINT", "REPEAT", "SUPERSEDED", "Store", "tracking_uri"]

STATUS, FAILURE, DETAIL = ("mmstudy." + key for key in ("status", "failure", "metrics"))
"""Tags: of a run's record, its status and why it failed; and whether the main numbers or all became metrics."""

NOTE = "mlflow.note.content"


class Store(Searches):
    """An open tracking store.

    Args:
        home: where the default store and its artifacts lie.

    Raises:
        StoreError: from every method, when the store does not answer.
    """

    def experiment(self, study: str, question: str) -> str:
        """The id of a study's experiment; created, or restored if a user deleted it."""
        # Another process of this home may be about to create it, too.
        with self.talking("open the experiment"), self.lock:
            found = self.client.get_experiment_by_name(short(study))
            if found is None:
                place = None if self.artifacts is None else (self.artifacts / study).resolve().as_uri()
                tags = {STUDY: study, NOTE: question[:LONGEST_TEXT], **EXPERIMENT_TAGS}
                return self.client.create_experiment(short(study), artifact_location=place, tags=tags)
            if found.lifecycle_stage != "active":
                self.client.restore_experiment(found.experiment_id)
            return found.experiment_id

    def show(self, experiment: str, metric: str, higher_is_better: bool) -> None:
        """Let MLflow show a study's runs with arm, repeat, verdict and metric: its saved view, see ``views.py``.

        Args:
            metric: the study's, as a name in the store.
        """
        with self.talking("save the view of a study"), self.lock:
            there = self.client.get_experiment(experiment).tags
            wanted = {**EXPERIMENT_TAGS, METRIC_TAG: metric, VIEW_TAG: view(metric, higher_is_better)}
            for key, value in wanted.items():
                if there.get(key) != value:
                    self.client.set_experiment_tag(experiment, key, value)

    def is_shown(self, experiment: str) -> bool:
        """Whether :meth:`show` was called for an experiment; not for those of earlier versions."""
        with self.talking("look at an experiment"):
            return VIEW_TAG in self.client.get_experiment(experiment).tags

    def experiment_of(self, study: str) -> str:
        """The id of a study's experiment, which must exist."""
        with self.talking("find the experiment"):
            found = self.client.get_experiment_by_name(short(study))
            if found is None:
                # "Default" is MLflow's own.
                others = sorted(one.name for one in self.client.search_experiments() if one.name != "Default")
                raise StoreError(
                    f"study '{study}' has no runs in the tracking store",
                    where=self.uri,
                    next_step=f"{nearest(study, others)}. To start it: mmstudy run {argument(study)}"
                    if others
                    else f"Start it: mmstudy run {argument(study)}",
                )
            return found.experiment_id

    def arm(self, experiment: str, study: str, variant: str, arm: str, note: str) -> str:
        """The parent run of an arm. ``variant`` distinguishes the same study on another corpus or preset."""
        tags = {STUDY: study, VARIANT: variant, ARM: arm, KIND: "arm", NOTE: note}
        return self.find_or_create(experiment, arm, tags, by=("arm", variant, arm)).info.run_id

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
            KIND: "repeat",
            PARENT: parent,
        }
        tags |= origin_tags(begun.source or begun.study, commit)
        by = ("repeat", parent, begun.fingerprint)
        with self.talking("describe a run"), self.lock:
            there = self.find_or_create(experiment, name, tags, by)
            if there.info.status == "FAILED" or there.data.tags.get(STATUS) == "failed":
                # Trained again after a failure: that one stays as it is, and the new attempt gets a run of its own.
                self.supersede(there.info.run_id, "FAILED")
                there = self.find_or_create(experiment, name, tags, by)
            run = there.info.run_id
            named = {key_of(key): value for key, value in params.items()}
            fresh = [Param(k, str(v)[:6000]) for k, v in named.items() if k not in there.data.params]
            for chunk in chunks(fresh, 90):
                self.client.log_batch(run, params=chunk)
            self._link_data(there, begun)
            self.resume(there)
        return run

    def describe_arm(self, parent: str, begun: Begun) -> None:
        """An arm's origin and data, which its runs have in common; added where the store lacks them."""
        with self.talking("describe an arm"), self.lock:
            there = self.client.get_run(parent)
            origin = origin_tags(begun.source or begun.study, begun.environment.commit)
            if any(key not in there.data.tags for key in origin):
                self.log_tags(parent, origin)
            self._link_data(there, begun)

    def _link_data(self, there: Run, begun: Begun) -> None:
        """The corpus as the run's data set, once; the caller holds the lock."""
        if there.inputs is not None and there.inputs.dataset_inputs:
            return
        dataset = Dataset(
            name=begun.corpus,
            digest=begun.content[:32],
            source_type="local",
            # MLflow's page shows the address under this name.
            source=json.dumps({"uri": begun.path}),
            profile=json.dumps({"content": begun.content}),
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        self.client.log_inputs(there.info.run_id, inputs)

    def mirrored(self, experiment: str, parents: Iterable[str], everything: bool = False) -> set[str]:
        """Fingerprints of the repeats under these arms that are in the store completely.

        Args:
            everything: with all of their numbers as metrics. Runs of earlier versions have all of them.
        """
        wanted = set(parents)
        with self.talking("list runs"):
            return {
                run.data.tags[FINGERPRINT]
                for run in self.all_runs(experiment, "tags.`mmstudy.kind` = 'repeat'")
                if run.data.tags.get(PARENT) in wanted
                and "mmstudy.status" in run.data.tags
                and SUPERSEDED not in run.data.tags
                and not (everything and run.data.tags.get(DETAIL) == "main")
                and run.info.status in ("FINISHED", "FAILED")
            }

    def finish(
        self,
        run: str,
        record: Record,
        workdir: Path,
        reused_from: str | None,
        metrics: Mapping[str, float],
        numbers: Mapping[str, float],
    ) -> None:
        """Final scores, tags and artifacts; the run's status follows the record's.

        A reused run is a light mirror: the same metrics and a tag ``reused_from``, but no artifacts.

        Args:
            metrics: of all the run's ``numbers`` those that become metrics.
        """
        with self.talking("finish a run"), self.lock:
            there = self.client.get_run(run)
            tags = {STATUS: record.status, "mmstudy.record": f"{workdir.parent.name}/{workdir.name}"}
            tags[DETAIL] = "all" if metrics.keys() == numbers.keys() else "main"
            if reused_from is not None:
                tags["reused_from"] = reused_from
            if record.failure is not None:
                tags[FAILURE] = record.failure.message
            self.log_numbers(there, metrics, tags)
            if reused_from is None:
                log_run_files(self.client, there, record, numbers, workdir)
            self.client.set_terminated(run, "FINISHED" if record.done else "FAILED")

    def conclude(
        self,
        parent: str,
        numbers: Mapping[str, float],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        status: str,
    ) -> None:
        """An arm's aggregates and verdicts, replacing those of an earlier report, and the status of its run.

        Args:
            numbers: every aggregate, for a file. metrics: those of them that become metrics.
        """
        with self.talking("log the verdicts of an arm"), self.lock:
            there = self.client.get_run(parent)
            log_numbers_file(self.client, there, numbers)
            self.end(there, metrics, tags, status)

    def log_report(self, experiment: str, keeper: str, parents: Mapping[str, str], folder: Path) -> None:
        """A study's report as artifacts of one arm's run, and links to it on all of its arms.

        Args:
            keeper: the run that keeps it. parents: run of each arm, to what the arm changes. folder: of the report.
        """
        with self.talking("log the report"), self.lock:
            if not log_report(self.client, keeper, folder):
                return
            for run, note in parents.items():
                self.client.set_tag(run, NOTE, report_note(note, experiment, keeper, PAGES)[:LONGEST_TEXT])

    def reconcile(self, experiment: str, parents: Iterable[str], trained: Callable[[str], bool]) -> int:
        """Mark repeats as KILLED that are RUNNING in the store although no process trains them; returns how many.

        Args:
            experiment: the study's experiment.
            parents: the arms whose repeats are looked at; other studies' runs are not ours to judge.
            trained: whether some process trains the run of a fingerprint now.
        """
        ours = set(parents)
        with self.talking("reconcile"):
            stale = [
                run.info.run_id
                for run in self.client.search_runs([experiment], "attributes.status = 'RUNNING'", max_results=5000)
                if run.data.tags.get(PARENT) in ours and not trained(run.data.tags[FINGERPRINT])
            ]
            for run in stale:
                self.client.set_terminated(run, "KILLED")
            return len(stale)

    def killed(self, run: str) -> None:
        """The run was interrupted; the same command resumes it."""
        with self.talking("close a run"):
            self.client.set_terminated(run, "KILLED")
