"""``mmstudy predict``: what a trained arm says of new items."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import (
    CorpusOption,
    Device,
    MatchOption,
    MetricOption,
    PresetOption,
    RepeatsOption,
    SetOption,
    StudyArgument,
    options_of,
)
from mmcore.language import say

if TYPE_CHECKING:
    from experiments.trained_arm import Which


class FileFormat(StrEnum):
    """Of the files that are written."""

    csv = "csv"
    parquet = "parquet"


def which(text: str, words: tuple[str, ...] = ("all", "best")) -> Any:
    """One of some words, or the number of a repeat.

    Raises:
        BadParameter: neither.
    """
    if text in words:
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise typer.BadParameter(f"expected {', '.join(words)} or the number of a repeat")


def _models(text: str) -> Any:
    return which(text)


def predict(
    context: typer.Context,
    study: StudyArgument,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="The arm whose models predict.")],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="Folder of a corpus like that of the training; targets may be absent.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write values and probabilities.")],
    models: Annotated[
        Any,
        typer.Option(
            "--models",
            parser=_models,
            metavar="all|best|N",
            help="All repeats' models, averaged; the one that did best on its validation items; or that of repeat N.",
        ),
    ] = "all",
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    file_format: Annotated[FileFormat, typer.Option("--files", help="Kind of the files.")] = FileFormat.csv,
) -> None:
    """Predict for new items with the trained models of an arm, in original units, with a spread over models.

    Give the options with which the study was run: they say which runs are its own.
    """
    from experiments.trained_arm import trained_arm
    from reports.numbers import counted

    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    chosen: Which = models
    found = trained_arm(study, context.obj, options, arm).write(new, out, chosen, file_format.value)
    for path in found.paths:
        typer.echo(f"{path}")
    by = counted(found.models, "model")
    typer.echo(
        say(
            "{items}, {values}, by {models} of arm '{arm}'",
            items=counted(found.items, "item"),
            values=counted(found.values, "value"),
            models=by,
            arm=arm,
        )
    )
