"""Text for a terminal or a pipe: plans, models, progress, quality. Plain aligned lines."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from experiments.cli.searches import search_text, standing
from experiments.describe import DescribedArm
from experiments.home import Home
from experiments.planning.foresight import prospects
from experiments.planning.plan import AnyPlan, Plan, plans_models, plans_training_code
from experiments.planning.precision import request_warnings
from experiments.planning.request import AnyConfig, Request
from experiments.planning.stages import ANALYSE, PREPARE, REPORT, TRAIN, Outlook
from mmcore.config import DataConfig, RunConfig
from mmcore.data.windows import cut_text, lengths_of, window_of
from mmcore.facts import Lengths
from mmcore.task import selection_metric
from reports.numbers import about, counted, listing
from reports.output.columns import table
from studies.matching import Size
from studies.resolved import AnyStudy, ResolvedArm

if TYPE_CHECKING:
    from mmcore.data.lag import Lag
    from mmcore.data.prepared import Prepared
    from mmcore.quality import QualityRow


def _subject(plan: AnyPlan) -> list[str]:
    """What the study is about: its corpus and preset, or its training code; and its metric."""
    study = plan.request.study
    judged = f"metric   {study.metric.name}"
    how = f"; reference arm {study.reference}; {_repeats(study)}"
    if plans_training_code(plan):
        from experiments.foreign.facts import code_text, split_text

        runner = plan.request.training.runner
        better = "higher" if study.metric.measure.higher_is_better else "lower"
        return [
            f"code     {code_text(plan.request.training)}",
            f"{judged}, {better} is better{how}",
            f"split    test items: {split_text(runner, runner.split)}",
        ]
    assert plans_models(plan)
    request = plan.request
    missing = " (will be simulated first)" if request.place.simulated else " (on another machine; reports work without)"
    made = "" if request.place.exists else missing
    lines = [f"corpus   {request.place.folder}{made}", f"{judged}{_chosen(plan)}{how}"]
    if study.preset:
        lines.append(f"preset   {study.preset}{_why_preset(request)}")
    if request.fit is not None:
        lines.append(f"window   {request.fit.window:,} steps; items have {lengths_text(request.fit.lengths)}")
    return lines


def _warnings(plan: AnyPlan, units: bool | None) -> tuple[str, ...]:
    return (*prospects(plan.request).warnings, *(request_warnings(plan.request, units) if plans_models(plan) else ()))


def _chosen(plan: Plan) -> str:
    """By what epochs are chosen, where that is not the study's metric throughout."""
    names = dict.fromkeys(selection_metric(arm.config, plan.request.schema).name for arm in plan.request.study.arms)
    return "" if [*names] == [plan.request.study.metric.name] else f"; epochs chosen by {' or '.join(names)}"


def plan_text(plan: AnyPlan, units: bool | None = None) -> str:
    """A plan for people.

    Args:
        units: whether the processor multiplies bfloat16 itself; None: what the system says.
    """
    study = plan.request.study
    lines = [study.question, "", *_subject(plan)]
    for path, value in study.changes.items():
        lines.append(f"changed  {path} = {value}")
    lines.append("")
    lines.append(_arms_table(plan))
    lines += _unlike_in_size(study)
    lines.append("")
    lines.append(_comparisons(study))
    lines += [f"warning: {text}" for text in _warnings(plan, units)]
    if study.search is not None:
        lines += search_text(plan.request, plan.searches, plan.workers)
    lines += [f"warning: {run.broken}" for run in plan.runs if run.broken]
    lines += _time_text(plan)
    if plan.count("failed"):
        lines.append(f"{plan.count('failed')} failed runs are kept; --retry-failed trains them again")
    return "\n".join(lines)


def _why_preset(request: Request) -> str:
    """Why the preset was chosen; empty if the study or the user named it."""
    return (
        "" if request.sized_by is None else f" (chosen for {counted(request.sized_by, 'item')}; --preset names another)"
    )


