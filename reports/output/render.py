"""A Summary as the files of a report: a page, Markdown, LaTeX, JSON, figures and tables.

The page stands alone: styles and figures are inside it, a Content-Security-Policy forbids everything else, and the
one script, which sorts tables, is let through by its hash. The same records give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Sequence
from functools import cache, partial
from numbers import Real
from pathlib import Path
from typing import IO, Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from rich.cells import cell_len

from mmcore.atomic import write_atomically
from mmcore.language import in_one_language, language, later, say
from reports import numbers as numerals
from reports.model.report import ComparisonRow, Summary
from reports.model.section import Word
from reports.output.captions import arms_caption, comparisons_caption, measures_caption, pairs, split_sizes
from reports.output.drawing import Drawn, Figures
from reports.output.glossary import terms_of
from reports.output.headings import explained, terms
from reports.output.latex import arms_table, as_latex
from reports.output.page import FIRST_FIGURE, behind, brief, doubts, in_two, scale, seen, ui_command, verdict_groups
from reports.output.paper import bibliography, methods_paragraphs
from reports.output.tables import tables, without_formulas
from reports.output.text import as_json, finite
from reports.records.frame import StudyResults
from reports.summary.flips import flip_text
from reports.summary.quality import heading
from reports.summary.sentences import comparison_verdict, effect_interval_text

TEMPLATES = Path(__file__).parent.parent / "templates"

ROWS = 65536
"""Of a long table that are turned into text together."""
LONG = ("items", "scores", "history")
"""Tables with a row for everything that runs recorded: a hundred megabytes for thousands of runs."""

PAGE = "report.html"
"""The file that is written last."""
WRITTEN = ("figures/*.svg", "tables/*.csv")
"""Files whose names depend on what a report has to say."""


@in_one_language
def write_report(summary: Summary, results: StudyResults, folder: Path, begun: Figures | None = None) -> Path:
    """Write ``report.html``, ``.md``, ``.tex`` and ``.json``, ``figures/*.svg``, ``tables/*.csv``, ``tables/arms.tex``.

    Args:
        folder: made when missing; files of an earlier report are replaced, and those of its figures and tables that
            this one does not have are removed.
        begun: its figures, where they are being drawn already; their end is here.

    Returns:
        The page's path.
    """
    with begun or Figures(summary, results) as figures:
        own = tables(summary, results)
        drawn = figures.drawn()
    files: dict[str, str | pd.DataFrame] = {f"figures/{f.name}.svg": f.svg for f in drawn}
    files |= {f"tables/{name}.csv": frame for name, frame in own.items()}
    files |= {f"tables/figure_{f.name}.csv": f.csv for f in drawn}
    files["report.json"] = json.dumps(as_json(summary), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    files["report.md"] = as_markdown(summary, drawn)
    files |= {"report.tex": as_latex(summary), "tables/arms.tex": arms_table(summary)}
    files[PAGE] = as_html(summary, drawn)
    for name, content in files.items():
        # The page is the last of them; a report that is cut off can be made again, so nothing waits for the disk.
        long = name in [f"tables/{stem}.csv" for stem in LONG]
        write_atomically(folder / name, partial(_write_long if long else _write, content), flush=False)
    for pattern in WRITTEN:
        for path in folder.glob(pattern):
            if path.relative_to(folder).as_posix() not in files:
                path.unlink(missing_ok=True)
    return folder / PAGE


def _write(content: str | pd.DataFrame, file: IO[bytes]) -> None:
    if isinstance(content, str):
        file.write(content.encode())
    else:
        without_formulas(content).to_csv(file, index=False, lineterminator="\n", mode="wb")


def _write_long(frame: pd.DataFrame, file: IO[bytes]) -> None:
    """The same numbers ten times as fast, part by part, with text in quotes."""
    import pyarrow as pa
    from pyarrow import csv

    plain = without_formulas(frame)
    kinds = {name: pa.string() for name in plain.select_dtypes("category")}
    schema = pa.schema([field.with_type(kinds.get(field.name, field.type)) for field in pa.Schema.from_pandas(plain)])
    with csv.CSVWriter(file, schema) as writer:
        for at in range(0, len(plain), ROWS):
            part = pa.Table.from_pandas(plain.iloc[at : at + ROWS], preserve_index=False)
            writer.write_table(part.cast(schema))


def as_html(summary: Summary, figures: Sequence[Drawn] = ()) -> str:
    """The page."""
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js"))
    if language() != "en":
        style += (TEMPLATES / f"style.{language()}.css").read_text(encoding="utf-8")
    known = terms(terms_of(summary))
    drawn = {f.name: _embedded(f) for f in figures}
    first = next((name for name in FIRST_FIGURE if name in drawn), None)
    return (
        _environment(autoescape=True)
        .get_template("report.html")
        .render(
            summary=summary,
            first=first,
            figures=[f for name, f in drawn.items() if name not in in_sections(summary) and name != first],
            embedded=drawn,
            terms=known,
            explain=partial(explained, known=known),
            names=_names(summary),
            with_runs=list(dict.fromkeys(run.arm for run in summary.runs)),
            doubts=doubts(summary),
            groups=verdict_groups(summary.primary),
            methods=methods_paragraphs(summary),
            bibliography=bibliography(summary),
            ui=ui_command(summary),
            style=Markup(style),
            style_hash=_hash(style),
            script=Markup(script),
            script_hash=_hash(script),
        )
    )


def _names(summary: Summary) -> frozenset[str]:
    """What heads a column by its name and may read like a term."""
    return frozenset((*summary.components, *(a.name for a in summary.arms), *(b.name for b in summary.baselines)))


def _embedded(figure: Drawn) -> tuple[Drawn, Markup, str]:
    return figure, Markup(figure.inline), _data_uri(figure.csv)


def in_sections(summary: Summary) -> frozenset[str]:
    """Names of the figures that have their place in a section."""
    every = summary.sections if summary.across is None else (summary.across, *summary.sections)
    return frozenset(name for section in every for name in section.figures)


def _hash(text: str) -> str:
    """What a Content-Security-Policy lets through: this text and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def as_markdown(summary: Summary, figures: Sequence[Drawn] = ()) -> str:
    """The same for a repository's page; figures are links to files beside it."""
    text = (
        _environment(autoescape=False)
        .get_template("report.md")
        .render(
            summary=summary,
            figures=[f for f in figures if f.name not in in_sections(summary)],
            embedded={f.name: f for f in figures},
            terms=terms_of(summary),
            methods=methods_paragraphs(summary),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text)


@cache
def _environment(autoescape: bool) -> Environment:
    """Kept, as it keeps the templates that it has compiled: compiling them takes a fifth of a small report's time."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (
        numerals.number, numerals.interval, numerals.probability, numerals.percent, numerals.count, numerals.quantity,
        numerals.duration, numerals.counted, numerals.opened, comparison_verdict, flip_text, brief, behind, scale, seen,
        apart, in_two, arms_caption, comparisons_caption, measures_caption, split_sizes, pairs,
    ):  # fmt: skip
        environment.filters[function.__name__] = function
    environment.filters["heading"] = heading
    environment.filters["effect"] = _effect
    environment.filters["cell"] = _cell
    environment.filters["wide"] = cell_len
    environment.filters["prose"] = numerals.prose
    environment.filters["key"] = _sort_key
    environment.filters["held"] = _held_together
    environment.filters["md"] = literally
    for function in (say, later, language, numerals.prose, rich, strong):
        environment.globals[function.__name__] = function
    environment.filters["pretty"] = lambda value: json.dumps(finite(value), indent=2, ensure_ascii=False)
    return environment


def _effect(row: ComparisonRow) -> str:
    """An effect size with its interval, each with two digits."""
    if math.isnan(row.paired.effect_size):
        return numerals.NOTHING
    return f"{numerals.two_digits(row.paired.effect_size)} ({effect_interval_text(row.paired)})"


def rich(text: str, /, **values: Markup | str) -> Markup:
    """A text in the reader's language with parts that are markup already, as links; the rest is escaped."""
    return escape(say(text)).format(**values)


def strong(text: str) -> Markup:
    """A text that stands out."""
    return Markup("<strong>{}</strong>").format(text)


def apart(text: str) -> str:
    """Words behind a name, with a space before them where they begin with a Japanese letter."""
    return f" {text}" if text[:1].isalnum() and not text[:1].isascii() else text


OF_WORDS = frozenset(
    [
        "verdict",
        "label",
        "outcome",
        "word",
        "kind",
        "status",
        "useful",
        "used",
        "disagreement",
        "cost_verdict",
        "measure",
        "state",
        "end",
        "how",
        "others",
        "masked_by",
        "unit",
    ]
)
"""Columns whose cells are words of ours, which ``say`` says; what stands in others may be a user's name."""


def _cell(value: Any, column: str = "") -> str:
    """A cell of a plain table.

    Args:
        column: its key.
    """
    match value:
        case None:
            return numerals.NOTHING
        case bool():
            return say("yes") if value else say("no")
        case int():
            return numerals.count(value)
        case float():
            return numerals.number(value)
        case Word():
            return value.shown
        case _:
            return say(str(value)) if column in OF_WORDS else str(value)


def _sort_key(value: Any) -> Markup:
    """The attribute by which a cell is sorted: the number in full; none where there is no number."""
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        return Markup("")
    text = f"{float(value):.9g}".replace("inf", "Infinity")
    return Markup(f' data-value="{text}"')


def _held_together(text: str) -> str:
    """A sentence whose ``p = 0.01`` and ``95 %`` do not break across lines."""
    return text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&dollar;"}


def literally(text: object) -> str:
    """Text that Markdown takes literally, also inside a table."""
    escaped = re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", str(text))
    # A backslash does not stop a tag or a formula in every renderer; an entity does.
    return re.sub(r"\s+", " ", re.sub("[&<>$]", lambda found: _ENTITIES[found[0]], escaped))


def _data_uri(csv: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(csv.encode()).decode()
