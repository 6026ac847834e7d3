"""Text for a terminal or a pipe: plans, models, progress. Plain aligned lines."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from experiments.cli.labels import clauses, labelled
from experiments.cli.packs import packs_text
from experiments.cli.searches import search_text, standing
from experiments.describe import DescribedArm
from experiments.earlier_looks import looks_warning
from experiments.home import Home
from experiments.planning.earlier import corpus_changed
from experiments.planning.feasible import missing_elsewhere
from experiments.planning.foresight import prospects
from experiments.planning.plan import AnyPlan, Plan, plans_models, plans_training_code
from experiments.planning.precision import request_warnings
from experiments.planning.request import AnyConfig, Request
from experiments.planning.stages import ANALYSE, PREPARE, REPORT, TRAIN, Outlook
from mmcore.config import RunConfig
from mmcore.facts import Lengths
from mmcore.language import later, say, say_of
from mmcore.task import selection_metric
from reports.lines import filled
from reports.numbers import about, counted, listing
from reports.output.columns import table
from studies.matching import Size
from studies.resolved import AnyStudy, ResolvedArm


def _subject(plan: AnyPlan) -> list[str]:
    """What the study is about: its corpus and preset, or its training code; and its metric."""
    study = plan.request.study
    how = (say("reference arm {arm}", arm=study.reference), _repeats(study))
    if plans_training_code(plan):
        from experiments.foreign.facts import code_text, split_text

        runner = plan.request.training.runner
        judged = (
            say("{metric}, higher is better", metric=study.metric.name)
            if study.metric.measure.higher_is_better
            else say("{metric}, lower is better", metric=study.metric.name)
        )
        split = split_text(runner, runner.split)
        return [
            labelled("code", code_text(plan.request.training)),
            labelled("metric", clauses(judged, *how)),
            labelled("split", say("test items: {split}", split=split)),
        ]
    assert plans_models(plan)
    request = plan.request
    lines = [
        labelled("corpus", _corpus(request)),
        labelled("metric", clauses(study.metric.name, _chosen(plan), *how)),
    ]
    if study.preset:
        lines.append(labelled("preset", _preset(study.preset, request)))
    if request.fit is not None:
        lengths = lengths_text(request.fit.lengths)
        window = say("{window:,} steps; items have {lengths}", window=request.fit.window, lengths=lengths)
        lines.append(labelled("window", window))
    return lines


def _corpus(request: Request) -> str:
    folder, there = request.place.folder, request.place.exists
    if there:
        return str(folder)
    if request.place.simulated:
        return say("{folder} (will be simulated first)", folder=folder)
    return say("{folder} (on another machine; reports work without)", folder=folder)


def _warnings(plan: AnyPlan, units: bool | None, home: Home | None) -> tuple[str, ...]:
    own = request_warnings(plan.request, units) if plans_models(plan) else ()
    seen = () if home is None else looks_warning(plan, home)
    return (*plan.warnings, *prospects(plan.request).warnings, *own, *missing_elsewhere(plan), *seen)


def _chosen(plan: Plan) -> str:
    """By what epochs are chosen, where that is not the study's metric throughout."""
    names = dict.fromkeys(selection_metric(arm.config, plan.request.schema).name for arm in plan.request.study.arms)
    if [*names] == [plan.request.study.metric.name]:
        return ""
    return say("epochs chosen by {names}", names=say(" or ").join(names))


def plan_text(plan: AnyPlan, units: bool | None = None, home: Home | None = None) -> str:
    """A plan for people.

    Args:
        units: whether the processor multiplies bfloat16 itself; None: what the system says.
        home: whose earlier reports are read for a warning; None: no report is.
    """
    study = plan.request.study
    lines = [say(study.question), "", *_subject(plan)]
    for path, value in study.changes.items():
        lines.append(labelled("changed", f"{path} = {value}"))
    lines.append("")
    lines.append(_arms_table(plan))
    lines += _unlike_in_size(study)
    lines.append("")
    lines.append(_comparisons(study))
    lines += [say("warning: {text}", text=text) for text in _warnings(plan, units, home)]
    if study.search is not None:
        lines += search_text(plan.request, plan.searches, plan.workers)
    lines += [say("warning: {text}", text=run.broken) for run in plan.runs if run.broken]
    lines += packs_text(plan)
    lines += _time_text(plan)
    if plan.count("failed"):
        lines.append(
            say_of(
                plan.count("failed"),
                "1 failed run is kept; --retry-failed trains it again",
                "{n} failed runs are kept; --retry-failed trains them again",
            )
        )
    return "\n".join([*lines, *_failed_before(plan)])


