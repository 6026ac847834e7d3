"""Checks of the runs themselves: which are missing or failed, and what they were trained with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from mmcore.record import Run
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted, listing

FAILED_MORE = 2
"""Failed runs that one arm must have more than another before it is more than chance could be blamed for."""


def failed(evidence: Evidence) -> Found:
    """Runs without a score."""
    runs = evidence.results.runs
    if not runs:
        return not_run("There is no run.")
    without = [run for run in runs if not run.done]
    counts = some([f"{arm.failed} of '{arm.name}'" for arm in evidence.arms if arm.failed])
    return warn_if(
        bool(without),
        lambda: f"{counted(len(without), 'run')} failed ({counts}). First failure: {without[0].failure}.",
    )


def fewer_repeats(evidence: Evidence) -> Found:
    """Repeats that have not been run."""
    asked, sequential = evidence.results.study.repeats, evidence.results.study.sequential is not None
    done = Counter(run.arm for run in evidence.results.done)
    # Every arm is named: how many repeats each has is the very thing to know.
    counts = listing([f"{done[arm.name]} of '{arm.name}'" for arm in evidence.arms])
    return warn_if(
        any(arm.missing for arm in evidence.arms),
        lambda: f"The study has {'up to ' * sequential}{counted(asked, 'repeat')}; finished runs: {counts}.",
    )


def uneven_failures(evidence: Evidence) -> Found:
    """Arms with clearly more failed runs than others."""
    if not evidence.results.runs:
        return not_run("There is no run.")
    counts = {arm.name: arm.failed for arm in evidence.arms}
    most, least = max(counts, key=lambda a: counts[a]), min(counts, key=lambda a: counts[a])
    return warn_if(
        counts[most] - counts[least] >= FAILED_MORE,
        lambda: f"{counts[most]} runs of '{most}' failed, {counts[least] or 'none'} of '{least}'.",
    )


def without_score(evidence: Evidence) -> Found:
    """Finished runs whose score on the study's metric is NaN or infinite, by arm."""
    done = Counter(run.arm for run in evidence.results.done)
    if not done:
        return not_run("No run finished.")
    foreign = evidence.results.foreign
    if foreign is not None and foreign.by_part:
        return not_applicable(f"Each {foreign.part} has scores of its own: ABL043 counts them.")
    unknown = [
        f"{counted(missing, 'run')} of '{arm.name}' ({arm.n} of {done[arm.name]} have a score)"
        for arm in evidence.arms
        if (missing := done[arm.name] - arm.n) > 0
    ]
    return warn_if(
        bool(unknown),
        lambda: f"Finished, but {evidence.results.study.metric.name} is NaN or infinite: {some(unknown)}.",
    )


def uncommitted(evidence: Evidence) -> Found:
    """Runs of code that no commit describes."""
    known = [dirty for run in evidence.results.runs if (dirty := run.environment.dirty) is not None]
    if not known:
        return not_run("No run came from a git checkout.")
    return warn_if(any(known), lambda: f"{counted(sum(known), 'run')} came from code with uncommitted changes.")


def mixed_commits(evidence: Evidence) -> Found:
    """Runs of several versions of the code."""
    known = Counter(run.environment.commit[:12] for run in evidence.results.runs if run.environment.commit is not None)
    if not known:
        return not_run("No run came from a git checkout.")
    return warn_if(len(known) > 1, lambda: f"Runs come from {len(known)} commits: {_with_counts(known)}.")


def mixed_versions(evidence: Evidence) -> Found:
    """Packages and Python, across runs; names only those that differ."""
    versions: dict[str, Counter[str]] = {}
    for run in evidence.results.runs:
        made = run.environment
        for name, version in {
            **dict(sorted(made.packages.items())),
            "python": made.python,
            "torch": made.torch,
        }.items():
            if version is not None:
                versions.setdefault(name, Counter())[version] += 1
    if not versions:
        return not_run("No run recorded its versions.")
    mixed = [f"{name} {_with_counts(found)}" for name, found in versions.items() if len(found) > 1]
    return warn_if(bool(mixed), lambda: f"Versions differ between runs: {'; '.join(mixed)}.")


def mixed_machines(evidence: Evidence) -> Found:
    """Device, precision, platform, processor and threads, across runs; names only those that differ."""
    mixed, known = [], False
    for words, on in _RAN_ON.items():
        runs = [(run, str(on(run))) for run in evidence.results.runs if on(run) is not None]
        found = Counter(value for _, value in runs)
        known = known or bool(found)
        if len(found) > 1:
            usual = found.most_common(1)[0][0]
            others = [f"'{run.arm}' repeat {run.repeat}" for run, value in runs if value != usual]
            mixed.append(f"{words}: {_with_counts(found)}; different from most: {some(others)}")
    if not known:
        return not_run("No run recorded what it ran on.")
    return warn_if(bool(mixed), lambda: f"{'. '.join(mixed)}.")


_RAN_ON: dict[str, Callable[[Run], object]] = {
    "Devices differ": lambda run: run.device,
    "Precision differs": lambda run: run.hardware.precision,
    "Platforms differ": lambda run: run.environment.platform,
    "Processors differ": lambda run: run.environment.processor,
    "Numbers of threads differ": lambda run: run.environment.threads,
}
"""What a run ran on, by the words for runs that differ in it."""


def _with_counts(values: Counter[str]) -> str:
    return some([f"{value} ({counted(n, 'run')})" for value, n in values.items()])
