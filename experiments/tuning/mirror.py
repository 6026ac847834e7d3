"""Searches in the tracking store: a parent run for each search, a child for each trial; from a thread of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial

from experiments.environment import environment
from experiments.home import Home
from experiments.jobs import source_of
from experiments.mirror import Background
from experiments.planning.request import AnyRequest, search_variant
from experiments.progress import WARNING
from experiments.tracking.views import run_page
from experiments.tuning.notes import StoredStudy, TrialNotes, notes_of
from experiments.tuning.ownership import TWIN, UNUSED
from experiments.tuning.results import state_of
from studies.search.resolved import ResolvedSearch

_FLUSH_SECONDS = 2.0
"""Steps of a trial are logged together at most this often."""

_STATUS = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "retried": "KILLED",
    "interrupted": "KILLED",
}
"""A trial's state as MLflow's; a pruned one did what it should, and is told apart by its tag."""


def supersede_trials(request: AnyRequest, home: Home, say: Callable[[str], None]) -> None:
    """Mark the trials of a study's searches as superseded: their storage is gone, and others get their numbers."""
    search = request.study.search
    assert search is not None
    mirror = SearchMirror(home, request, lambda text: say(WARNING + text))
    for arm in search.searches:
        mirror.supersede(arm.arm, search)
    mirror.close()


