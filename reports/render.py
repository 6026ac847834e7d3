"""A Summary as a page, as Markdown, as JSON, as text for a terminal, and its tables as CSV.

The page stands alone: styles and figures are inside it, a Content-Security-Policy forbids everything else, and it has
no script. The same records give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import numerals
from reports.contents import ComparisonRow, Summary
from reports.frame import StudyResults
from reports.glossary import TERMS
from reports.quality import heading
from reports.sentences import comparison_verdict, sentence
from reports.tables import tables

if TYPE_CHECKING:
    from reports.figures.style import Figure

TEMPLATES = Path(__file__).parent / "templates"
TERMINAL = 100
"""Columns of text for a terminal."""


def write_report(summary: Summary, results: StudyResults, folder: Path) -> Path:
    """Write ``report.html``, ``report.md``, ``report.json``, ``figures/*.svg`` and ``tables/*.csv``.

    Args:
        folder: made when missing; files of an earlier report are replaced.

    Returns:
        The page's path.
    """
    drawn = _draw(summary, results)
    files = {f"figures/{f.name}.svg": f.svg for f in drawn}
    files |= {f"tables/{name}.csv": _csv(frame) for name, frame in tables(summary, results).items()}
    files |= {f"tables/figure_{f.name}.csv": f.csv for f in drawn}
    files["report.json"] = json.dumps(as_json(summary), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    files["report.md"] = as_markdown(summary, drawn)
    files["report.html"] = as_html(summary, drawn)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return folder / "report.html"


@dataclass(frozen=True)
class Drawn:
    """A finished figure.

    Args:
        svg: a file of its own. inline: an element of the page. csv: its numbers.
    """

    name: str
    title: str
    description: str
    svg: str
    inline: str
    csv: str


def _draw(summary: Summary, results: StudyResults) -> tuple[Drawn, ...]:
    """The figures that have anything to show, in the order of the page."""
    # Drawing costs over a second of imports; JSON and text do without.
    from reports.figures.components import ComponentScores
    from reports.figures.curves import LearningCurves
    from reports.figures.forest import Forest
    from reports.figures.repeats import ScoresByRepeat
    from reports.figures.svg import inline, to_svg
    from reports.figures.weights import LossWeights

    figures: tuple[Figure, ...] = (
        Forest(summary),
        ScoresByRepeat(summary),
        ComponentScores(summary),
        LearningCurves(results),
        LossWeights(results),
    )
    drawn = []
    for figure in figures:
        frame = figure.frame()
        if not frame.dropna(subset=[figure.value]).empty:
            svg = to_svg(figure.draw())
            embedded = inline(svg, figure.name, figure.title, figure.description)
            drawn.append(Drawn(figure.name, figure.title, figure.description, svg, embedded, _csv(frame)))
    return tuple(drawn)


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def as_html(summary: Summary, figures: Sequence[Drawn] = ()) -> str:
    """The page."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment(autoescape=True)
        .get_template("report.html")
        .render(
            summary=summary,
            figures=[(f, Markup(f.inline), _data_uri(f.csv)) for f in figures],
            terms=TERMS,
            style=Markup(style),
            style_hash=f"sha256-{digest}",
        )
    )


def as_markdown(summary: Summary, figures: Sequence[Drawn] = ()) -> str:
    """The same for a repository's page; figures are links to files beside it."""
    text = (
        _environment(autoescape=False).get_template("report.md").render(summary=summary, figures=figures, terms=TERMS)
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _environment(autoescape: bool) -> Environment:
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
        numerals.duration, numerals.counted, comparison_verdict,
    ):  # fmt: skip
        environment.filters[function.__name__] = function
    environment.filters["heading"] = heading
    environment.filters["cell"] = _cell
    environment.filters["held"] = _held_together
    environment.filters["md"] = _markdown
    environment.filters["pretty"] = lambda value: json.dumps(_finite(value), indent=2, ensure_ascii=False)
    return environment


def _cell(value: Any) -> str:
    """A cell of a plain table."""
    match value:
        case None:
            return numerals.NOTHING
        case bool():
            return "yes" if value else "no"
        case int():
            return numerals.count(value)
        case float():
            return numerals.number(value)
        case _:
            return str(value)


def _held_together(text: str) -> str:
    """A sentence whose ``p = 0.01`` and ``95 %`` do not break across lines."""
    return text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")


def _markdown(text: object) -> str:
    """Text that Markdown takes literally, also inside a table."""
    escaped = re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", str(text))
    # A backslash does not stop a tag in every renderer; an entity does.
    return re.sub(r"\s+", " ", escaped.replace(r"\<", "&lt;").replace(r"\>", "&gt;"))


def _data_uri(csv: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(csv.encode()).decode()


def as_json(summary: Summary) -> dict[str, Any]:
    """The stable interface for programs; plain data, None where there is no number.

    ``component`` is None for the study's metric. Intervals are at 1 − alpha; ``p_floor`` is the smallest p that the
    number of repeats allows before correction. ``margin`` is in the metric's unit.
    """
    return _finite(
        {
            "study": summary.study,
            "question": summary.question,
            "metric": summary.metric.name,
            "arms": [
                {
                    "name": arm.name,
                    "reference": arm.reference,
                    "mean": arm.score.mean,
                    "interval": [arm.score.low, arm.score.high],
                    "n": arm.n,
                    "failed": arm.failed,
                    "parameters": arm.parameters,
                    "flops": arm.flops,
                    "seconds": arm.seconds,
                    "components": {c: e.mean for c, e in zip(summary.components, arm.components, strict=True)},
                }
                for arm in summary.arms
            ],
            "comparisons": [_comparison(c) for c in summary.comparisons],
            "baselines": [
                {
                    "name": b.name,
                    "mean": b.score,
                    "components": dict(zip(summary.components, b.components, strict=True)),
                }
                for b in summary.baselines
            ],
            "checks": [{"code": c.code, "title": c.title, "outcome": c.outcome} for c in summary.checks],
            "provenance": summary.provenance,
            "margin": summary.margin,
            "alpha": summary.alpha,
        }
    )


def _comparison(row: ComparisonRow) -> dict[str, Any]:
    difference = row.paired.difference
    return {
        "arm": row.arm,
        "reference": row.reference,
        "component": row.component,
        "difference": difference.mean,
        "interval": [difference.low, difference.high],
        "p": row.paired.p,
        "p_holm": row.decision.p_holm,
        "p_floor": row.paired.floor,
        "p_interval": row.decision.p_t,
        "effect_size": row.paired.effect_size,
        "verdict": row.decision.verdict,
        "sentence": sentence(row),
    }


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(k): _finite(v) for k, v in value.items()}
        case list() | tuple():
            return [_finite(v) for v in value]
        case _:
            return value


def as_text(summary: Summary) -> str:
    """Verdicts, warnings and the table of arms for a terminal; plain text, also when piped."""
    blocks = [_wrapped(f"{summary.study}: {summary.question}")]
    if summary.many:
        blocks.append(_verdict_lines(summary))
    else:
        for v in summary.verdicts:
            parts = [_wrapped(t, "  ") for t in (v.evidence, v.not_shown, v.parts) if t]
            blocks.append("\n".join([v.headline, *parts]))
    if summary.warnings:
        blocks.append("\n".join(_wrapped(f"Warning {c.code}: {c.title}. {c.text}") for c in summary.warnings))
    header = ["arm", summary.metric.title, "interval", *summary.components, "parameters", "FLOPs", "a run", "repeats"]
    lines = [header]
    for arm in summary.arms:
        lines.append(
            [
                arm.name + (" (reference)" if arm.reference else ""),
                numerals.number(arm.score.mean),
                numerals.interval(arm.score.low, arm.score.high),
                *(numerals.number(e.mean) for e in arm.components),
                numerals.count(arm.parameters),
                numerals.quantity(arm.flops),
                numerals.duration(arm.seconds),
                f"{arm.n} of {summary.repeats}" + (f", {arm.failed} failed" if arm.failed else ""),
            ]
        )
    for b in summary.baselines:
        scores = [numerals.number(v) for v in (b.score, *b.components)]
        lines.append([f"{b.name} (naive)", scores[0], "", *scores[1:], "", "", "", ""])
    blocks.append(_aligned(lines))
    # The real minus sign is missing from the code pages of some terminals.
    return "\n\n".join(blocks).replace("−", "-") + "\n"


def _verdict_lines(summary: Summary) -> str:
    """Many verdicts, a line each; the page has every one in words."""
    lines = [
        ["verdict", "difference", f"{numerals.percent(summary.level)} interval", "p after Holm", "p of the interval"]
    ]
    for c in summary.primary:
        difference = c.paired.difference
        lines.append(
            [
                sentence(c),
                numerals.number(difference.mean, True),
                numerals.interval(difference.low, difference.high),
                numerals.probability(c.decision.p_holm),
                numerals.probability(c.decision.p_t),
            ]
        )
    return _aligned(lines)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, TERMINAL, initial_indent=indent, subsequent_indent=indent or "  ", break_long_words=False
    )


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, names left, numbers right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
