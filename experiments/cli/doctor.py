"""``mmstudy doctor``: what a bug report should say."""

from __future__ import annotations

import json

import typer

from experiments.cli.data import Format
from experiments.cli.options import FormatOption
from mmcore.language import say
from reports.lines import padded


def doctor(context: typer.Context, format: FormatOption = Format.text) -> None:
    """Show versions, cores, GPU, disk, and whether MLflow and the storage of searches answer, for bug reports.

    Exit code 1 where something would keep a study from running.
    """
    from experiments.doctor import as_json, examine_machine

    findings = examine_machine(context.obj, None)
    if format is Format.json:
        typer.echo(json.dumps(as_json(findings), indent=1, ensure_ascii=False))
    else:
        for one in findings:
            text = one.text if one.fine else say("PROBLEM: {text}", text=one.text)
            typer.echo(f"{padded(say(one.topic), 15)} {text}")
    if not all(one.fine for one in findings):
        raise typer.Exit(1)


def print_version(request: bool) -> None:
    """Print the version and end the command, if that is requested."""
    if request:
        from experiments.doctor import version_text

        typer.echo(f"mmstudy {version_text()}")
        raise typer.Exit
