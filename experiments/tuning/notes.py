"""Notes on trials, stored as user attributes of Optuna's trials. Only this module reads and writes them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.owner import Owner
from mmcore.complaints import expectation
from mmcore.config import Overrides
from mmcore.errors import RecordError

MLFLOW_RUN = "mlflow_run"
"""Attribute of searches and trials: the page of their run in MLflow."""

Kept = dict[str, Any]
"""What a sampler or pruner of Optuna's keeps with a trial: its own words, as JSON has them."""


class TrialScores(BaseModel):
    """What the finished repeats of a trial scored on validation items.

    Args:
        repeats: the objectives of each. components: component to loss and skill, the mean over the repeats.
    """

    repeats: tuple[tuple[float, ...], ...] = ()
    components: dict[str, dict[str, float]] = Field(default_factory=dict)


class TrialNotes(BaseModel):
    """The notes of one trial. Each field is a separate attribute; attributes of other programs are left unchanged.

    Trials of earlier versions lack some of them, and a trial that has just been taken lacks most.
    """

    model_config = ConfigDict(frozen=True)

    rank: int | None = None
    """The rank of its proposal."""
    retry_of: int | None = None
    """The number of the proposal's previous trial."""
    deaths: int = 0
    """How many processes have died at the point :attr:`reached` of the proposal."""
    reached: int = -1
    """Number of reported steps when the last process died; -1: no process has worked on the proposal before."""
    process: Owner | None = None
    """The process that works on it."""
    beat: int = 0
    """A counter that its owner increases, as a sign of life."""
    closed: str | None = None
    """Why it was closed without a result: ``died``, ``interrupted``, ``unused``, ``twin``, or what went wrong."""
    settings: Overrides = Field(default_factory=dict)
    """The overrides that its parameters mean."""
    fingerprints: tuple[str, ...] = ()
    """Its runs, by repeat."""
    run_epochs: tuple[int, ...] = ()
    """Epochs of each run that it took, in order."""
    epochs_full: int | None = None
    """Epochs that it would take without pruning; None where its settings could not be built."""
    scores: TrialScores = Field(default_factory=TrialScores)
    """What its finished repeats scored."""
    proposed: Kept = Field(default_factory=dict)
    """What the sampler kept of it as it was proposed."""
    ended: Kept = Field(default_factory=dict)
    """What sampler and pruner kept of it as it ended."""

    def attributes(self) -> dict[str, object]:
        """The fields that are set, as Optuna keeps them."""
        return self.model_dump(mode="json", exclude_unset=True)


def notes_of(trial: optuna.Trial | FrozenTrial) -> TrialNotes:
    """What is written down with a trial.

    Raises:
        RecordError: something in it has a wrong type.
    """
    try:
        return TrialNotes.model_validate(trial.user_attrs)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise RecordError(
            f"'{'.'.join(map(str, first['loc']))}' in the notes of a trial cannot be understood",
            expected=expectation(first),
            found=repr(first["input"])[:60],
            where=f"trial {trial.number} of a search",
            next_step="Rename the storage of the search: it then starts again, and finished runs are reused",
        ) from None


def note(trial: optuna.Trial, notes: TrialNotes) -> None:
    """Write down the fields that are set, on a trial of this process."""
    for key, value in notes.attributes().items():
        trial.set_user_attr(key, value)


def waiting(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], notes: TrialNotes) -> FrozenTrial:
    """A trial with fixed settings, for the next free process."""
    return create_trial(
        state=TrialState.WAITING,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=notes.attributes(),
    )


class StoredStudy(optuna.Study):
    """A search as its storage has it. It has no sampler and no pruner: see :mod:`experiments.tuning.view`.

    Raises:
        KeyError: the storage has no search of that name.
    """

    def __init__(self, name: str, storage: BaseStorage) -> None:
        super().__init__(name, storage, optuna.samplers.RandomSampler(), optuna.pruners.NopPruner())
        self.storage = storage

    def note(self, number: int, notes: TrialNotes) -> None:
        """Write down the fields that are set, on a trial of any process.

        Raises:
            optuna.exceptions.UpdateFinishedTrialError: it has ended.
        """
        study = self.storage.get_study_id_from_name(self.study_name)
        trial = self.storage.get_trial_id_from_study_id_trial_number(study, number)
        for key, value in notes.attributes().items():
            self.storage.set_trial_user_attr(trial, key, value)

    def link(self, page: str, number: int | None = None) -> None:
        """Write down where MLflow shows the search, or one of its trials.

        A trial that has ended already stays without it: no attribute of such a trial can be set. Its run in MLflow is
        found among those of the search.

        Args:
            page: of the run, behind the ``#/`` of an address. number: of the trial; None: the search.
        """
        if number is None:
            if self.user_attrs.get(MLFLOW_RUN) != page:
                self.set_user_attr(MLFLOW_RUN, page)
            return
        study = self.storage.get_study_id_from_name(self.study_name)
        trial = self.storage.get_trial_id_from_study_id_trial_number(study, number)
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(trial, MLFLOW_RUN, page)
