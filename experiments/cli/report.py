"""``mmstudy report`` and ``mmstudy check``: the results so far, and what makes them doubtful."""

from __future__ import annotations

import json
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
    NumericsOption,
    PresetOption,
    RepeatsOption,
    SetOption,
    StrictOption,
    StudyArgument,
    options_of,
)
from mmcore.language import say
from reports.numbers import counted

if TYPE_CHECKING:
    from experiments.outcome import Outcome


def report(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    numerics: NumericsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The report's folder; default reports/STUDY in the home."),
    ] = None,
    strict: StrictOption = False,
    format: FormatOption = Format.text,
) -> None:
    """Write the report of the results so far; trains nothing.

    With --out the home keeps a note of this look at most: it may be one that you may only read.
    """
    from experiments.driver import log_report, report_study
    from experiments.opening import open_request
    from experiments.progress import Screen
    from mmcore.fingerprint import runs_of

    with runs_of(numerics):
        options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
        request = open_request(study, context.obj, options)
        # Before the screen's clock ticks: beside another thread, a large report would be left to one processor.
        outcome = report_study(request, context.obj, out=out)
        if out is None:
            with Screen() as screen:
                log_report(request, context.obj, outcome, screen)
    tell(outcome, format, strict)


def check(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    strict: StrictOption = False,
    format: FormatOption = Format.text,
) -> None:
    """Check the results so far for problems that make verdicts doubtful; say why each matters and what to do.

    Writes nothing. docs/checks.md lists the checks and their thresholds.
    """
    from experiments.opening import open_request
    from experiments.planning.plan import plan as planned
    from experiments.results import load_results
    from reports.checks.text import checks_as_json, checks_as_text
    from reports.summary.build import summarise

    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    request = open_request(study, context.obj, options)
    summary = summarise(load_results(planned(request, context.obj), context.obj), with_sections=False)
    if format is Format.json:
        print_json(checks_as_json(summary))
    else:
        typer.echo(checks_as_text(summary))
    if strict and summary.warnings:
        raise typer.Exit(1)


def tell(outcome: Outcome, format: Format, strict: bool, quiet: bool = False) -> None:
    """What a study came to, on standard output; the exit code says whether something failed."""
    from reports.output.text import as_json, as_text

    if format is Format.json:
        print_json(as_json(outcome.summary))
    elif quiet:
        typer.echo(str(outcome.report))
    else:
        typer.echo(as_text(outcome.summary))
        typer.echo("\n" + say("Report: {path}", path=outcome.report))
    if outcome.failed:
        runs = counted(outcome.failed, "run")
        typer.echo(say("{runs} failed; the report counts them", runs=runs), err=True)
    if outcome.unanswered:
        runs = counted(outcome.unanswered, "run")
        typer.echo(say("analyses of {runs} failed; the report says why", runs=runs), err=True)
    if outcome.failed or outcome.unanswered or (strict and outcome.summary.warnings):
        raise typer.Exit(1)


def print_json(value: object) -> None:
    """JSON for scripts, on standard output."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
