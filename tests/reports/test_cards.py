"""What a notebook and a console show of results: short, escaped, readable on light and on dark pages."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from mmcore.errors import RecordError
from reports.cards.card import Card, Forest, Grid, Interval, Line, clipped
from reports.cards.forest import forest_svg
from reports.cards.html import LARGEST, card_html
from reports.cards.text import card_text
from reports.cards.tints import TINTS
from reports.model.report import Summary
from reports.output.reading import Reading
from reports.records.frame import StudyResults

SHORT = 1000
SCRIPT = "<script>alert('x')</script>"


class Read(Reading):
    def __init__(self, results: StudyResults, summary: Summary) -> None:
        self.results, self.summary = results, summary


def parsed(html: str) -> ElementTree.Element:
    """The element, which is well formed; HTML needs no ends of <br>, XML does."""
    return ElementTree.fromstring(html.replace("<br>", "<br/>"))


def words(html: str) -> str:
    return " ".join("".join(parsed(html).itertext()).split())


def test_a_summary_shows_verdict_warnings_arms_and_a_forest_plot(summary_of: Callable[..., Summary]) -> None:
    summary = summary_of()
    html = summary._repr_html_()
    text = words(html)
    assert summary.verdicts[0].headline in text
    assert summary.verdicts[0].evidence in text
    assert summary.question in text
    for check in summary.warnings:
        assert f"Warning {check.code}: {check.title}." in text
    for arm in summary.arms:
        assert arm.name in text
    assert "persistence (naive)" in text
    assert len(re.findall("<svg ", html)) == 1
    # One mark for each comparison: the metric's and the components'.
    svg = parsed(html).find(".//{http://www.w3.org/2000/svg}svg")
    assert svg is not None
    marks = [e for e in svg if e.tag.rpartition("}")[2] in ("circle", "polygon")]
    assert len(marks) == len(summary.comparisons) == 4
    assert len(html.encode()) < 20_000


def test_the_console_gets_the_verdict_in_few_letters(summary_of: Callable[..., Summary]) -> None:
    summary = summary_of()
    text = repr(summary)
    assert text.startswith(f"Summary of study '{summary.study}': {summary.question}")
    assert summary.verdicts[0].headline in text
    assert len(text) < SHORT


def test_every_verdict_and_comparison_is_shown_by_itself(summary_of: Callable[..., Summary]) -> None:
    summary = summary_of()
    verdict, row = summary.verdicts[0], summary.comparisons[0]
    for shown in (verdict, row):
        assert len(repr(shown)) < SHORT
        assert len(shown._repr_html_()) < 5_000
    assert verdict.headline in repr(verdict)
    assert verdict.not_shown in words(verdict._repr_html_())
    assert repr(row).splitlines()[0] == "Comparison of 'multimodal' with 'track_only'"
    assert "better: difference +0." in repr(row)


def test_names_are_escaped(study_of: Callable[..., Any], summary_of: Callable[..., Summary]) -> None:
    study = study_of(("plain", SCRIPT), name=SCRIPT, question=f"{SCRIPT}?")
    summary = summary_of(study)
    pages = (
        summary._repr_html_(),
        *(v._repr_html_() for v in summary.verdicts),
        *(c._repr_html_() for c in summary.comparisons),
    )
    for html in pages:
        assert "<script" not in html
        assert "alert(&#x27;x&#x27;)" in html
        parsed(html)


def test_no_study_is_too_large_to_be_shown(study_of: Callable[..., Any], summary_of: Callable[..., Summary]) -> None:
    arms = [f"arm {i} " + '"&<é' * 40 for i in range(80)]
    pairs = [(arm, arms[0]) for arm in arms[1:]]
    summary = summary_of(study_of(arms, pairs=pairs, repeats=2, name="n" * 5000, question="q" * 5000 + "?"))
    html = summary._repr_html_()
    assert len(html.encode()) <= LARGEST
    parsed(html)
    assert re.search(r"and \d+ more rows", html)
    assert len(repr(summary)) < SHORT
    for row in (*summary.verdicts, *summary.comparisons):
        assert len(repr(row)) < SHORT


def test_results_are_named_not_poured_out(results_of: Callable[..., StudyResults]) -> None:
    results = results_of()
    assert repr(results).startswith("<results of study 'track_vs_multimodal': 16 runs, ")
    assert len(repr(results.runs)) < 16 * 80
    assert len(repr(results.study)) < 200


def luminance(tint: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(tint[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tint", sorted(set(TINTS.values())))
def test_tints_are_seen_on_light_and_dark_pages(tint: str) -> None:
    for page in ("#ffffff", "#111111"):
        assert contrast(tint, page) >= 3.0, page


def test_a_card_sets_no_colour_of_text_and_no_paper(summary_of: Callable[..., Summary]) -> None:
    html = summary_of()._repr_html_()
    assert not re.search(r"[;\"]color:|background", html)
    assert 'fill="currentColor"' in html


def marks(*rows: Interval, most: int = 30) -> list[tuple[str, str | None]]:
    svg = ElementTree.fromstring(forest_svg(Forest(rows, "difference", True), most))
    shapes = ("circle", "polygon", "rect")
    return [(e.tag.rpartition("}")[2], e.get("fill")) for e in svg if e.tag.rpartition("}")[2] in shapes]


def interval(tone: Any = "open", filled: bool = False, mean: float = 0.1, margin: float | None = None) -> Interval:
    return Interval("a", mean, mean - 0.1, mean + 0.1, tone, filled, True, margin)


def test_marks_tell_verdicts_apart_by_shape_and_filling() -> None:
    assert marks(interval("better", True), interval("worse", True), interval("equivalent", True), interval()) == [
        ("circle", TINTS["better"]),
        ("polygon", TINTS["worse"]),
        ("rect", TINTS["equivalent"]),
        ("circle", "none"),
    ]
    assert marks(interval("better", filled=False)) == [("circle", "none")]
    assert marks(interval("better", True, margin=0.05))[0] == ("rect", TINTS["open"])


def test_a_forest_without_numbers_is_nothing_and_one_number_is_enough() -> None:
    assert forest_svg(Forest((), "x", True), 30) == ""
    assert forest_svg(Forest((interval(mean=math.nan),), "x", True), 30) == ""
    lonely = Interval("a", 0.0, math.nan, math.nan, "open", False, True)
    assert marks(lonely) == [("circle", "none")]
    assert "nan" not in forest_svg(Forest((lonely, interval(mean=math.inf)), "x", True), 30)
    assert "and 2 more rows" in forest_svg(Forest((interval(),) * 4, "x", True), 2)


def test_better_is_where_it_belongs() -> None:
    rows = (interval("better", True),)
    assert forest_svg(Forest(rows, "x", True), 9).index("← worse") >= 0
    assert forest_svg(Forest(rows, "loss", False), 9).index("← better") >= 0


def test_a_long_card_is_cut_with_what_is_missing_counted() -> None:
    card = Card("t", lines=tuple(Line(f"line {i}") for i in range(40)), grids=(Grid(("a",), (("b",),) * 40),))
    assert "and 34 more lines" in card_text(card)
    html = card_html(card)
    assert "and 28 more lines" in html
    assert "and 10 more rows" in html
    assert clipped("a\x00b\n c", 9) == "a\N{REPLACEMENT CHARACTER}b c"


def test_tables_and_figures_are_taken_by_name(
    results_of: Callable[..., StudyResults], summary_of: Callable[..., Summary]
) -> None:
    read = Read(results_of(), summary_of())
    frame = read.to_frame()
    assert list(frame["verdict"]) == [c.verdict for c in read.summary.comparisons]
    assert list(frame["arm"].unique()) == ["multimodal"]
    assert {"difference", "low", "high", "p_holm", "n"} <= set(frame.columns)
    scores = read.to_frame("scores")
    assert set(scores["arm"]) == {"track_only", "multimodal"}
    scores["value"] = 0.0
    assert not (read.results.scores["value"] == 0.0).all()
    with pytest.raises(RecordError, match=r"no table 'arm'\. Did you mean 'arms'\? Valid: arms, comparisons, "):
        read.to_frame("arm")
    assert read.figures[0] == "forest"
    assert "loss_weights" not in read.figures
    drawn = read.figure("forest")
    assert drawn.axes[0].get_xlabel() == "difference in skill"
    assert drawn._repr_png_().startswith(b"\x89PNG")  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(RecordError, match=r"no figure 'forrest'\. Did you mean 'forest'\? Valid: forest, "):
        read.figure("forrest")
    with pytest.raises(RecordError, match=r"figure 'loss_weights' has nothing to draw here\. .*Valid: forest, "):
        read.figure("loss_weights")


def test_the_summary_alone_gives_its_comparisons(summary_of: Callable[..., Summary]) -> None:
    summary = summary_of()
    frame = summary.to_frame()
    assert list(frame["verdict"]) == [c.verdict for c in summary.comparisons]
    assert frame.loc[0, "difference"] == summary.comparisons[0].shown.mean
    assert frame["component"].isna().tolist() == [c.component is None for c in summary.comparisons]
