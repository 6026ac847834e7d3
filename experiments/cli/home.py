"""``mmstudy home``: check, move and share a home."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.data import Format
from experiments.cli.options import (
    CorpusOption,
    Device,
    FormatOption,
    MatchOption,
    MetricOption,
    PresetOption,
    RepeatsOption,
    SetOption,
    StudyArgument,
    aside,
    options_of,
)
from mmcore.language import say
from reports.numbers import counted

if TYPE_CHECKING:
    from experiments.upkeep.check import Checked
    from experiments.upkeep.findings import Finding

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
    runs = counted(done.runs, "run")
    if done.unfinished:
        runs = say("{runs}; {others} not finished", runs=runs, others=counted(done.unfinished, "run"))
    typer.echo(say("wrote {path} ({size}): {runs}", path=done.path, size=_size(done.size), runs=runs))
    if done.left_out:
        typer.echo(say("left out: checkpoints, which analyses need; --checkpoints sends them"))
    elif done.checkpoints:
        sent = counted(done.checkpoints, "checkpoint")
        typer.echo(say("with {checkpoints} ({size})", checkpoints=sent, size=_size(done.checkpoint_bytes)))
    if done.corpus is False:
        typer.echo(say("left out: the corpus; --with-corpus sends it"))
    if done.code:
        typer.echo(say("with code of yours, which the study needs: {names}", names=", ".join(done.code)))


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
    runs = counted(done.placed, "run")
    typer.echo(
        say("imported {runs}, {n} were here already", runs=runs, n=done.known)
        if done.known
        else say("imported {runs}", runs=runs)
    )
    if done.study is not None:
        typer.echo(say("study file: {path}", path=done.study))
    if done.code:
        typer.echo(say("code: {names}", names=", ".join(map(str, done.code))))
    if done.searches:
        typer.echo(say("{searches} copied", searches=counted(done.searches, "search", "searches")))
    if done.done < done.planned:
        text = say(
            "{n} of the {runs} that this version plans are finished", n=done.done, runs=counted(done.planned, "run")
        )
        typer.echo(text, err=True)
    typer.echo(say("report: {page}", page=rebuild_command(done.request, context.obj)))
    typer.echo(f"MLflow: {rebuild_command(done.request, context.obj, 'sync')}")


@home.command()
def check(
    context: typer.Context,
    mend: Annotated[
        bool, typer.Option("--mend", help="Remove what killed processes left half-written, and nothing else.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Read everything in the home and name what is wrong, with what to do. Changes nothing without --mend.

    Exit code 0: nothing is wrong; 1: something is.
    """
    from experiments.upkeep.check import check_home
    from experiments.upkeep.check import mend as mended

    checked = check_home(context.obj)
    if mend:
        checked = mended(checked)
    if format is Format.json:
        typer.echo(json.dumps(_as_json(checked), indent=1, ensure_ascii=False))
    else:
        typer.echo(_as_text(checked))
    if checked.findings:
        raise typer.Exit(1)


def _as_json(checked: Checked) -> dict[str, object]:
    def as_plain(finding: Finding) -> dict[str, object]:
        return {**asdict(finding), "where": str(finding.where)}

    return {
        "home": str(checked.home.root),
        "looked_at": {many: count for (_, many), count in checked.looked_at.items()},
        "busy": checked.busy,
        "findings": [as_plain(one) for one in checked.findings],
        "removed": [as_plain(one) for one in checked.removed],
    }


def _as_text(checked: Checked) -> str:
    read = [_counted(kind, count) for kind, count in checked.looked_at.items() if count]
    lines = [say("home {home}: read {read}", home=checked.home.root, read=say(", ").join(read) or say("nothing"))]
    if checked.busy:
        lines.append(say("left out: {runs} in training", runs=counted(checked.busy, "run")))
    lines += [say("removed: {path}", path=one.where) for one in checked.removed]
    lines += [f"{say(one.kind)}: {one.shown}" for one in checked.findings]
    lines.append(counted(len(checked.findings), "finding") if checked.findings else say("nothing is wrong"))
    return "\n".join(lines)


def _counted(kind: tuple[str, str], n: int) -> str:
    """How many things of a kind were looked at, in words."""
    match kind[0]:
        case "run":
            return counted(n, "run")
        case "prepared store":
            return counted(n, "prepared store")
        case "corpus":
            return counted(n, "corpus", "corpora")
        case "database of MLflow":
            return counted(n, "database of MLflow", "databases of MLflow")
        case "search":
            return counted(n, "search", "searches")
        case "report":
            return counted(n, "report")
        case "list of analyses":
            return counted(n, "list of analyses", "lists of analyses")
        case other:
            return counted(n, other, kind[1])


@home.command()
def move(
    context: typer.Context,
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The home's new folder, which must not exist yet.")],
) -> None:
    """Move the home to another folder or disk; studies go on there under their names.

    Refused while a command works in the home. On another disk all files are copied, compared, and only then removed
    here. After an interruption the same command goes on.
    """
    from experiments.upkeep.move import move_home

    moved = move_home(context.obj, new)
    files, new_root = counted(moved.files, "file"), moved.home.root
    typer.echo(say("moved {files} from {old} to {new}", files=files, old=context.obj.root, new=new_root))
    command = f"mmstudy --home {shlex.quote(str(new_root))}"
    typer.echo(say("next: {command}, or set MMSTUDY_HOME to this folder", command=command))


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MiB" if number >= 2**20 else f"{number / 2**10:,.0f} KiB"
