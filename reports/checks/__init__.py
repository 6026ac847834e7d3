"""Facts that a reader must know before believing a verdict, each with a code that is never reused."""

from __future__ import annotations

from collections.abc import Sequence

from mmcore.language import say
from reports.checks.evidence import Evidence, Found
from reports.checks.rule import Rule
from reports.checks.rules import RULES
from reports.model.report import ArmRow, Check, ComparisonRow
from reports.records.frame import StudyResults


def run_checks(
    results: StudyResults,
    arms: Sequence[ArmRow],
    comparisons: Sequence[ComparisonRow],
    nothing_to_predict: Sequence[str],
) -> tuple[Check, ...]:
    """Every check, in the order of its code.

    Args:
        comparisons: on the study's metric and per component.
        nothing_to_predict: components without a score.
    """
    evidence = Evidence(results, arms, comparisons, nothing_to_predict)
    checks = []
    for rule in RULES:
        outcome, text = _look(rule, evidence)
        checks.append(Check(rule.code, say(rule.title), outcome, text, say(rule.reason), say(rule.advice)))
    return tuple(checks)


def _look(rule: Rule, evidence: Evidence) -> Found:
    """The check's outcome; that nothing is known where scores of other code lack what it looks at."""
    foreign = evidence.results.foreign
    if foreign is None or rule.about == "scores" or (rule.about == "runs" and foreign.ran):
        return rule.look(evidence)
    return "not applicable", foreign.unknown
