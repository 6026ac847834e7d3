"""``mmstudy judge``: verdicts for scores that others computed."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.data import Format
from experiments.cli.options import FormatOption, StrictOption
from mmcore.language import say


class Step(StrEnum):
    """Which value of a metric with many steps is a run's score."""

    last = "last"
    max = "max"
    min = "min"


def _column(option: str, text: str) -> object:
    return typer.Option(option, metavar="COLUMN", help=text)


def judge(
    context: typer.Context,
    scores: Annotated[
        str,
        typer.Argument(
            metavar="SCORES",
            help="A file (.csv, .tsv, .jsonl, .json, .parquet, also .gz), the folder of a study's report or of "
            "TensorBoard events, mlflow:EXPERIMENT, or optuna:STORAGE-URL.",
        ),
    ],
    arm: Annotated[str | None, _column("--arm", "What is compared: model, method …")] = None,
    repeat: Annotated[str | None, _column("--repeat", "What is a repetition of it: seed, fold …")] = None,
    score: Annotated[str | None, _column("--score", "The number to compare by; of a tracker, the metric.")] = None,
    by: Annotated[str | None, _column("--by", "A verdict for each value of it: data set …")] = None,
    item: Annotated[str | None, _column("--item", "The test item, where scores are by item.")] = None,
    group: Annotated[str | None, _column("--group", "What items belong to: video, speaker …")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="ARM", help="The arm that others are compared with.")
    ] = None,
    lower_is_better: Annotated[
        bool | None, typer.Option("--lower-is-better/--higher-is-better", help="The score's direction.")
    ] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Differences within ± MARGIN count as none.")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha",
            help="Accepted chance of any false better or worse, with --by for each pair of arms; default 0.05.",
        ),
    ] = None,
    paired: Annotated[
        bool | None,
        typer.Option(
            "--paired/--unpaired",
            help="Whether a repeat is the same split for every arm; default: found from items or a column of splits.",
        ),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option("--overlap", metavar="RATIO", help="n_test / n_train of repeats that share training data."),
    ] = None,
    shared_items: Annotated[
        bool | None,
        typer.Option(
            "--shared-items/--own-items", help="Whether all repeats tested the same items; verdicts are then for these."
        ),
    ] = None,
    step: Annotated[Step, typer.Option("--step", help="Which value of a metric with many steps counts.")] = Step.last,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The report's folder; default reports/judge-NAME.")
    ] = None,
    strict: StrictOption = False,
    format: FormatOption = Format.text,
) -> None:
    """Judge scores that others computed: verdicts, checks and a report like a study's.

    Columns that are not named are guessed, and the guess is said.
    """
    from experiments.judge import judge as judged
    from reports.output.text import as_json, as_text, wrapped

    found = judged(
        scores,
        arm=arm,
        repeat=repeat,
        score=score,
        by=by,
        item=item,
        group=group,
        reference=reference,
        lower_is_better=lower_is_better,
        margin=margin,
        alpha=alpha,
        paired=paired,
        overlap=overlap,
        shared_items=shared_items,
        step=step.value,
        out=out,
        home=context.obj.root,
    )
    if format is Format.json:
        report = as_json(found.summary) | {"notes": list(found.notes), "covers": found.summary.covers}
        typer.echo(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(wrapped(note).replace("−", "-") for note in found.notes) + "\n")
        typer.echo(as_text(found.summary))
        typer.echo(wrapped(found.summary.covers))
        typer.echo("\n" + say("Report: {path}", path=found.report))
    if strict and found.summary.warnings:
        raise typer.Exit(1)
