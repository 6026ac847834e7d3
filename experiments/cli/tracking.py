"""``mmstudy sync`` and ``mmstudy ui``: what MLflow holds, and its pages."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli.options import (
    CorpusOption,
    Device,
    MatchOption,
    MetricOption,
    MlflowMetricsOption,
    PresetOption,
    QuietOption,
    RepeatsOption,
    SetOption,
    StudyArgument,
    VerboseOption,
    level_of,
    options_of,
    use_metrics,
)
from mmcore.language import say


def sync(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    mlflow_metrics: MlflowMetricsOption = None,
) -> None:
    """Update MLflow from the records, for example after its server was down."""
    from experiments.driver import sync_study
    from experiments.opening import open_request
    from experiments.progress import Screen

    use_metrics(mlflow_metrics)
    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    with Screen(level=level_of(quiet, verbose)) as screen:
        error = sync_study(open_request(study, context.obj, options), context.obj, screen)
    if error:
        raise typer.Exit(1)
    if not quiet:
        typer.echo(say("MLflow holds every finished run of {study}", study=study))


def ui(
    context: typer.Context,
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Open at this study's runs.")] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Serve the MLflow UI of the home's tracking store until Ctrl-C."""
    from experiments.ui import serve

    raise typer.Exit(serve(context.obj, study, port))
