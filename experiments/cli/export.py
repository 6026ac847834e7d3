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
from mmcore.errors import StudyError


class Kind(StrEnum):
    """Of the file."""

    onnx = "onnx"
    torch = "torch"
    mlflow = "mlflow"


def _model(text: str) -> Any:
    return which(text, ("best",))


def export(
    context: typer.Context,
    study: StudyArgument,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="The arm whose model to export.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the model and its card.")],
    format: Annotated[
        Kind, typer.Option("--format", help="onnx; torch for a torch.export program; mlflow for a folder to serve.")
    ] = Kind.onnx,
    model: Annotated[
        Any,
        typer.Option(
            "--model", parser=_model, metavar="best|N", help="The best on its validation items, or that of repeat N."
        ),
    ] = "best",
    int8: Annotated[
        bool, typer.Option("--int8", help="With --format onnx: a second file with weights of 8 bits, and its cost.")
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="With --format mlflow: log the model beside its run.")] = False,
    register: Annotated[
        str | None, typer.Option("--register", metavar="NAME", help="Log the model, and register it under this name.")
    ] = None,
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
    if (log or register is not None) and format is not Kind.mlflow:
        raise StudyError("--log and --register are for MLflow models", next_step="Add --format mlflow")
    from experiments.exporting import cost_text, export_arm, log_arm
    from experiments.trained_arm import trained_arm

    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    trained = trained_arm(study, context.obj, options, arm)
    for path in export_arm(trained, out, format.value, model, int8):
        typer.echo(str(path))
    if int8:
        typer.echo(cost_text(out), err=True)
    if log or register is not None:
        logged = log_arm(trained, out, model, register)
        typer.echo(f"models:/{logged.model}")
        if logged.version is not None:
            typer.echo(f"models:/{register}/{logged.version}")
