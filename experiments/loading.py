"""The results of a study from its records, without training and without a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack, overload

from experiments.choices import Choices, options_from
from experiments.home import Home
from experiments.opening import open_request
from experiments.outcome import Outcome
from experiments.planning.plan import plan
from experiments.results import load_results
from experiments.study_file import study_name
from experiments.trained_arm import TrainedArm, trained_arm
from reports.summary.build import summarise
from studies.study import Study


@overload
def load(home: Path | str | None, study: str | os.PathLike[str] | Study, **choices: Unpack[Choices]) -> Outcome: ...


@overload
def load(
    home: Path | str | None, study: str | os.PathLike[str] | Study, arm: str, **choices: Unpack[Choices]
) -> TrainedArm: ...


def load(
    home: Path | str | None,
    study: str | os.PathLike[str] | Study,
    arm: str | None = None,
    **choices: Unpack[Choices],
) -> Outcome | TrainedArm:
    """The results of a study so far, or one of its arms as a model that predicts; trains nothing and writes no report.

    Args:
        home: the folder in which the study was run; None: ``MMSTUDY_HOME``, else ``./mlruns``.
        study: a name of the catalogue, a file, or a :class:`Study`.
        arm: whose models to open; None: the results.
        choices: those with which the study was run, since they say which runs are its own; see :class:`Choices`.

    Returns:
        The outcome; its ``report`` is a file only where the report was written before. With ``arm``, the arm, see
        :class:`experiments.trained_arm.TrainedArm`.

    Raises:
        RecordError: no run of the study, or of the arm, is finished, or records cannot be mixed.
        StudyError, CorpusError: what is wrong, with file and line; no such arm.
    """
    place = Home.choose(Path(home) if home is not None else None)
    if arm is not None:
        return trained_arm(study_name(study, place), place, options_from(choices), arm)
    request = open_request(study_name(study, place), place, options_from(choices))
    results = load_results(plan(request, place), place)
    page = place.report(request.key) / "report.html"
    return Outcome(results, summarise(results), page, len(results.runs) - len(results.done), None)