def _failed_before(plan: AnyPlan) -> list[str]:
    """Open runs whose last attempt failed: the tables count them as to do, since the next command tries them again."""
    failed = [run for run in plan.runs if run.failed_before]
    if not failed:
        return []
    why = (failed[0].failure or "").strip().partition("\n")[0]
    return [
        say(
            "{runs} to do failed when last tried; mmstudy run tries again. The first, {run}: {why}",
            runs=counted(len(failed), "run"),
            run=f"{failed[0].arm} r{failed[0].repeat}",
            why=why if len(why) <= _REASON else f"{why[: _REASON - 1]}…",
        )
    ]


_REASON = 200
"""Characters of why a run failed; the report has all of it."""


def _preset(name: str, request: Request) -> str:
    """The preset, and why it was chosen if neither the study nor the user named it."""
    if request.sized_by is None:
        return name
    items = counted(request.sized_by, "item")
    return say("{preset} (chosen for {items}; --preset names another)", preset=name, items=items)


def lengths_text(lengths: Lengths) -> str:
    """Items' steps in words.

    Example:
        >>> lengths_text(Lengths(3, 41, 60.5, 125))
        '41 to 125 (median 60.5)'
    """
    if lengths.shortest == lengths.longest:
        return say("{steps:,} each", steps=lengths.longest)
    return say(
        "{shortest:,} to {longest:,} (median {median:,g})",
        shortest=lengths.shortest,
        longest=lengths.longest,
        median=lengths.median,
    )


def _time_text(plan: AnyPlan) -> list[str]:
    """What is to be done and how long it will take."""
    todo = plan.count("to do", "resume")
    time = say(
        "about {time} ({span}), estimated from {basis}",
        time=about(plan.seconds),
        span=span(plan.outlook),
        basis=plan.basis,
    )
    workers = say(
        "on {workers} × {threads}", workers=counted(plan.workers, "worker"), threads=counted(plan.threads, "thread")
    )
    runs = counted(todo, "run")
    if not todo and not plan.request.tunes:
        return [say("nothing to train; mmstudy run would only rewrite the report")]
    if not plan.timed:
        return [
            say(
                "{runs} {workers}; no run has finished yet, so mmstudy cannot say how long they take",
                runs=runs,
                workers=workers,
            )
        ]
    if not todo:
        return [
            say("all runs of the known arms are done; the search and the arms it finds are still to be trained"),
            say("in all {workers}: {time}", workers=workers, time=time),
        ]
    more = [stage.name for stage in plan.stages if stage.jobs and stage.name != TRAIN]
    named = dict.fromkeys(say(_STAGES.get(name, THE_SEARCH)) for name in more)
    stages = listing([*named])
    lines = [say("{runs} {workers}, with {stages}: {time}", runs=runs, workers=workers, stages=stages, time=time)]
    if plan.later:
        most = len(plan.runs) + len(plan.later)
        lines.append(
            say(
                "then, while a comparison is undecided, up to {most} runs: at most {time} in all",
                most=most,
                time=about(plan.seconds_at_most),
            )
        )
    return lines


_STAGES = {PREPARE: later("preparing the corpus"), ANALYSE: later("analyses"), REPORT: later("the report")}
THE_SEARCH = later("the search")


def span(outlook: Outlook) -> str:
    """Between which times a command will likely take.

    Example:
        >>> span(Outlook(600.0, 300.0, 1200.0))
        '5 min to 20 min'
    """
    return say("{low} to {high}", low=about(outlook.low), high=about(outlook.high))


def _repeats(study: AnyStudy) -> str:
    rule, first, last = study.sequential, study.numbers[0], study.numbers[-1]
    if rule is None:
        repeats = counted(study.repeats, "paired repeat")
        if not first:
            return repeats
        if last > first:
            return say("{repeats} ({first} to {last})", repeats=repeats, first=first, last=last)
        return say("{repeats} ({first})", repeats=repeats, first=first)
    parts = [
        say("{least} to {most} paired repeats from repeat {first} on", least=rule.min, most=rule.max, first=first)
        if first
        else say("{least} to {most} paired repeats", least=rule.min, most=rule.max)
    ]
    if rule.step != 1:
        parts.append(say("{step} at a time", step=rule.step))
    return say(", ").join([*parts, say("until decided")])


def _arms_table(plan: AnyPlan) -> str:
    """Arms with their runs, their size where the study matches, and what they change; long changes take more lines."""
    study = plan.request.study
    heads = [say("arm"), say("to do"), say("resume"), say("reuse"), say("failed")]
    if study.match is not None:
        heads += [say(study.match.by), say("of reference")]
    rows: list[Sequence[object]] = []
    for arm in study.arms:
        states = Counter(run.state for run in plan.runs if run.arm == arm.name)
        row: list[object] = [arm.name, *(states.get(s, 0) for s in ("to do", "resume", "done", "failed"))]
        if arm.size is not None:
            row += [f"{arm.size.cost:,}", _ratio(arm.size)]
        first, *rest = _overrides(arm)
        rows.append([*row, first])
        rows += [[*[""] * len(row), line] for line in rest]
    return table([*heads, say("differs from the base by")], rows, left=(0, len(heads)))


