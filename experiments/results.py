"""From records on disk to the tables that reports read, and from verdicts back to the tracking store."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from experiments.analyses import answers
from experiments.earlier_looks import remembered_looks
from experiments.environment import environment
from experiments.foreign.facts import judged
from experiments.home import Home
from experiments.many_records import load_records
from experiments.mirror import Mirror
from experiments.planning.earlier import corpus_changed
from experiments.planning.plan import AnyPlan, plans_models
from experiments.planning.request import AnyRequest, Request, has_runner, trains_itself
from experiments.records import read_record
from experiments.relocation import shown
from mmcore.data.prepared import store_path
from mmcore.errors import RecordError
from mmcore.quality import QualityRow, read_quality
from mmcore.record import Record
from reports.records.collected import Collected
from reports.records.frame import StudyResults, tidy
from reports.records.origin import Origin
from reports.summary.build import Summary
from studies.study import CATALOGUE


def load_results(todo: AnyPlan, home: Home) -> StudyResults:
    """Every finished run of a study as tidy tables, with quality of the data and origin.

    Raises:
        RecordError: nothing is finished yet, or the records cannot be mixed.
    """
    request = todo.request
    quality, foreign = _quality(request, home) if trains_itself(request) else (), None
    collected = Collected(request.study)
    if has_runner(request):
        records = _records(todo, home)
        if records:
            known, foreign = judged(records, request.study, request.training)
            collected.add_all(known)
    else:
        collected = load_records(todo, home)
    if not collected.runs:
        raise RecordError(
            f"study '{request.study.name}' has no finished run yet",
            where=str(home.runs),
            next_step=how_to_start(request, home),
        )
    results = tidy(request.study, collected, quality, _origin(request, home), foreign)
    results = replace(results, earlier_looks=remembered_looks(todo, home))
    if plans_models(todo):
        results = replace(results, analyses=answers(todo, home))
    if not request.searches:
        return results
    from experiments.tuning.results import with_importances

    return replace(results, search=with_importances(request, home))


def _records(todo: AnyPlan, home: Home) -> list[Record]:
    """The whole records that are there."""
    folders = [(run, home.run(run.fingerprint)) for run in todo.runs if run.fingerprint]
    found = [(run, read_record(folder)) for run, folder in folders]
    # One training may serve arms of several names; here it is the arm of this study.
    return [replace(record, arm=run.arm) for run, record in found if record is not None]


def how_to_start(request: AnyRequest, home: Home) -> str:
    """The next step where no run is found: it was not started, or with other options than these."""
    why = (
        "The corpus has changed since the study's report was written"
        if corpus_changed(request, home)
        else "Give the options that it was run with, such as --corpus, --repeats or --set"
    )
    return f"{why}. Start it: {rebuild_command(request, home, 'run')}"


def rebuild_command(request: AnyRequest, home: Home, verb: str = "report") -> str:
    """The command that rebuilds the report from the records, or with ``run`` trains the runs again."""
    options = request.options
    words = ["mmstudy"]
    if home.root != Home.choose().root:
        words += ["--home", shown(home.root)]
    words += [verb, request.study.name if request.file.parent == CATALOGUE else str(request.file)]
    for flag, value in (
        ("--corpus", options.corpus),
        ("--preset", options.preset),
        ("--repeats", options.repeats),
        ("--metric", options.metric),
        ("--match", options.match),
    ):
        if value is not None:
            words += [flag, str(value)]
    for path, value in options.changes:
        words += ["--set", f"{path}={json.dumps(value)}"]
    return shlex.join(words)


def log_verdicts(mirror: Mirror, results: StudyResults, summary: Summary) -> None:
    """Write aggregates and verdicts on the arms' parent runs of the tracking store."""
    for arm in results.study.arms:
        scores = results.scores
        mine = scores[(scores["arm"] == arm.name) & (scores["split"] == "test") & (scores["parameter"].isna())]
        collected: dict[str, list[float]] = {}
        for items, component, metric, value in zip(
            mine["items"], mine["component"], mine["metric"], mine["value"], strict=True
        ):
            parts = ["test"] + ([items] if items != "all" else [])
            parts += ([component] if isinstance(component, str) else []) + [metric]
            collected.setdefault("/".join(parts), []).append(float(value))
        metrics: dict[str, float] = {}
        for name, values in collected.items():
            metrics |= aggregates(name, values)
        (row,) = (row for row in summary.arms if row.name == arm.name)
        # A measure that has values for parameters alone is compared by their mean.
        own = {"mean": row.score.mean, "sd": row.score.deviation}
        for name, value in own.items():
            metrics.setdefault(f"test/{results.study.metric.name}/{name}", value)
        runs = [run for run in results.runs if run.arm == arm.name]
        done = sum(run.done for run in runs)
        metrics |= {"runs/done": float(done), "runs/failed": float(len(runs) - done)}
        tags = {
            f"mmstudy.verdict.{c.reference}" + (f".{c.component}" if c.component else ""): c.verdict
            for c in summary.comparisons
            if c.arm == arm.name
        }
        tags["mmstudy.verdict"] = verdict_text(arm.name, summary)
        mirror.concluded(arm.name, metrics, tags, failed=done < len(runs))


def verdict_text(arm: str, summary: Summary) -> str:
    """An arm's verdicts on the study's metric in one line: ``better than track; undecided against audio``."""
    mine = [c for c in summary.comparisons if c.arm == arm and c.component is None]
    if not mine:
        return "reference" if arm == summary.reference else "not compared"
    than = {"better": "than", "worse": "than"}
    return "; ".join(f"{c.verdict} {than.get(c.verdict, 'against')} {c.reference}" for c in mine)


def aggregates(name: str, values: Sequence[float]) -> dict[str, float]:
    """Mean and, from two values on, standard deviation over the repeats that have a value; {} where none has one.

    Example:
        >>> aggregates("skill", [0.5, float("nan"), 0.7])
        {'skill/mean': 0.6, 'skill/sd': 0.1414213562373095}
    """
    known = [value for value in values if math.isfinite(value)]
    summary = {f"{name}/mean": fmean(known)} if known else {}
    return summary | ({f"{name}/sd": stdev(known)} if len(known) > 1 else {})


def _quality(request: Request, home: Home) -> tuple[QualityRow, ...]:
    store = store_path(request.content or "", request.study.arms[0].config.data, request.place.stores(home))
    try:
        return read_quality(store)
    except FileNotFoundError:
        return ()


def _origin(request: AnyRequest, home: Home) -> Origin:
    here = environment()
    return Origin(
        command=rebuild_command(request, home, "run"),
        rebuild=rebuild_command(request, home),
        home=shown(home.root),
        study_file=shown(request.file) if request.file.parent != CATALOGUE else str(request.file),
        corpus_path=shown(request.place.folder) if trains_itself(request) else None,
        mmstudy=here.mmstudy,
        commit=here.commit,
        dirty=here.dirty,
    )
