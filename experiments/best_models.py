"""The best model of each finished arm, ready for the tracking store: chosen by validation items, with its card."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.home import Home
from experiments.model_card import card_of, describe
from experiments.planning.plan import AnyPlan, Plan, plans_models
from experiments.tracking.arm_models import CARD_FILE, ArmModel
from experiments.trained_arm import CHECKPOINT, NORMALISATION, weights_of
from mmcore.config import RunConfig
from mmcore.custom import custom_parts, find_source
from mmcore.language import say
from mmcore.record import Run
from mmcore.scores import Score, value_of
from reports.model.report import Summary
from reports.numbers import prose
from reports.output.text import as_text
from reports.records.frame import StudyResults


def best_models(todo: AnyPlan, results: StudyResults, summary: Summary, home: Home) -> Iterator[ArmModel]:
    """One model for each arm of which no run is open; nothing for training code of the user's own.

    An arm with a placebo has none, since it reads other items' streams and cannot predict. Nor has one whose checkpoint
    is gone from the home.
    """
    if not plans_models(todo):
        return
    whole = as_text(summary)
    open_arms = {run.arm for run in todo.runs if run.state not in ("done", "failed")}
    for arm in todo.request.study.arms:
        if arm.name in open_arms or arm.config.data.placebo:
            continue
        run = best_run(arm.name, results)
        if run is not None and (made := _model(todo, run, results, summary, whole, home)) is not None:
            yield made


def best_run(arm: str, results: StudyResults) -> Run | None:
    """The finished run of an arm that did best on its own validation items, by the study's metric; None without any.

    The first of equals; a run without a value comes last.
    """
    known = results.once(_on_validation)
    sign = 1.0 if results.study.metric.measure.higher_is_better else -1.0

    def merit(run: Run) -> tuple[float, int]:
        value = sign * known.get((run.arm, run.repeat), math.nan)
        return (-math.inf if math.isnan(value) else value, -run.repeat)

    return max((run for run in results.done if run.arm == arm), key=merit, default=None)


def _on_validation(results: StudyResults) -> dict[tuple[str, int], float]:
    """The study's metric of each finished run on its validation items, by arm and repeat."""
    metric, scores = results.study.metric, results.scores
    mine = scores[
        (scores["split"] == "validation") & (scores["items"] == "all") & (scores["metric"] == metric.measure.name)
    ]
    by_run: dict[tuple[str, int], list[Score]] = {}
    for arm, repeat, component, parameter, value in zip(
        mine["arm"], mine["repeat"], mine["component"], mine["parameter"], mine["value"], strict=True
    ):
        of, about = (name if isinstance(name, str) else None for name in (component, parameter))
        score = Score("validation", "all", metric.measure.name, of, float(value), about)
        by_run.setdefault((str(arm), int(repeat)), []).append(score)
    return {run: value_of(metric, scores, "validation") for run, scores in by_run.items()}


def _model(todo: Plan, run: Run, results: StudyResults, summary: Summary, whole: str, home: Home) -> ArmModel | None:
    request, config, schema = todo.request, run.config, todo.request.schema
    assert isinstance(config, RunConfig)
    content = request.content or ""
    folder = weights_of(home, run.fingerprint, config, content)
    if folder is None:
        return None
    settings, code = _with_code(config, request.file.parent)
    carried = {"config": settings, "schema": schema.model_dump(mode="json", by_alias=True), "content": content}
    chosen = say(
        "Repeat {repeat} of '{arm}': of {n} repeats it did best on its own validation items.",
        repeat=run.repeat,
        arm=run.arm,
        n=sum(one.arm == run.arm for one in results.done),
    )
    headlines = [verdict.headline for verdict in summary.verdicts if run.arm in (verdict.arm, verdict.reference)]
    return ArmModel(
        arm=run.arm,
        repeat=run.repeat,
        fingerprint=run.fingerprint,
        facts=describe(request, run.arm, config, "mlflow"),
        card=card_of(request, run.arm, config, summary, whole),
        note=prose(chosen, *headlines, say("The file {file} has the rest.", file=CARD_FILE)),
        carried=json.dumps(carried),
        files={CHECKPOINT.as_posix(): folder / CHECKPOINT, NORMALISATION: folder / NORMALISATION} | code,
        columns=[
            f"{name}.{column}"
            for name in schema.chosen(config.model.modalities)
            for column in schema.modalities[name].columns
        ],
        per_item=schema.targets.scope == "item",
    )


def _with_code(config: RunConfig, folder: Path) -> tuple[dict[str, object], dict[str, Path]]:
    """The config as JSON without places of this machine, and the code of the user's parts that travels with it.

    Args:
        folder: of the study's file.
    """
    settings: dict[str, object] = {**config.model_dump(mode="json"), "corpus": ""}
    roots: list[Path] = []
    files: dict[str, Path] = {}
    for path, part in custom_parts(config).items():
        source = find_source(part.class_, folder / (part.folder or ""))
        place: Any = settings
        for step in path.split("."):
            place = place[step]
        place["folder"] = None
        if source.beside:
            if source.root not in roots:
                roots.append(source.root)
            place["folder"] = f"code/{roots.index(source.root)}"
            files |= {f"{place['folder']}/{one.relative_to(source.root).as_posix()}": one for one in source.files}
    return settings, files
