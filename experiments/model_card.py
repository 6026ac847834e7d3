"""What goes with a trained model wherever it goes: how it is read, in JSON, and its card, in words. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.planning.request import Request
from mmcore import __version__
from mmcore.config import Forecast, RunConfig
from mmcore.language import say
from mmcore.task import resolve_task
from reports.model.report import Check, Summary
from reports.numbers import prose

if TYPE_CHECKING:
    from experiments.quantised import Cost

_FACTS = ("Preset", "Corpus", "Corpus content", "Modalities", "Task", "Groups", "mmstudy", "Commit")
"""Of the report's facts those that hold wherever the file goes."""


def describe(request: Request[RunConfig], arm: str, config: RunConfig, kind: str) -> dict[str, object]:
    """What a program must know to use the model.

    Args:
        arm: its name. config: of its run, with the run's window. kind: of file, see :data:`FileKind`.
    """
    schema = request.schema
    task = resolve_task(config, schema)
    modalities = schema.chosen(config.model.modalities)
    content_ahead = task.lookahead if isinstance(task, Forecast) else 0
    outputs: list[dict[str, object]] = []
    for parameter in schema.targets.parameters:
        names = parameter.labels or tuple(map(str, range(parameter.outputs)))
        classes = {} if parameter.kind == "continuous" else {"classes": list(names)}
        outputs.append({"parameter": parameter.name, "kind": parameter.kind, "numbers": parameter.outputs,
                        "when": parameter.when, **classes})  # fmt: skip
    return {
        "mmstudy": __version__,
        "study": request.study.name,
        "arm": arm,
        "repeat": config.repeat,
        "format": kind,
        "step_seconds": schema.step,
        "window": config.data.steps,
        "ahead": task.horizon if isinstance(task, Forecast) else 0,
        "content_ahead": content_ahead,
        "inputs": [
            {
                "name": f"values_{at}",
                "modality": name,
                "columns": list(schema.modalities[name].columns),
                "ahead": 0 if name == schema.targets.from_ else content_ahead,
            }
            for at, name in enumerate(modalities)
        ],
        "masks": {"present_btm": list(modalities), "valid_bt": "whether the step exists"},
        "tracks": schema.targets.tracks,
        "per_item": schema.targets.scope == "item",
        "outputs": outputs,
    }


def card_of(
    request: Request[RunConfig], arm: str, config: RunConfig, summary: Summary, whole: str, cost: Cost | None = None
) -> str:
    """The model card, in Markdown; after Mitchell et al. 2019, "Model Cards for Model Reporting".

    Args:
        whole: the report as text, which is the same for every arm.
    """
    study = request.study
    modalities = request.schema.chosen(config.model.modalities)
    verdicts = [v for v in summary.verdicts if arm in (v.arm, v.reference)]
    lines = [
        "# "
        + say(
            "Model card: arm '{arm}', repeat {repeat}, of study '{study}'",
            arm=arm,
            repeat=config.repeat,
            study=study.name,
        ),
        "",
        say("Question of the study: {question}", question=summary.question),
        "",
        f"## {say('Data')}",
        *(f"- {say(label)}: {value}" for label, value in summary.facts if label in _FACTS),
        f"- {say('The model reads: {modalities}', modalities=', '.join(modalities))}",
        "",
        f"## {say('What was found')}",
        *(f"- {prose(v.headline, v.evidence, v.not_shown)}" for v in verdicts),
        *([] if verdicts else [say("The study compares this arm with no other.")]),
        "",
        say(
            "Scores are means over repeats. This file is one repeat's model, chosen by its validation items where "
            "nothing else was asked for; its own score on other data is not known."
        ),
        "",
        *([] if cost is None else [f"## {say('Weights of 8 bits')}", cost.text, ""]),
        f"## {say('Doubts')}",
        *(f"- {check.code} {_doubt(check)}" for check in summary.warnings),
        *([] if summary.warnings else [say("No check warns.")]),
        "",
        f"## {say('Limits')}",
        *(f"- {limit}" for limit in _limits()),
        "",
        f"## {say('The study in full')}",
        "```text",
        whole,
        "```",
        "",
    ]
    return "\n".join(lines)


def _doubt(check: Check) -> str:
    return prose(say("{title}.", title=check.title), check.text, check.reason)


def _limits() -> Iterator[str]:
    yield say(
        "It is meant for recordings like those of the corpus: the same features, computed in the same way, with the "
        "same step."
    )
    yield say("Probabilities are the model's own; the report of the study says how reliable they are.")
    yield say(
        "Where a modality is absent the model relies on the others. What that costs, the study shows if it has such "
        "items or an analysis of corruption."
    )
