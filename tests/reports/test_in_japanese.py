"""A report in Japanese: whole sentences, no English left over, the same numbers and keys as in English."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest
from factories import foreign
from rich.cells import cell_len

from mmcore.language import say, speaking
from reports.cards.html import card_html
from reports.cards.text import card_text
from reports.compare.changes import compare_reports
from reports.compare.source import read_report
from reports.compare.text import compared_as_text
from reports.figures.forest import Forest
from reports.model.report import OUTCOMES, Outcome
from reports.output.drawable import drawable, has_content
from reports.output.latex import as_latex
from reports.output.page import Said, doubts, in_two
from reports.output.render import as_html, as_markdown, write_report
from reports.output.text import TERMINAL, as_json, as_text, wrapped
from reports.records.frame import tidy
from reports.statistics.verdicts import WORDS, Verdict
from reports.summary.build import summarise
from studies.repeats import Sequential

QUESTION = "効果はありますか。"
ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z’']+[,;:]? ){3}[A-Za-z][a-z’']+")
"""Four English words in a row: a sentence that nobody translated."""
LEFT_IN_ENGLISH = ("Demšar 2006; Benavoli, Corani & Mangili 2016", "Lan and DeMets", "loss must be finite")
"""Names of authors, and errors."""


class _Text(HTMLParser):
    """What a reader sees or hears of a page: text, names of elements and hints, without code and settings."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if tag in ("meta", "br", "link"):
            return
        code = tag in ("style", "script", "pre", "code") or "code" in (known.get("class") or "").split()
        self.silent.append("code" if code or "code" in self.silent[-1:] else "")
        self.said += [known[name] or "" for name in ("title", "aria-label") if name in known]

    def handle_endtag(self, tag):
        if self.silent:
            self.silent.pop()

    def handle_data(self, data):
        if self.silent[-1:] != ["code"]:
            self.said.append(data)


def seen_of(page: str) -> str:
    reader = _Text()
    reader.feed(page)
    return "\n".join(reader.said)


def english_in(text: str) -> list[str]:
    for known in LEFT_IN_ENGLISH:
        text = text.replace(known, "")
    return [found[0] for found in ENGLISH.finditer(text)]


@pytest.fixture(scope="module")
def made(results_of, study_of, records_of):
    """Results of every shape that a report's own sentences tell apart."""
    many = tuple("abcdefgh")

    def sequential(runs):
        """A study that adds repeats, after so many of them."""
        rule = replace(study("a", "b", repeats=14), sequential=Sequential(min=6, max=14))
        every = records_of(rule, {"b": 0.02}, noise=0.05)
        return tidy(rule, [record for record in every if record.repeat < runs])

    def study(*arms, **options):
        return study_of(*([arms] if arms else []), question=QUESTION, **options)

    return {
        "better": results_of(study()),
        "equivalent": results_of(study(margin=0.05), effects={"multimodal": 0.001}, noise=0.004),
        "undecided": results_of(study(), effects={"multimodal": 0.01}, failures=[("multimodal", 1)]),
        "these items": results_of(
            study(margin=0.02), effects={"multimodal": {"active": 0.2, "scale": -0.2}}, drawn="once", items=9
        ),
        "one group": results_of(study(), effects={"multimodal": 0.1}, drawn="corpus", items=3),
        "too few": results_of(study(repeats=3), effects={"multimodal": 0.1}, nothing=["scale"]),
        "looked at": sequential(14),
        "waiting": sequential(9),
        "one arm": results_of(study("alone"), effects={}),
        "many": results_of(study(*many), effects={"b": 0.1, "c": -0.1, "d": 0.01}),
        "scores": foreign.results(foreign.scores({"a": 0.5, "b": 0.52, "c": 0.4}), margin=0.01),
        "unpaired": foreign.results(foreign.scores({"a": 0.5, "b": 0.52, "c": 0.4}), paired=False),
        "data sets": foreign.results(
            foreign.scores({"a": 0.5, "b": 0.52, "c": 0.4}, parts=("x", "y", "z")), part="data set"
        ),
    }