def lengths_text(lengths: Lengths) -> str:
    """Items' steps in words.

    Example:
        >>> lengths_text(Lengths(3, 41, 60.5, 125))
        '41 to 125 (median 60.5)'
    """
    if lengths.shortest == lengths.longest:
        return f"{lengths.longest:,} each"
    return f"{lengths.shortest:,} to {lengths.longest:,} (median {lengths.median:,g})"


def _time_text(plan: AnyPlan) -> list[str]:
    """What is to be done and how long it will take."""
    todo = plan.count("to do", "resume")
    time = f"about {about(plan.seconds)} ({span(plan.outlook)}), estimated from {plan.basis}"
    workers = f"on {counted(plan.workers, 'worker')} × {counted(plan.threads, 'thread')}"
    if not todo and not plan.request.tunes:
        return ["nothing to train; mmstudy run would only rewrite the report"]
    if not plan.timed:
        return [f"{counted(todo, 'run')} {workers}; no run has finished yet, so mmstudy cannot say how long they take"]
    if not todo:
        lines = ["all runs of the known arms are done; the search and the arms it finds are still to be trained"]
        return [*lines, f"in all {workers}: {time}"]
    more = [stage.name for stage in plan.stages if stage.jobs and stage.name != TRAIN]
    named = dict.fromkeys(_STAGES.get(name, "the search") for name in more)
    with_ = f", with {listing([*named])}"
    lines = [f"{counted(todo, 'run')} {workers}{with_}: {time}"]
    if plan.later:
        most = len(plan.runs) + len(plan.later)
        lines.append(
            f"then, while a comparison is undecided, up to {most} runs: at most {about(plan.seconds_at_most)} in all"
        )
    return lines


_STAGES = {PREPARE: "preparing the corpus", ANALYSE: "analyses", REPORT: "the report"}


def span(outlook: Outlook) -> str:
    """Between which times a command will likely take.

    Example:
        >>> span(Outlook(600.0, 300.0, 1200.0))
        '5 min to 20 min'
    """
    return f"{about(outlook.low)} to {about(outlook.high)}"


def _repeats(study: AnyStudy) -> str:
    rule, first, last = study.sequential, study.numbers[0], study.numbers[-1]
    if rule is None:
        numbered = "" if not first else f" ({first} to {last})" if last > first else f" ({first})"
        return f"{study.repeats} paired repeat{'s' if study.repeats > 1 else ''}{numbered}"
    step = "" if rule.step == 1 else f", {rule.step} at a time"
    numbered = f" from repeat {first} on" if first else ""
    return f"{rule.min} to {rule.max} paired repeats{numbered}{step}, until decided"


def _arms_table(plan: AnyPlan) -> str:
    """Arms with their runs, their size where the study matches, and what they change; long changes take more lines."""
    study = plan.request.study
    heads = ["arm", "to do", "resume", "reuse", "failed"]
    if study.match is not None:
        heads += [study.match.by, "of reference"]
    rows: list[Sequence[object]] = []
    for arm in study.arms:
        states = Counter(run.state for run in plan.runs if run.arm == arm.name)
        row: list[object] = [arm.name, *(states.get(s, 0) for s in ("to do", "resume", "done", "failed"))]
        if arm.size is not None:
            row += [f"{arm.size.cost:,}", _ratio(arm.size)]
        first, *rest = _overrides(arm)
        rows.append([*row, first])
        rows += [[*[""] * len(row), line] for line in rest]
    return table([*heads, "differs from the base by"], rows, left=(0, len(heads)))


_OVERRIDES = 64
"""Columns for what an arm changes."""


def _ratio(size: Size) -> str:
    return f"{100 * size.ratio:.1f} %" + (" (!)" if size.within is False else "")


def _unlike_in_size(study: AnyStudy) -> list[str]:
    """What matching did, and where it could not."""
    if study.match is None:
        return []
    how = f"matched by {study.match.by} within {100 * study.match.tolerance:g} % of {study.reference}"
    missed = [arm.name for arm in study.arms if arm.size is not None and arm.size.within is False]
    if not missed:
        return ["", how]
    return ["", f"{how}; (!) no width, feed_forward or number of layers brings {', '.join(missed)} there"]


