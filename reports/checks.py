"""Facts in the data that a reader must know before believing a verdict, each with a code that is never reused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

from reports.contents import ArmRow, Check, ComparisonRow, Outcome
from reports.frame import StudyResults
from reports.numerals import counted, listing, number, percent
from reports.statistics.floors import needed


def run_checks(
    results: StudyResults,
    arms: Sequence[ArmRow],
    comparisons: Sequence[ComparisonRow],
    nothing_to_predict: Sequence[str],
) -> tuple[Check, ...]:
    """Every check, in the order of its code."""
    found: dict[str, tuple[Outcome, str]] = {
        "ABL001": _leaky(results),
        "ABL002": _failed(results, arms),
        "ABL003": _fewer_repeats(results, arms),
        "ABL004": _too_few(results, comparisons),
        "ABL005": _shared_head(results),
        "ABL006": _uncommitted(results),
        "ABL007": _mixed_commits(results),
        "ABL008": _mixed_versions(results),
        "ABL009": _nothing_to_predict(results, nothing_to_predict),
        "ABL010": _unlike_in_size(results, arms),
        "ABL011": _forbidden(results),
        "ABL012": _one_split(results),
    }
    return tuple(Check(code, TITLES[code], outcome, text) for code, (outcome, text) in found.items())


TITLES = {
    "ABL001": "The target is part of the input",
    "ABL002": "Runs failed",
    "ABL003": "Fewer repeats than asked for",
    "ABL004": "Too few repeats for any claim",
    "ABL005": "The head cannot tell tracks apart",
    "ABL006": "Uncommitted changes",
    "ABL007": "Runs from different commits",
    "ABL008": "Runs from different package versions",
    "ABL009": "A component has nothing to predict",
    "ABL010": "Arms that should be matched differ in size",
    "ABL011": "A prediction depends on what it may not know",
    "ABL012": "All runs share one split",
}
"""Code to what is looked for."""

Found = tuple[Outcome, str]
PASSED: Found = ("passed", "")
NOT_APPLICABLE: Found = ("not applicable", "")


def _warn_if(warns: bool, text: Callable[[], str]) -> Found:
    return ("warning", text()) if warns else PASSED


def _leaky(results: StudyResults) -> Found:
    if not results.corpus:
        return "not run", ""
    copied = [run["copy_skill"] for run in results.run_rows if run["copy_skill"] is not None]
    return _warn_if(
        bool(results.corpus.get("leaky")),
        lambda: (
            f"Task {results.corpus['task']} asks for the values of the very steps that the model reads: copying the "
            "input scores perfectly, so these scores say nothing about prediction. Use task forecast to measure that."
            + (f" Measured: a mere copy of the input has a skill of up to {number(max(copied))}." if copied else "")
        ),
    )


def _failed(results: StudyResults, arms: Sequence[ArmRow]) -> Found:
    if not results.run_rows:
        return "not run", ""
    failed = [run for run in results.run_rows if run["status"] != "done"]
    counts = listing([f"{arm.failed} of '{arm.name}'" for arm in arms if arm.failed])
    return _warn_if(
        bool(failed),
        lambda: (
            f"{counted(len(failed), 'run')} failed ({counts}). Comparisons use the repeats that finished in both arms; "
            f"if failing has to do with the arm, its scores flatter it. First failure: {failed[0]['failure']}."
        ),
    )


def _fewer_repeats(results: StudyResults, arms: Sequence[ArmRow]) -> Found:
    asked = results.study.repeats
    counts = listing([f"{arm.n} of '{arm.name}'" for arm in arms])
    return _warn_if(
        any(arm.missing for arm in arms),
        lambda: (
            f"The study asks for {counted(asked, 'repeat')}; finished are {counts}. Run the study again to add them."
        ),
    )


def _too_few(results: StudyResults, comparisons: Sequence[ComparisonRow]) -> Found:
    if not comparisons:
        return NOT_APPLICABLE
    short = [c for c in comparisons if c.decision.verdict == "too few repeats"]
    alpha = results.study.alpha

    def text() -> str:
        families = {c.component is None: c.decision.family for c in short}
        parts = []
        for primary, size in families.items():
            least = needed(alpha, size)
            what = "on the study's metric" if primary else "by component"
            parts.append(f"{counted(size, 'comparison')} {what} at {alpha:g} need at least {least or 'more'} repeats")
        return (
            f"{len(short)} of {counted(len(comparisons), 'comparison')} cannot be decided by any result: "
            f"{listing(parts)}."
        )

    return _warn_if(bool(short), text)


def _shared_head(results: StudyResults) -> Found:
    tracks = results.corpus.get("tracks", 0)
    if tracks <= 1:
        return NOT_APPLICABLE
    shared = [f"'{arm.name}'" for arm in results.study.arms if arm.config.model.head.kind == "shared"]
    return _warn_if(
        bool(shared),
        lambda: (
            f"With the shared head {listing(shared)} gives all {tracks} tracks the same curve "
            "over time, shifted by a constant: what differs between tracks cannot be learned."
        ),
    )


def _uncommitted(results: StudyResults) -> Found:
    known = [run["dirty"] for run in results.run_rows if run["dirty"] is not None]
    if not known:
        return "not run", ""
    return _warn_if(
        any(known),
        lambda: (
            f"{counted(sum(known), 'run')} came from code with uncommitted changes: the commit does not say what ran."
        ),
    )


def _mixed_commits(results: StudyResults) -> Found:
    known = Counter(run["commit"][:12] for run in results.run_rows if run["commit"] is not None)
    if not known:
        return "not run", ""
    return _warn_if(len(known) > 1, lambda: f"Runs come from {len(known)} commits: {_with_counts(known)}.")


def _mixed_versions(results: StudyResults) -> Found:
    """Packages and Python, across runs; names only those that differ."""
    versions: dict[str, Counter[str]] = {}
    for run in results.run_rows:
        for name, version in {**json.loads(run["packages"]), "python": run["python"], "torch": run["torch"]}.items():
            if version is not None:
                versions.setdefault(name, Counter())[version] += 1
    if not versions:
        return "not run", ""
    mixed = [f"{name} {_with_counts(found)}" for name, found in versions.items() if len(found) > 1]
    return _warn_if(bool(mixed), lambda: f"Versions differ between runs: {'; '.join(mixed)}.")


def _with_counts(values: Counter[str]) -> str:
    return listing([f"{value} ({counted(n, 'run')})" for value, n in values.items()])


def _nothing_to_predict(results: StudyResults, components: Sequence[str]) -> Found:
    if results.scores.empty:
        return "not run", ""
    return _warn_if(
        bool(components),
        lambda: (
            f"In {listing(tuple(components))} the target never varies on the test items, or a naive prediction is "
            "perfect already. It has no score and counts neither for nor against an arm."
        ),
    )


def _unlike_in_size(results: StudyResults, arms: Sequence[ArmRow]) -> Found:
    """By what the runs say of their models, not by what was planned."""
    rule = results.study.match
    if rule is None:
        return NOT_APPLICABLE
    # An arm that is kept as written beside its matched twin need not match.
    twins = {arm.name for arm in results.study.arms if arm.size is not None and arm.size.within is None}
    sizes = {arm.name: getattr(arm, rule.by) for arm in arms if arm.name not in twins}
    target = sizes.pop(results.study.reference)
    known = {name: (size - target) / target for name, size in sizes.items() if target and size is not None}
    if not known:
        return "not run", ""
    unlike = [f"'{name}' is {_share(share)}" for name, share in known.items() if abs(share) > rule.tolerance]
    return _warn_if(
        bool(unlike),
        lambda: (
            f"By {MATCHED_BY[rule.by]}, {listing(unlike)} than the reference '{results.study.reference}'; the study "
            f"asks for {percent(rule.tolerance)} at most. What tells them apart may be size."
        ),
    )


MATCHED_BY = {"parameters": "parameters", "flops": "FLOPs"}
"""How a rule of matching is called in sentences."""


def _share(share: float) -> str:
    return f"{percent(round(abs(share), 3))} {'larger' if share > 0 else 'smaller'}"


def _forbidden(results: StudyResults) -> Found:
    """Gradients of predictions by inputs that they may not know, as the runs measured them on trained models."""
    probed = [run for run in results.run_rows if run["probed_windows"] is not None]
    if not probed:
        return "not run", ""
    measured = [run for run in probed if run["forbidden_gradient"] is not None]
    if not measured:
        return NOT_APPLICABLE
    worst: dict[str, float] = {}
    for run in measured:
        worst[run["arm"]] = max(worst.get(run["arm"], 0.0), abs(run["forbidden_gradient"]))
    leaks = [f"{value:.2g} in '{arm}'" for arm, value in worst.items() if value != 0]
    return _warn_if(
        bool(leaks),
        lambda: (
            "Predictions change with inputs of steps that they may not know, so the scores cannot be believed. Largest "
            f"gradient: {listing(leaks)}."
        ),
    )


def _one_split(results: StudyResults) -> Found:
    """One split, one initialisation: chance cannot be told from a difference."""
    done = {run["repeat"] for run in results.run_rows if run["status"] == "done"}
    if not done:
        return "not run", ""
    return _warn_if(
        len(done) == 1,
        lambda: (
            "Every finished run has the same split and the same initialisation. How much scores vary by chance is "
            "unknown, and with it whether any difference is more than chance. Add repeats."
        ),
    )