_OVERRIDES = 64
"""Columns for what an arm changes."""


def _ratio(size: Size) -> str:
    return f"{100 * size.ratio:.1f} %" + (" (!)" if size.within is False else "")


def _unlike_in_size(study: AnyStudy) -> list[str]:
    """What matching did, and where it could not."""
    if study.match is None:
        return []
    how = say(
        "matched by {measure} within {tolerance:g} % of {reference}",
        measure=say(study.match.by),
        tolerance=100 * study.match.tolerance,
        reference=study.reference,
    )
    missed = [arm.name for arm in study.arms if arm.size is not None and arm.size.within is False]
    if not missed:
        return ["", how]
    names = say(", ").join(missed)
    return [
        "",
        clauses(how, say("(!) no width, feed_forward or number of layers brings {arms} there", arms=names)),
    ]


def _comparisons(study: AnyStudy) -> str:
    others = tuple((arm.name, study.reference) for arm in study.arms if arm.name != study.reference)
    if len(others) > 1 and study.pairs == others:
        return say(
            "comparisons: each of the other {n} arms against {reference}", n=len(others), reference=study.reference
        )
    pairs = [say("'{arm}' against '{against}'", arm=arm, against=against) for arm, against in study.pairs]
    return filled(say("comparisons: {pairs}", pairs=say(", ").join(pairs)), 100, rest="  ")


def describe_text(request: Request, arms: Sequence[DescribedArm]) -> str:
    """Models for people."""
    parts = list(arms[0].parameters)
    heads = [say("arm"), *map(say, parts)]
    lines = [say(request.study.question), "", say("trained parameters")]
    lines.append(table(heads, [[_named(a), *(f"{a.parameters[p]:,}" for p in parts)] for a in arms]))
    window = request.study.arms[0].config.data.steps
    lines += [
        "",
        say(
            "floating-point operations of one forward pass over one window of {window} steps, in millions",
            window=window,
        ),
    ]
    lines.append(table(heads, [[_named(a), *(f"{a.flops.get(p, 0) / 1e6:,.2f}" for p in parts)] for a in arms]))
    lines += ["", say("modalities")]
    lines += [f"{_named(a)}: {', '.join(_reads(a))}" for a in arms]
    lines.append(say("* the reference"))
    return "\n".join(lines)


def _reads(arm: DescribedArm) -> list[str]:
    return [say("{name} (placebo)", name=name) if name in arm.placebo else name for name in arm.modalities]


def status_text(plan: AnyPlan, home: Home) -> str:
    """How far a study is, for people."""
    rows = []
    for arm in plan.request.study.arms:
        states = Counter(run.state for run in plan.runs if run.arm == arm.name)
        rows.append([arm.name, *(states.get(s, 0) for s in ("done", "running", "resume", "failed", "to do"))])
    lines = [say(plan.request.study.question), ""]
    if plan.request.study.search is not None:
        lines += [*standing(plan.request), ""]
    heads = (say("arm"), say("done"), say("running"), say("to resume"), say("failed"), say("to do"))
    lines.append(table(heads, rows))
    for run in plan.runs:
        if run.state == "running":
            whole = f"/{run.config.training.epochs}" if isinstance(run.config, RunConfig) else ""
            lines.append(
                say("running: {run}, {epochs} epochs", run=f"{run.arm} r{run.repeat}", epochs=f"{run.epochs}{whole}")
            )
    lines += _failed_before(plan)
    if plan.monitoring is not None:
        from experiments.planning.sequential import monitoring_text

        lines += ["", monitoring_text(plan.monitoring)]
    page = home.report(plan.request.key) / "report.html"
    if not page.exists():
        about = say("no report yet")
    elif corpus_changed(plan.request, home):
        about = say("report, of the corpus before it changed: {page}", page=page)
    else:
        about = say("report: {page}", page=page)
    lines += ["", about]
    return "\n".join(lines)


def _overrides(arm: ResolvedArm[AnyConfig]) -> list[str]:
    """What an arm changes, in lines that break between settings only."""
    held = [f"{path} = {value}".replace(" ", "\N{NO-BREAK SPACE}") for path, value in arm.overrides.items()]
    lines = textwrap.wrap(", ".join(held) or say("nothing"), _OVERRIDES, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _named(arm: DescribedArm) -> str:
    return arm.name + (" *" if arm.reference else "")