CASES = (
    "better", "equivalent", "undecided", "these items", "one group", "too few", "looked at", "waiting", "one arm",
    "many", "scores", "unpaired",
    "data sets",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_report_has_no_english_sentence(made, case):
    with speaking("ja"):
        results = made[case]
        summary = replace(summarise(results), question=QUESTION)
        page, figures = as_html(summary), [f for f in drawable(summary, results) if has_content(f)]
        texts = [seen_of(page), as_markdown(summary), as_text(summary), card_text(summary.card()), as_latex(summary)]
        texts += [seen_of(card_html(summary.card())), *(seen_of(v._repr_html_()) for v in summary.verdicts)]
        texts += [card_text(c.card()) for c in summary.comparisons]
        texts += [f"{say(f.title)}\n{f.description}" for f in figures]
    assert '<html lang="ja">' in page
    assert [found for text in texts for found in english_in(text)] == []


def test_a_sentence_that_stayed_english_would_be_found():
    assert english_in("判定です。This is not translated at all.") == ["This is not translated"]
    assert seen_of('<p title="a b">x<code>y</code><b>z</b></p>').split("\n") == ["a b", "x", "z"]


@pytest.fixture(scope="module")
def both(made, tmp_path_factory):
    """The same report in both languages."""
    folder = tmp_path_factory.mktemp("languages")
    for language in ("en", "ja"):
        with speaking(language):
            write_report(summarise(made["better"]), made["better"], folder / language)
    return folder


def test_json_names_its_language_where_it_is_not_english(both):
    english, japanese = (json.loads((both / name / "report.json").read_text("utf-8")) for name in ("en", "ja"))
    assert "language" not in english
    assert japanese.pop("language") == "ja"
    assert list(english) == list(japanese)
    assert english["provenance"] == japanese["provenance"]
    for one, other in zip(english["comparisons"], japanese["comparisons"], strict=True):
        assert {k: v for k, v in one.items() if k != "sentence"} == {k: v for k, v in other.items() if k != "sentence"}
    assert japanese["comparisons"][0]["sentence"] == "「multimodal」は「track_only」より優れています。"


def test_tables_have_the_same_columns_in_both_languages(both):
    for path in sorted((both / "en" / "tables").glob("*.csv")):
        first = [(both / name / "tables" / path.name).read_text("utf-8").split("\n")[0] for name in ("en", "ja")]
        assert first[0] == first[1], path.name


def test_reports_in_two_languages_are_compared(both):
    one, other = read_report(both / "en"), read_report(both / "ja")
    with speaking("en"):
        assert "None of 4 common verdicts changed." in compared_as_text(compare_reports(one, other))
    with speaking("ja"):
        text = compared_as_text(compare_reports(one, other))
    assert "共通の判定 4 件のうち、変わったものはありません。" in text
    assert "優れている" in text
    assert english_in(text.replace(one.question, "")) == []


def test_figures_have_japanese_text_and_a_font_that_draws_it(both):
    svg = (both / "ja" / "figures" / "forest.svg").read_text("utf-8")
    assert "優れている" in svg
    assert "スキルの差" in svg
    assert (both / "en" / "figures" / "forest.svg").read_text("utf-8").count("CJK") == 0


def test_english_is_not_changed_by_a_report_in_japanese_before_it(made):
    with speaking("en"):
        before = as_html(summarise(made["many"]))
    with speaking("ja"):
        as_html(summarise(made["many"]))
    with speaking("en"):
        assert as_html(summarise(made["many"])) == before


def test_a_heading_is_explained_in_both_languages(made):
    for language, word in (("en", "effect size"), ("ja", "効果量")):
        with speaking(language):
            page = as_html(summarise(made["better"]))
        assert re.search(rf'{word} <a class="term" href="#word-effect-size"', page), language


def test_what_is_not_shown_is_found_in_both_languages(made):
    for language, text in (
        ("en", "Not shown: that there is no difference at all."),
        ("ja", "示されていないこと：差がまったくないこと。"),
    ):
        with speaking(language):
            assert doubts(summarise(made["equivalent"]))[0].text == text


def test_a_japanese_text_is_divided_at_its_full_stop():
    assert in_two("平均です。「これ。」は区間です。") == Said("平均です。", "「これ。」は区間です。")
    assert in_two("「これ。」は区間です。") == Said("「これ。」は区間です。", "")
    long = "反復の平均と、" + "とても" * 20 + "長い文です。"
    first = in_two(long, 60)
    assert first.rest == long
    assert cell_len(first.first) <= 62
    assert first.first.endswith(" …")


def test_japanese_is_wrapped_by_columns():
    text = "これは「長い文」です。" * 12 + "arm_name と /a/path-that-is-whole/x を、比べました。"
    lines = wrapped(text, "  ").split("\n")
    assert all(cell_len(line) <= TERMINAL + 4 for line in lines)
    assert len(lines) == 4
    assert not any(line.strip()[0] in "。、」" for line in lines)
    assert "".join(line.strip() for line in lines).replace(" ", "") == text.replace(" ", "")


def test_latex_keeps_japanese_letters_where_its_program_has_them(made):
    with speaking("ja"):
        text = as_latex(summarise(made["better"]))
    assert r"\usepackage{luatexja}" in text
    assert "アーム" in text
    assert "[U+" not in text
    with speaking("en"):
        assert "[U+" in as_latex(summarise(made["better"]))


def test_every_verdict_and_outcome_has_a_word():
    assert get_args(Verdict) == WORDS
    assert get_args(Outcome) == OUTCOMES


def test_markdown_has_the_methods_of_a_paper(made):
    with speaking("en"):
        text = as_markdown(summarise(made["better"]))
    assert "## For a paper\n\nWe compared 2 arms" in text


def test_json_of_a_summary_follows_the_language_of_the_moment(made):
    with speaking("ja"):
        assert as_json(summarise(made["scores"]))["language"] == "ja"


def test_a_picture_without_a_font_for_its_letters_says_so(made, monkeypatch):
    monkeypatch.setattr("reports.figures.style.OTHER_SCRIPTS", ())
    with speaking("ja"):
        drawn = Forest(summarise(made["better"])).draw()
        with pytest.warns(UserWarning, match="文字が四角"):
            assert drawn._repr_png_().startswith(b"\x89PNG")
