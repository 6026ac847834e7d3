"""Checks of what is predicted: whether it could be copied, looked up, or predicted without learning."""

from __future__ import annotations

import math

from reports.checks.evidence import Evidence, Found, not_applicable, not_run, quoted, some, warn_if
from reports.numerals import listing, number
from reports.statistics.intervals import Estimate, estimate


def leaky(evidence: Evidence) -> Found:
    """A task whose answer stands in the input."""
    corpus = evidence.results.corpus
    if not corpus:
        return not_run("No run opened its corpus.")
    copied = [run["copy_skill"] for run in evidence.results.run_rows if run["copy_skill"] is not None]
    return warn_if(
        bool(corpus.get("leaky")),
        lambda: (
            f"Task {corpus['task']} is leaky: it asks for the values of the very steps that the model reads."
            + (f" Measured: a mere copy of the input has a skill of up to {number(max(copied))}." if copied else "")
        ),
    )


def nothing_to_predict(evidence: Evidence) -> Found:
    """Components in which no score exists."""
    if evidence.results.scores.empty:
        return not_run("No run finished.")
    components = evidence.nothing_to_predict
    return warn_if(
        bool(components),
        lambda: (
            f"In {listing(tuple(components))} the target never varies on the test items, or a naive prediction is "
            "perfect already."
        ),
    )


def forbidden(evidence: Evidence) -> Found:
    """Gradients of predictions by inputs that they may not know, as the runs measured them on trained models."""
    probed = [run for run in evidence.results.run_rows if run["probed_windows"] is not None]
    if not probed:
        return not_run("No run probed its trained model.")
    measured = [run for run in probed if run["forbidden_gradient"] is not None]
    if not measured:
        return not_applicable("This task lets a prediction know every step of its window.")
    worst: dict[str, float] = {}
    for run in measured:
        worst[run["arm"]] = max(worst.get(run["arm"], 0.0), abs(run["forbidden_gradient"]))
    leaks = [f"{value:.2g} in '{arm}'" for arm, value in worst.items() if value != 0]
    return warn_if(
        bool(leaks),
        lambda: f"Predictions change with inputs of steps that they may not know. Largest gradient: {some(leaks)}.",
    )


def naive(evidence: Evidence) -> Found:
    """Arms whose skill is not shown to be above 0, and components on which that holds for every arm."""
    results = evidence.results
    known = {name: e for name in (a.name for a in evidence.arms) if not math.isnan((e := _skill(evidence, name)).low)}
    if not known:
        return not_run("No arm has a skill with an interval.")
    below = [name for name, e in known.items() if e.low <= 0]
    hopeless = []
    for component in results.components:
        found = [e for name in known if not math.isnan((e := _skill(evidence, name, component)).low)]
        if found and all(e.low <= 0 for e in found):
            hopeless.append(component)

    def text() -> str:
        told = []
        if below:
            verb = "is" if len(below) == 1 else "are"
            told.append(f"{quoted(below)} {verb} not shown to beat it: the interval of the skill reaches 0 or below.")
        if hopeless:
            told.append(f"On {some(hopeless)} no arm is shown to have any skill.")
        return " ".join(told)

    return warn_if(bool(below or hopeless), text)


def _skill(evidence: Evidence, arm: str, component: str | None = None) -> Estimate:
    table = evidence.results.table("skill", component)
    values = table[arm].to_numpy(float) if arm in table else []
    return estimate(values, 1 - evidence.results.study.alpha, evidence.results.overlap)
