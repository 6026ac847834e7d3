"""Checks from Python: of a corpus, of a study before it is trained, and of its results."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from experiments.check_view import read_text
from experiments.choices import Choices, options_from
from experiments.corpus import Corpus
from experiments.home import Home
from experiments.shown_path import near
from experiments.study_file import study_name
from mmcore.data.checking import Problem
from mmcore.errors import CorpusError, MMStudyError, StudyError, nearest
from mmcore.language import say
from reports.cards.card import Card, Line
from reports.cards.shown import Shown
from reports.numbers import counted
from studies.study import Study, catalogue

if TYPE_CHECKING:
    import pandas as pd

    from experiments.planning.plan import AnyPlan
    from experiments.planning.request import Options, Request


@dataclass(frozen=True, repr=False)
class Findings(Shown):
    """What a check found.

    Args:
        subject: what was checked.
        problems: errors first. An error stops a run; a warning is something to know before relying on a result.
        read: what was looked at, in words. skipped: what was not, and why; empty: all of it was.
        plan: of a study that can be run; None of a corpus, and where an error stops the study.
    """

    subject: str
    problems: tuple[Problem, ...]
    read: str
    skipped: str = ""
    plan: AnyPlan | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop a run."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The other problems."""
        return tuple(problem for problem in self.problems if problem.level == "warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: level, rule, where, expected, found, next_step; None where there is none."""
        import pandas as pd

        columns = ["level", "rule", "where", "expected", "found", "next_step"]
        return pd.DataFrame([asdict(problem) for problem in self.problems], columns=columns)

    def card(self) -> Card:
        """The problems, each on a line, and what was looked at."""
        counts = say(
            "{errors} and {warnings}",
            errors=counted(len(self.errors), "error") if self.errors else say("no error"),
            warnings=counted(len(self.warnings), "warning") if self.warnings else say("no warning"),
        )
        lines = [_line(one) for one in self.problems]
        notes = [self.read, say("not looked at: {what}", what=self.skipped) if self.skipped else ""]
        return Card(
            say("Check of {subject}", subject=self.subject),
            counts,
            tuple(lines),
            notes=tuple(note for note in notes if note),
        )


def check(what: str | os.PathLike[str] | Study, home: Path | str | None = None, **choices: Unpack[Choices]) -> Findings:
    """Look for problems in a corpus, or in a study with its corpus and its finished runs. Trains nothing.

    A corpus is read whole, as by ``mmstudy data check``. A study is opened and planned: what stops it is an error; what
    it could not decide, and what its windows cut off, are warnings. Its corpus is checked as well. Once runs are
    finished, the checks of its report that warn are warnings too.

    Args:
        what: a corpus (a folder, or a :class:`Corpus`), or a study (a name of the catalogue, a file or a
            :class:`Study`).
        home: where the study's runs are; None: ``MMSTUDY_HOME``, else ``./mlruns``. A corpus needs none.
        choices: for a study, those of ``run_study``; see :class:`Choices`.

    Returns:
        All findings. Nothing is raised for what is wrong in a corpus or a study.

    Raises:
        StudyError: there is nothing of that name, or a keyword is wrong.
    """
    place = Home.choose(Path(home) if home is not None else None)
    options = options_from(choices)
    if not isinstance(what, Study) and _is_corpus(what):
        return _check_corpus(Path(what))
    return _check_study(what, place, options)


def _is_corpus(what: str | os.PathLike[str]) -> bool:
    if isinstance(what, str) and what in catalogue():
        return False
    return isinstance(what, Corpus) or (isinstance(what, str | os.PathLike) and Path(what).is_dir())


def _check_corpus(folder: Path) -> Findings:
    from mmcore.data.checking import check_corpus

    subject = say("corpus {folder}", folder=near(folder.resolve()))
    try:
        checked = check_corpus(folder)
    except CorpusError as error:
        return Findings(subject, (_problem(error),), say("nothing could be read"))
    return Findings(subject, _errors_first(checked.problems), read_text(checked), checked.skipped or "")


def _check_study(what: str | os.PathLike[str] | Study, home: Home, options: Options) -> Findings:
    from experiments.opening import open_request
    from experiments.planning.plan import plan
    from experiments.planning.request import trains_itself
    from studies.study import find_study

    name = study_name(what, home)
    if not Path(name).exists() and name not in catalogue():
        raise StudyError(
            f"'{name}' is no folder of a corpus, no study of the catalogue and no file",
            next_step=nearest(name, [*catalogue()]),
        )
    subject = say("study '{study}'", study=find_study(name).stem)
    try:
        request = open_request(name, home, options)
        planned = plan(request, home)
        problems, read, skipped = [], [], say("the data, which the training code reads itself")
        if trains_itself(request):
            problems, read, skipped = _before_training(request)
    except MMStudyError as error:
        return Findings(subject, (_problem(error),), say("the study stops at this error"), say("what comes after it"))
    read = [counted(len(planned.runs), "planned run"), *read]
    if planned.count("done"):
        found, note = _check_results(planned, home)
        problems += found
        read.append(note)
    return Findings(subject, _errors_first(problems), say("; ").join(read), skipped, planned)


def _before_training(request: Request) -> tuple[list[Problem], list[str], str]:
    """What can be known of a study that mmstudy trains before it is trained, what was read, and what was not."""
    from experiments.planning.feasible import refuse_impossible
    from experiments.planning.foresight import prospects
    from experiments.planning.precision import request_warnings

    refuse_impossible(request)
    warnings = (*prospects(request).warnings, *request_warnings(request))
    problems = [Problem("warning", text) for text in warnings]
    if request.place.simulated is not None:
        return problems, [], ""
    if request.place.elsewhere is not None:
        return problems, [], say("the corpus, which is on another machine")
    corpus = _check_corpus(request.place.folder)
    return [*problems, *corpus.problems], [say("corpus with {read}", read=corpus.read)], corpus.skipped


def _check_results(planned: AnyPlan, home: Home) -> tuple[list[Problem], str]:
    """The checks of the report of what is finished."""
    from experiments.results import load_results
    from reports.summary.build import summarise

    try:
        summary = summarise(load_results(planned, home))
    except MMStudyError as error:
        return [_problem(error)], say("its results cannot be read")
    problems = [
        Problem(
            "warning",
            say("{code}: {title}. {text}", code=one.code, title=one.title, text=one.text.rstrip(".。")),
            next_step=one.advice,
        )
        for one in summary.warnings
    ]
    return problems, say("results of {runs}", runs=counted(planned.count("done"), "finished run"))


def _line(problem: Problem) -> Line:
    where = f"{problem.where}: " if problem.where else ""
    whole, start = problem.message, f"{where}{problem.rule}"
    tone = "worse" if problem.level == "error" else "warning"
    return Line(
        say("{level}: {text}", level=say(problem.level), text=start),
        tone,
        detail=whole.removeprefix(start).lstrip("; ."),
    )


def _problem(error: MMStudyError) -> Problem:
    return Problem("error", error.rule, error.where, error.expected, error.found, error.next_step)


def _errors_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.level))