class SearchMirror(Background):
    """The mirror of a study's searches.

    Args:
        home: where the default store lies.
        request: the study.
        warn: receives the one warning when the store does not answer.
    """

    def __init__(self, home: Home, request: AnyRequest, warn: Callable[[str], None]) -> None:
        self._asked = request
        self._experiment = ""
        self._parents: dict[str, str] = {}
        self._runs: dict[tuple[str, int], str] = {}
        self._studies: dict[str, StoredStudy] = {}
        self._steps: dict[tuple[str, int], list[tuple[int, float]]] = {}
        self._flushed = 0.0
        super().__init__(home, warn)

    def begin(
        self, arm: str, search: ResolvedSearch, trials: Sequence[FrozenTrial], study: StoredStudy | None = None
    ) -> None:
        """A search starts or resumes; trials that the store lacks are added.

        Args:
            study: the search in its storage, which gets links to the runs in MLflow; None: no links.
        """
        tags = _tags(search) | self._origin()
        if study is not None:
            self._studies[arm] = study
            tags["optuna.study"] = study.study_name
        self._tasks.put(lambda: self._begin(arm, tags, trials))

    def supersede(self, arm: str, search: ResolvedSearch) -> None:
        """The storage of a search is gone: its trials here are none of the next one's."""
        self._tasks.put(lambda: self._supersede(arm, _tags(search) | self._origin()))

    def _origin(self) -> dict[str, str]:
        from experiments.tracking.connection import origin_tags

        return origin_tags(source_of(self._asked), environment().commit)

    def started(self, arm: str, number: int, notes: TrialNotes) -> None:
        """A trial begins."""
        self._tasks.put(lambda: self._start(arm, number, notes))

    def reported(self, arm: str, number: int, step: int, value: float) -> None:
        """A step of a trial."""
        self._tasks.put(lambda: self._report(arm, number, step, value))

    def ended(self, arm: str, number: int, state: str, values: Sequence[float], why: str | None = None) -> None:
        """A trial is over: complete, pruned, failed, retried (its process died) or interrupted."""
        self._tasks.put(lambda: self._end(arm, number, state, list(values), why))

    def settle(self, arm: str, trials: Sequence[FrozenTrial]) -> None:
        """A search is over, or this process's part in it: what the storage says holds."""
        self._tasks.put(lambda: self._settle(arm, trials))

    def interrupted(self) -> None:
        """The searches of this process were interrupted."""
        self._tasks.put(lambda: self._close("KILLED"))

    def concluded(self) -> None:
        """The searches have reached their budget."""
        self._tasks.put(lambda: self._close("FINISHED"))

    def _interrupt(self) -> None:
        """Trials that this process had under way, and its searches, are marked killed."""
        self._flush()
        for run in self._runs.values():
            self._ready().end_trial(run, {}, {"mmstudy.state": "interrupted"}, _STATUS["interrupted"])
        self._close("KILLED")

    # In the thread ---------------------------------------------------------------------------------------------
    def _supersede(self, arm: str, tags: Mapping[str, str]) -> None:
        self._begin(arm, tags, ())
        for run, _ in self._ready().trials(self._experiment, self._parents[arm]).values():
            self._ready().supersede(run, "KILLED")

    def _begin(self, arm: str, tags: Mapping[str, str], trials: Sequence[FrozenTrial]) -> None:
        store, study = self._ready(), self._asked.study
        self._experiment = store.experiment(study.name, study.question)
        self._parents[arm] = store.search(self._experiment, study.name, search_variant(self._asked), arm, tags)
        if arm in self._studies:
            self._studies[arm].link(run_page(self._experiment, self._parents[arm]))
        self._settle(arm, trials)

    def _start(self, arm: str, number: int, notes: TrialNotes) -> None:
        from experiments.tracking.searches import FINGERPRINTS

        commit = environment().commit
        tags = {"mmstudy.study": self._asked.study.name, "mmstudy.arm": arm, "mmstudy.commit": str(commit)}
        tags |= {**self._origin(), "optuna.trial": str(number)}
        tags |= {FINGERPRINTS: " ".join(notes.fingerprints)}
        if notes.retry_of is not None:
            tags["mmstudy.retry_of"] = str(notes.retry_of)
        name = f"trial {number if notes.rank is None else notes.rank}"
        run = self._ready().trial(self._experiment, self._parents[arm], number, name, notes.settings, tags)
        self._runs[arm, number] = run
        if arm in self._studies:
            self._studies[arm].link(run_page(self._experiment, run), number)

    def _report(self, arm: str, number: int, step: int, value: float) -> None:
        self._steps.setdefault((arm, number), []).append((step, value))
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        for key, steps in self._steps.items():
            if key in self._runs:
                self._ready().report_trial(self._runs[key], steps)
        self._steps.clear()
        self._flushed = time.monotonic()

    def _end(self, arm: str, number: int, state: str, values: list[float], why: str | None) -> None:
        self._flush()
        if (arm, number) not in self._runs:
            self._start(arm, number, TrialNotes())
        search = self._asked.study.search
        assert search is not None
        metrics = {one.name: value for one, value in zip(search.objective, values, strict=False)}
        tags = {"mmstudy.state": state} | ({"mmstudy.failure": why} if why else {})
        self._ready().end_trial(self._runs.pop((arm, number)), metrics, tags, _STATUS[state])

    def _settle(self, arm: str, trials: Sequence[FrozenTrial]) -> None:
        """Trials that the store has otherwise, or not at all, are brought to what the storage says."""
        known = self._ready().trials(self._experiment, self._parents[arm])
        for trial in trials:
            state, notes = state_of(trial), notes_of(trial)
            run, status = known.get(trial.number, (None, None))
            if notes.closed in (UNUSED, TWIN) or state in ("running", "waiting") or status == _STATUS[state]:
                continue
            if run is None:
                self._start(arm, trial.number, notes)
            else:
                self._runs[arm, trial.number] = run
            self._steps[arm, trial.number] = sorted(trial.intermediate_values.items())
            values = list(trial.values) if state == "complete" and trial.values else []
            self._end(arm, trial.number, state, values, notes.closed)

    def _close(self, status: str) -> None:
        self._flush()
        for parent in self._parents.values():
            self._ready().end_trial(parent, {}, {}, status)


def _tags(search: ResolvedSearch) -> dict[str, str]:
    """Of the parent run of a search."""
    return {
        "mmstudy.sampler": search.sampler,
        "mmstudy.pruner": search.pruner,
        "mmstudy.objective": ", ".join(one.name for one in search.objective),
        "mmstudy.budget": json.dumps(search.budget.model_dump()),
    }
