"""The results of a study from its records, without training and without a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from experiments.choices import Choices, options_from
from experiments.home import Home
from experiments.opening import open_request
from experiments.outcome import Outcome
from experiments.planning.plan import plan
from experiments.results import load_results
from experiments.study_file import study_name
from reports.summary.build import summarise
from studies.study import Study


def load(home: Path | str | None, study: str | os.PathLike[str] | Study, **choices: Unpack[Choices]) -> Outcome:
    """The results of a study so far; trains nothing and writes no report.

    Args:
        home: the folder in which the study was run; None: ``MMSTUDY_HOME``, else ``./mlruns``.
        study: a name of the catalogue, a file, or a :class:`Study`.
        choices: those with which the study was run, since they say which runs are its own; see :class:`Choices`.

    Returns:
        The outcome; its ``report`` is a file only where the report was written before.

    Raises:
        RecordError: no run of the study is finished, or records cannot be mixed.
        StudyError, CorpusError: what is wrong, with file and line.
    """
    place = Home.choose(Path(home) if home is not None else None)
    request = open_request(study_name(study, place), place, options_from(choices))
    results = load_results(plan(request, place), place)
    page = place.report(request.key) / "report.html"
    return Outcome(results, summarise(results), page, len(results.runs) - len(results.done), None)
