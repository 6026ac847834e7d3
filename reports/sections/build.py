"""From the answers of analyses to sections of a report, and the figures that belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmcore.analyses import left_out
from mmcore.answers.answer import Failure
from mmcore.language import say
from reports.model.section import Finding, Section
from reports.numbers import counted, listing
from reports.records.frame import StudyResults
from reports.sections.attention import section as attention
from reports.sections.corruption import section as corruption
from reports.sections.error_analysis import section as errors
from reports.sections.gates import section as gates
from reports.sections.joining import quoted
from reports.sections.modalities import section as modalities
from reports.sections.scope import scoped
from reports.sections.search import section as search
from studies.resolved import is_native

if TYPE_CHECKING:
    from reports.figures.base import FigureBase


def sections(results: StudyResults) -> tuple[Section, ...]:
    """One section for each analysis that has anything to say, in the order of the page."""
    of_runs = ()
    if results.foreign is None:
        of_runs = (
            modalities.section(results),
            gates.section(results),
            attention.section(results),
            corruption.section(results),
            errors.section(results),
        )
    others = (search.section(results), _failures(results), _left_out(results))
    asked = [scoped(section, results) for section in of_runs if section is not None]
    return (*asked, *(section for section in others if section is not None))


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """The figures to which sections refer by name. Imports the drawing library."""
    from reports.sections.attention import figures as of_attention
    from reports.sections.corruption import figures as of_corruption
    from reports.sections.error_analysis import figures as of_errors
    from reports.sections.gates import figures as of_gates
    from reports.sections.modalities import figures as of_modalities
    from reports.sections.search import figures as of_search

    rooms = (of_modalities, of_gates, of_attention, of_corruption, of_errors, of_search)
    if results.foreign is not None:
        rooms = (of_search,)
    return tuple(figure for room in rooms for figure in room.figures(results))


def _failures(results: StudyResults) -> Section | None:
    """Analyses that failed, with the reason: the report names a gap instead of leaving it out."""
    failed = results.answers(Failure)
    if not failed:
        return None
    reasons: dict[tuple[str, str], int] = {}
    for answer in failed:
        reason = f"{answer.result.error}: {answer.result.message}"
        reasons[answer.kind, reason] = reasons.get((answer.kind, reason), 0) + 1
    return Section(
        key="analyses_failed",
        title=say("Analyses that failed"),
        question=say("Which analyses failed?"),
        lead=say(
            "The runs themselves are finished and their scores stand. The same command tries these analyses again."
        ),
        findings=tuple(
            Finding(say("{kind} of {runs} failed.", kind=say(kind), runs=counted(n, "run")), "failed", "bad", reason)
            for (kind, reason), n in reasons.items()
        ),
    )


def _left_out(results: StudyResults) -> Section | None:
    """Analyses that a part of the user's does not allow, with the reason."""
    study = results.study
    if not is_native(study):
        return None
    arms: dict[tuple[str, str], list[str]] = {}
    for analysis in study.analyses:
        for arm in study.arms:
            read = arm.config.model.modalities or results.corpus.modalities
            why = left_out(analysis, arm.config, tuple(read))
            if why is not None:
                arms.setdefault((analysis.kind, why), []).append(quoted(arm.name))
    if not arms:
        return None
    return Section(
        key="analyses_left_out",
        title=say("Analyses that were left out"),
        question=say("Which analyses could not be made of classes of your own?"),
        lead=say("Scores, verdicts and all other analyses of these arms stand."),
        findings=tuple(
            Finding(
                say("{kind} of {names}.", kind=say(kind.capitalize()), names=listing(names)),
                "left out", "open", say(why),
            )
            for (kind, why), names in arms.items()
        ),
    )  # fmt: skip
