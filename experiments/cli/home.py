"""``mmstudy home``: check, move and share a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    aside,
    options_of,
)
from reports.numbers import counted

home = typer.Typer(
    help="Check, move and share a home, the folder of all results.", no_args_is_help=True, rich_markup_mode=None
)
ArchiveArgument = Annotated[Path, typer.Argument(metavar="FILE.zip", help="The archive of a study.")]


@home.command("export")
def export(
    context: typer.Context,
    study: StudyArgument,
    out: ArchiveArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    checkpoints: Annotated[
        bool | None,
        typer.Option(
            "--checkpoints/--no-checkpoints",
            help="Send the weights of each run, which analyses need; default: if they have at most 256 MiB together.",
        ),
    ] = None,
    with_corpus: Annotated[
        bool, typer.Option("--with-corpus", help="Send the corpus too, so that runs can be trained there.")
    ] = False,
) -> None:
    """Write a study with its finished runs as one file, for mmstudy home import on another machine.

    Give the options that the study was run with. The corpus stays here unless --with-corpus is given: reports work
    without it.
    """
    from experiments.opening import open_request
    from experiments.portable.export import export_study

    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    request = open_request(study, context.obj, options, aside)
    done = export_study(request, context.obj, out, checkpoints=checkpoints, corpus=with_corpus, on_event=aside)
    unfinished = f"; {counted(done.unfinished, 'run')} not finished" if done.unfinished else ""
    typer.echo(f"wrote {done.path} ({_size(done.size)}): {counted(done.runs, 'run')}{unfinished}")
    if done.left_out:
        typer.echo("left out: checkpoints, which analyses need; --checkpoints sends them")
    elif done.checkpoints:
        typer.echo(f"with {counted(done.checkpoints, 'checkpoint')} ({_size(done.checkpoint_bytes)})")
    if not done.corpus:
        typer.echo("left out: the corpus; --with-corpus sends it")
    if done.code:
        typer.echo(f"with code of yours, which the study needs: {', '.join(done.code)}")


@home.command("import")
def import_(
    context: typer.Context,
    archive: ArchiveArgument,
    with_code: Annotated[
        bool, typer.Option("--with-code", help="Allow the archive to bring code, which commands on its study run.")
    ] = False,
) -> None:
    """Take a study from an archive into the home; what is there is never overwritten."""
    from experiments.portable.take_in import import_study
    from experiments.results import rebuild_command

    done = import_study(archive, context.obj, with_code=with_code)
    known = f", {done.known} were here already" if done.known else ""
    typer.echo(f"imported {counted(done.placed, 'run')}{known}")
    if done.study is not None:
        typer.echo(f"study file: {done.study}")
    if done.code:
        typer.echo(f"code: {', '.join(map(str, done.code))}")
    if done.searches:
        typer.echo(f"{counted(done.searches, 'search', 'searches')} copied")
    if done.done < done.planned:
        typer.echo(f"{done.done} of the {counted(done.planned, 'run')} that this version plans are finished", err=True)
    typer.echo(f"report: {rebuild_command(done.request, context.obj)}")
    typer.echo(f"MLflow: {rebuild_command(done.request, context.obj, 'sync')}")


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MiB" if number >= 2**20 else f"{number / 2**10:,.0f} KiB"
