"""``mmstudy compare``: two reports or studies side by side."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmcore.errors import StudyError

if TYPE_CHECKING:
    from experiments.home import Home
    from reports.compare import Report


class Form(StrEnum):
    """How a comparison is printed."""

    text = "text"
    json = "json"
    markdown = "markdown"


SideArgument = typer.Argument(
    help="A study's name or file, whose records are read; or a report's folder, its name in the home, or report.json."
)


def compare(
    context: typer.Context,
    a: Annotated[str, SideArgument],
    b: Annotated[str, SideArgument],
    format: Annotated[
        Form, typer.Option("--format", help="text for people, json for scripts, markdown for a page.")
    ] = Form.text,
) -> None:
    """Show what changed between two reports or studies: in settings, arms, verdicts, and what they were made with.

    Writes nothing. Refuses reports of different corpora, tasks or splits.
    """
    from reports.compare import compare_reports
    from reports.compare.text import compared_as_json, compared_as_markdown, compared_as_text

    comparison = compare_reports(open_report(a, context.obj), open_report(b, context.obj))
    match format:
        case Form.text:
            typer.echo(compared_as_text(comparison))
        case Form.markdown:
            typer.echo(compared_as_markdown(comparison), nl=False)
        case Form.json:
            report = compared_as_json(comparison)
            typer.echo(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False))


def open_report(name: str, home: Home) -> Report:
    """A report by what a user calls it.

    Args:
        name: a folder or a file that ends in ``.json``: that report; the name of a folder among the home's reports
            that no study has: the same; else a study, whose records are read.

    Raises:
        MMStudyError: no such report or study, a broken file, or no finished run.
    """
    from experiments.opening import open_request
    from experiments.planning.plan import plan
    from experiments.planning.request import Options
    from experiments.results import load_results
    from reports.compare import read_report, report_of
    from reports.summary.build import summarise

    path = Path(name)
    if path.suffix == ".json" or path.is_dir():
        return read_report(path)
    try:
        request = open_request(name, home, Options())
    except StudyError:
        # A study that was run with options has its report under a name that only its folder has.
        written = home.report(name)
        if path.name == name and written.is_dir():
            return read_report(written)
        raise
    return report_of(summarise(load_results(plan(request, home), home)), name)