def _comparisons(study: AnyStudy) -> str:
    others = tuple((arm.name, study.reference) for arm in study.arms if arm.name != study.reference)
    if len(others) > 1 and study.pairs == others:
        return f"comparisons: each of the other {len(others)} arms against {study.reference}"
    text = "comparisons: " + ", ".join(f"'{arm}' against '{against}'" for arm, against in study.pairs)
    return textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def describe_text(request: Request, arms: Sequence[DescribedArm]) -> str:
    """Models for people."""
    parts = list(arms[0].parameters)
    lines = [request.study.question, "", "trained parameters"]
    lines.append(table(["arm", *parts], [[_named(a), *(f"{a.parameters[p]:,}" for p in parts)] for a in arms]))
    window = request.study.arms[0].config.data.steps
    lines += ["", f"floating-point operations of one forward pass over one window of {window} steps, in millions"]
    lines.append(
        table(["arm", *parts], [[_named(a), *(f"{a.flops.get(p, 0) / 1e6:,.2f}" for p in parts)] for a in arms])
    )
    lines += ["", "modalities"]
    lines += [f"{_named(a)}: {', '.join(_reads(a))}" for a in arms]
    lines.append("* the reference")
    return "\n".join(lines)


def _reads(arm: DescribedArm) -> list[str]:
    return [f"{name} (placebo)" if name in arm.placebo else name for name in arm.modalities]


def status_text(plan: AnyPlan, home: Home) -> str:
    """How far a study is, for people."""
    rows = []
    for arm in plan.request.study.arms:
        states = Counter(run.state for run in plan.runs if run.arm == arm.name)
        rows.append([arm.name, *(states.get(s, 0) for s in ("done", "running", "resume", "failed", "to do"))])
    lines = [plan.request.study.question, ""]
    if plan.request.study.search is not None:
        lines += [*standing(plan.request), ""]
    lines.append(table(["arm", "done", "running", "to resume", "failed", "to do"], rows))
    for run in plan.runs:
        if run.state == "running":
            whole = f"/{run.config.training.epochs}" if isinstance(run.config, RunConfig) else ""
            lines.append(f"running: {run.arm} r{run.repeat}, {run.epochs}{whole} epochs")
    if plan.monitoring is not None:
        from experiments.planning.sequential import monitoring_text

        lines += ["", monitoring_text(plan.monitoring)]
    page = home.report(plan.request.key) / "report.html"
    lines += ["", f"report: {page}" if page.exists() else "no report yet"]
    return "\n".join(lines)


def quality_text(store: Prepared, items: bool = False) -> str:
    """A corpus and its data's quality, for people; with ``items`` a line for every item and modality."""
    from mmcore.quality import summarise

    schema = store.schema
    groups = len({item.group for item in store.items})
    steps = sum(item.steps for item in store.items)
    lines = [
        f"corpus {schema.name}: {len(store.items)} items in {groups} groups, {steps:,} steps"
        + (f" of {schema.step:g} s" if schema.step else ""),
        f"length of an item: {lengths_text(lengths_of(store))} steps{_in_seconds(store)}",
        f"targets: {schema.targets.tracks} × {len(schema.targets.parameters)} from {schema.targets.from_}, "
        f"scope {schema.targets.scope}; components {', '.join(schema.targets.components)}",
        f"content {store.content}",
        "",
    ]
    lines += _quality_table([asdict(line) for line in summarise(store.quality)], leave_out=("examples",))
    if items:
        hidden = ("constant_names", "loud_values", "warnings", "apart", "equal_times_pooled")
        lines += ["", *_quality_table([asdict(row) for row in store.quality], leave_out=hidden)]
    from mmcore.data.alike import likeness_notes
    from mmcore.data.timing import time_notes

    notes = time_notes(store.quality)
    if notes:
        lines += ["", "times", *(f"  {text}" for text in notes)]
    cut = cut_text(store, window_of(DataConfig(), store))
    if cut is not None:
        lines += ["", "windows", f"  {cut}"]
    likenesses = likeness_notes(store)
    if likenesses:
        lines += ["", "columns that are alike", *(f"  {text}" for text in likenesses[:_MOST_REMARKS])]
        if len(likenesses) > _MOST_REMARKS:
            lines.append(f"  … and {len(likenesses) - _MOST_REMARKS} more; --format json shows all")
    remarks = [f"{row.item}, {row.modality}: {text}" for row in store.quality for text in _remarks(row)]
    if remarks:
        shown = remarks if items else remarks[:_MOST_REMARKS]
        lines += ["", "worth a look", *(f"  {text}" for text in shown)]
        if len(remarks) > len(shown):
            lines.append(f"  … and {len(remarks) - len(shown)} more; --items shows all")
    return "\n".join(lines)


