"""Analyses of finished runs: what is asked, what is answered already, and where answers are kept.

Each answer is a file ``analyses/KIND-DIGEST.json`` in its run's folder, written atomically: presence means answered. An
analysis that failed leaves its reason there; the next call of the same command tries it again.

Studies share runs, so a run's folder may hold answers that another study asked for. A report has those of its own study
alone: what its file asks for, and what ``mmstudy analyse STUDY KIND`` has asked since, which the home remembers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from experiments.examine import is_torn, read_answer
from experiments.home import Home
from experiments.planning.plan import Plan
from experiments.planning.request import PlannedRun, Request
from experiments.records import answer_path
from mmcore.analyses import KINDS, AnyAnalysis, applies, build_analysis
from mmcore.answers.answer import Answer, Answered, Failure, Result
from mmcore.atomic import write_atomically
from mmcore.errors import StudyError, nearest
from mmcore.files import BrokenFile, read_kept
from studies.resolved import ResolvedStudy


@dataclass(frozen=True)
class Question:
    """An analysis of one run of a study."""

    run: PlannedRun
    analysis: AnyAnalysis

    def path(self, home: Home) -> Path:
        """Where the answer is kept."""
        return answer_path(home.run(self.fingerprint), self.analysis)

    def answer(self, home: Home) -> Answer[Result] | None:
        """What is kept; see :func:`experiments.examine.read_answer`."""
        return read_answer(home.run(self.fingerprint), self.analysis)

    @property
    def fingerprint(self) -> str:
        """Of the run, which is finished and has one."""
        assert self.run.fingerprint is not None
        return self.run.fingerprint


def questions(todo: Plan, analyses: Sequence[AnyAnalysis]) -> list[Question]:
    """Every analysis of every finished run to which it applies, in the order of the plan."""
    schema = todo.request.schema
    return [
        Question(run, analysis)
        for run in todo.runs
        if run.state == "done"
        for analysis in analyses
        if applies(analysis, run.config, tuple(schema.chosen(run.config.model.modalities)))
    ]


def chosen(kinds: Sequence[str], study: ResolvedStudy) -> tuple[AnyAnalysis, ...]:
    """Analyses by kind, with the study's settings where its file asks for it, else as they come; no kind: the file's.

    Raises:
        StudyError: no such kind.
    """
    if not kinds:
        return study.analyses
    wanted = KINDS if "all" in kinds else tuple(dict.fromkeys(kinds))
    for kind in wanted:
        if kind not in KINDS:
            raise StudyError(f"analysis '{kind}' is unknown", next_step=nearest(kind, ["all", *KINDS]))
    own = {one.kind: one for one in study.analyses}
    return tuple(own.get(kind) or build_analysis({"kind": kind}) for kind in wanted)


def belonging(request: Request, home: Home) -> tuple[AnyAnalysis, ...]:
    """What a study asks: the analyses of its file, then those that were asked on the command line.

    Raises:
        RecordError: what the home remembers of them is unreadable.
    """
    written = request.study.analyses
    known = {one.kind for one in written}
    later = [kind for kind in _remembered(request, home) if kind not in known]
    return (*written, *(chosen(later, request.study) if later else ()))


def remember(request: Request, home: Home, analyses: Sequence[AnyAnalysis]) -> None:
    """Let analyses belong to a study from now on, whatever metric and number of repeats its reports have."""
    before = _remembered(request, home)
    kinds = list(dict.fromkeys([*before, *(one.kind for one in analyses)]))
    if kinds == before:
        return
    path = home.request(request.search_key)
    write_atomically(path, lambda file: file.write(json.dumps({"analyses": kinds}).encode()))


def _remembered(request: Request, home: Home) -> list[str]:
    """Kinds, in the order in which they were asked; those that this version does not know are left out."""
    path = home.request(request.search_key)
    next_step = f"Rename it to {path.name}.broken, then run mmstudy analyse STUDY KIND again; finished answers are kept"
    try:
        kept = read_kept(path, _ASKED, "the list of analyses that mmstudy analyse added to a study", next_step)
    except FileNotFoundError:
        return []
    return [kind for kind in kept.analyses if kind in KINDS]


@dataclass(frozen=True)
class _Asked:
    """What such a file holds."""

    analyses: tuple[str, ...]


_ASKED = TypeAdapter(_Asked)


def answers(todo: Plan, home: Home) -> tuple[Answered[Result | Failure], ...]:
    """What is there of the answers that the study asks for, each with the arm, repeat and fingerprint of its run.

    Raises:
        RecordError: an answer is torn, or this user may not read it.
    """
    found = []
    for question in questions(todo, belonging(todo.request, home)):
        answer = question.answer(home)
        if answer is None and is_torn(path := question.path(home)):
            raise BrokenFile(
                f"the answer of the analysis '{question.analysis.kind}' must be whole JSON",
                path,
                expected=None,
                found="a torn file",
                next_step=f"mmstudy analyse {todo.request.study.name} sets it aside and makes the answer again",
            )
        if answer is not None:
            found.append(answer.about(question.run.arm, question.run.repeat, question.fingerprint))
    return tuple(found)


def still_open(todo: Plan, home: Home, analyses: Sequence[AnyAnalysis]) -> list[Question]:
    """Questions without an answer, those that failed before among them."""
    kept = ((question, question.answer(home)) for question in questions(todo, analyses))
    return [question for question, answer in kept if answer is None or answer.result is None]
