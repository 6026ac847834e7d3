"""Checks of the runs themselves: which are missing or failed, and what they were trained with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from mmcore.config import RunConfig
from mmcore.language import later, say
from mmcore.record import Run
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted, listing, prose

FAILED_MORE = 2
"""Failed runs that one arm must have more than another before it is more than chance could be blamed for."""


def failed(evidence: Evidence) -> Found:
    """Runs without a score."""
    runs = evidence.results.runs
    if not runs:
        return not_run(say("There is no run."))
    without = [run for run in runs if not run.done]
    counts = some([say("{n} of '{arm}'", n=arm.failed, arm=arm.name) for arm in evidence.arms if arm.failed])
    return warn_if(
        bool(without),
        lambda: say(
            "{runs} failed ({counts}). First failure: {failure}.",
            runs=counted(len(without), "run"),
            counts=counts,
            failure=without[0].failure,
        ),
    )


def fewer_repeats(evidence: Evidence) -> Found:
    """Repeats that have not been run."""
    asked, sequential = evidence.results.study.repeats, evidence.results.study.sequential is not None
    done = Counter(run.arm for run in evidence.results.done)
    # Every arm is named: how many repeats each has is the very thing to know.
    counts = listing([say("{n} of '{arm}'", n=done[arm.name], arm=arm.name) for arm in evidence.arms])
    repeats = counted(asked, "repeat")
    return warn_if(
        any(arm.missing for arm in evidence.arms),
        lambda: (
            say("The study has up to {repeats}; finished runs: {counts}.", repeats=repeats, counts=counts)
            if sequential
            else say("The study has {repeats}; finished runs: {counts}.", repeats=repeats, counts=counts)
        ),
    )


def uneven_failures(evidence: Evidence) -> Found:
    """Arms with clearly more failed runs than others."""
    if not evidence.results.runs:
        return not_run(say("There is no run."))
    counts = {arm.name: arm.failed for arm in evidence.arms}
    most, least = max(counts, key=lambda a: counts[a]), min(counts, key=lambda a: counts[a])
    named = {"n": counts[most], "most": most, "of_least": counts[least], "least": least}
    return warn_if(
        counts[most] - counts[least] >= FAILED_MORE,
        lambda: (
            say("{n} runs of '{most}' failed, {of_least} of '{least}'.", **named)
            if counts[least]
            else say("{n} runs of '{most}' failed, none of '{least}'.", **named)
        ),
    )


def without_score(evidence: Evidence) -> Found:
    """Finished runs whose score on the study's metric is NaN or infinite, by arm."""
    done = Counter(run.arm for run in evidence.results.done)
    if not done:
        return not_run(say("No run finished."))
    foreign = evidence.results.foreign
    if foreign is not None and foreign.by_part:
        return not_applicable(say("Each {part} has scores of its own: ABL043 counts them.", part=say(foreign.part)))
    unknown = [
        say(
            "{runs} of '{name}' ({n} of {done} have a score)",
            runs=counted(missing, "run"),
            name=arm.name,
            n=arm.n,
            done=done[arm.name],
        )
        for arm in evidence.arms
        if (missing := done[arm.name] - arm.n) > 0
    ]
    return warn_if(
        bool(unknown),
        lambda: say(
            "Finished, but {name} is NaN or infinite: {unknown}.",
            name=evidence.results.study.metric.name,
            unknown=some(unknown),
        ),
    )


def uncommitted(evidence: Evidence) -> Found:
    """Runs of code that no commit describes."""
    known = [dirty for run in evidence.results.runs if (dirty := run.environment.dirty) is not None]
    if not known:
        return not_run(say("No run came from a git checkout."))
    return warn_if(
        any(known), lambda: say("{runs} came from code with uncommitted changes.", runs=counted(sum(known), "run"))
    )


def mixed_commits(evidence: Evidence) -> Found:
    """Runs of several versions of the code."""
    known = Counter(run.environment.commit[:12] for run in evidence.results.runs if run.environment.commit is not None)
    if not known:
        return not_run(say("No run came from a git checkout."))
    return warn_if(
        len(known) > 1,
        lambda: say("Runs come from {n_known} commits: {known}.", n_known=len(known), known=_with_counts(known)),
    )


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
        return not_run(say("No run recorded its versions."))
    mixed = [f"{name} {_with_counts(found)}" for name, found in versions.items() if len(found) > 1]
    return warn_if(bool(mixed), lambda: say("Versions differ between runs: {mixed}.", mixed=say("; ").join(mixed)))


def mixed_machines(evidence: Evidence) -> Found:
    """Device, precision, platform, processor, threads and packs, across runs; names only those that differ."""
    mixed, known = [], False
    for words, on in _RAN_ON.items():
        runs = [(run, str(on(run))) for run in evidence.results.runs if on(run) is not None]
        found = Counter(value for _, value in runs)
        known = known or bool(found)
        if len(found) > 1:
            usual = found.most_common(1)[0][0]
            others = [
                say("'{arm}' repeat {repeat}", arm=run.arm, repeat=run.repeat) for run, value in runs if value != usual
            ]
            mixed.append(
                say(
                    "{words}: {found}; different from most: {others}.",
                    words=say(words),
                    found=_with_counts(found),
                    others=some(others),
                )
            )
    if not known:
        return not_run(say("No run recorded what it ran on."))
    return warn_if(bool(mixed), lambda: prose(*mixed))


_RAN_ON: dict[str, Callable[[Run], object]] = {
    later("Devices differ"): lambda run: run.device,
    later("Precision differs"): lambda run: None if _asks(run) else run.hardware.precision,
    later("Platforms differ"): lambda run: run.environment.platform,
    later("Processors differ"): lambda run: run.environment.processor,
    later("Numbers of threads differ"): lambda run: run.environment.threads,
    later("Ways of training differ"): lambda run: None if run.hardware.device is None else _how(run),
}
"""What a run ran on, by the words for runs that differ in it."""


def _how(run: Run) -> str | None:
    """Whether it was trained with others as one batch (--pack); None for a failed run, whose record does not say so."""
    if not run.done:
        return None
    return say("one by one") if run.hardware.packed is None else say("several runs as one batch")


def _asks(run: Run) -> bool:
    """Whether the study asks for this precision; then it is no accident of a machine."""
    return isinstance(run.config, RunConfig) and run.config.training.precision != "fp32"


def _with_counts(values: Counter[str]) -> str:
    return some([say("{value} ({runs})", value=value, runs=counted(n, "run")) for value, n in values.items()])