def lag_lines(lags: Sequence[Lag], unit: str) -> list[str]:
    """How late each modality is against each other, a sentence per pair."""
    lines = []
    for one in lags:
        pair, shift = f"{one.modality} and {one.against}", abs(one.seconds)
        sure = f"{one.deviations:.0f} standard deviations above other lags; {one.agree} of {one.items} items agree"
        match one.verdict:
            case "lag":
                later, than = (one.modality, one.against) if one.seconds > 0 else (one.against, one.modality)
                text = f"{later} is {shift:g} {unit} later than {than}: correlation of changes {one.correlation:.2f}, "
                text += f"{one.at_zero:.2f} without a lag ({sure})."
                text += f" If they should be aligned, subtract {shift:g} from offset of {later} in corpus.yaml"
            case "none":
                text = f"{pair}: no lag (correlation of changes {one.correlation:.2f}, {sure})"
            case _:
                text = f"{pair}: lag unknown; they change together no more than by chance ({sure})"
        lines.append(f"  {text}")
    return lines or ["  no item has two modalities that change"]


def _in_seconds(store: Prepared) -> str:
    """Lengths of items on the clock; nothing where rows are steps."""
    step, lengths = store.schema.step, lengths_of(store)
    return "" if step is None else f", {lengths.shortest * step:.4g} to {lengths.longest * step:.4g} s"


_MOST_REMARKS = 12


def _remarks(row: QualityRow) -> list[str]:
    """What a person should know of an item's stream, beyond counts of missing cells."""
    texts = list(row.warnings)
    if row.constant_columns and row.rows > 1:
        texts.append(f"{row.constant_columns} columns never change: {', '.join(row.constant_names)}")
    for count, text in (
        (row.non_monotonic, "rows go back in time"),
        (row.duplicate_times, "rows repeat a time"),
        (row.no_time, "rows have no time and are left out"),
        (row.empty_segments, "segments do not end after their start and are left out"),
        (row.overlaps, "segments start before an earlier one has ended; the one that started last is read"),
    ):
        if count:
            texts.append(f"{count} {text}")
    return texts


_TITLES = {
    "rows": "rows read",
    "pooled": "rows a step",
    "seconds_outside": "s outside",
    "seconds_absent": "s absent",
    "apart": "never meet",
}


def _quality_table(rows: Sequence[Mapping[str, object]], leave_out: Sequence[str]) -> list[str]:
    if not rows:
        return []
    rare = [head for head in ("empty_segments", "overlaps") if not any(row.get(head) for row in rows)]
    heads = [head for head in rows[0] if head not in (*leave_out, *rare)]
    named = sum(head in ("item", "modality") for head in heads)
    titles = [_TITLES.get(head, head.replace("_", " ")) for head in heads]
    return [table(titles, [[_cell(row[head]) for head in heads] for row in rows], left=range(named))]


def _cell(value: object) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(str(entry) for entry in value) or "-"
        case None:
            return "-"
        case _:
            return str(value)


def _overrides(arm: ResolvedArm[AnyConfig]) -> list[str]:
    """What an arm changes, in lines that break between settings only."""
    held = [f"{path} = {value}".replace(" ", "\N{NO-BREAK SPACE}") for path, value in arm.overrides.items()]
    lines = textwrap.wrap(", ".join(held) or "nothing", _OVERRIDES, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _named(arm: DescribedArm) -> str:
    return arm.name + (" *" if arm.reference else "")
