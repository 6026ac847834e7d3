"""``mmstudy export``: a trained model as a file for places without mmstudy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

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
from experiments.cli.predict import which


class Kind(StrEnum):
    """Of the file."""

    onnx = "onnx"
    torch = "torch"


def _model(text: str) -> Any:
    return which(text, ("best",))


def export(
    context: typer.Context,
    study: StudyArgument,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="The arm whose model to export.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the model and its card.")],
    format: Annotated[Kind, typer.Option("--format", help="onnx, or torch for a torch.export program.")] = Kind.onnx,
    model: Annotated[
        Any,
        typer.Option(
            "--model", parser=_model, metavar="best|N", help="The best on its validation items, or that of repeat N."
        ),
    ] = "best",
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
) -> None:
    """Write a model of an arm as a file, with normalisation inside, what it reads, and a model card.

    Give the options with which the study was run: they say which runs are its own.
    """
    from experiments.exporting import export_arm
    from experiments.trained_arm import trained_arm

    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    for path in export_arm(trained_arm(study, context.obj, options, arm), out, format.value, model):
        typer.echo(str(path))
