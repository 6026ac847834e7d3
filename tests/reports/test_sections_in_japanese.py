"""Sections in Japanese: no sentence is left in English; keys of tables and labels are those of the English report."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories.answers import attention_answer, corruption_answer, gates_answer
from factories.answers_of_errors import errors_answer
from factories.lattices import NAMES, asked, lattice_study, trained
from factories.searches import make_search

from mmcore.language import say, speaking
from reports.model.section import Finding, Word
from reports.sections import standard
from reports.sections.build import figures, sections
from reports.sections.error_analysis.estimates import Place

ENGLISH = re.compile(r"(?<![\w/.'])[A-Za-z][a-z]+(?: [a-z]+){2,}")
"""Three words in a row: a part of a sentence; names of arms and features are shorter."""


def analysed(results):
    """Results with answers of every analysis but that of modalities, and a search."""
    rng = np.random.default_rng(0)
    made = [
        answer
        for arm in results.study.arms
        for repeat in range(results.study.repeats)
        for answer in (
            gates_answer(arm.name, repeat),
            attention_answer(arm.name, repeat),
            corruption_answer(arm.name, repeat, noise=0.01 * rng.standard_normal()),
            errors_answer(arm.name, repeat, 1 + 0.05 * rng.random()),
        )
    ]
    scores = pd.concat([results.scores, results.scores.assign(split="validation")], ignore_index=True)
    return replace(results, analyses=tuple(made), scores=scores, search=(make_search(),))


def told(results, metric, language):
    """Sections and figures of a study, with those that need no analysis."""
    with speaking(language):
        found = (*standard.overviews(results, metric), *sections(results))
        drawn = (*standard.overview_figures(results, metric), *figures(results))
        shown = [f for f in drawn if not f.frame().dropna(subset=[f.value]).empty]
        return found, [(f.name, say(f.title), f.description, f.frame()) for f in shown]


@pytest.fixture(scope="module")
def studies(results_of, study_of, records_of, summary_of):
    """In English and in Japanese: a study of every analysis, one of modalities, and one of labels whose repeats share
    their test items."""
    every = analysed(results_of(items=6, calibrated=True))
    lattice = asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), emap={"scale": 0.6})
    labels = analysed(results_of(items=6, drawn="once"))
    metric = summary_of().metric
    all_of_them = (every, lattice, replace(labels, corpus=replace(labels.corpus, task="label")))
    return [(told(results, metric, "en"), told(results, metric, "ja")) for results in all_of_them]


def test_no_sentence_is_left_in_english(studies):
    left = set()
    for _, (found, drawn) in studies:
        texts = [
            text
            for s in found
            for text in (
                s.title, s.question, s.lead, s.limits, *(t.caption for t in s.tables),
                *(part for f in s.findings for part in (f.text, f.evidence)),
            )
        ]  # fmt: skip
        texts += [text for _, title, description, _ in drawn for text in (title, description)]
        with speaking("ja"):
            texts += [f.shown for s in found for f in s.findings]
        assert len(texts) > 40
        left |= {match[0] for text in texts for match in ENGLISH.finditer(text)}
    assert left == set()


def test_files_and_labels_have_the_keys_of_the_english_report(studies):
    for (english, drawn), (japanese, shown) in studies:
        for one, other in zip(english, japanese, strict=True):
            assert [f.label for f in one.findings] == [f.label for f in other.findings]
            # The rules of words are sentences.
            tables = [[t for t in s.tables if t.name != "rules"] for s in (one, other)]
            for a, b in zip(*tables, strict=True):
                assert (a.table.columns, repr(a.table.rows)) == (b.table.columns, repr(b.table.rows))
        for (*_, frame), (*_, other) in zip(drawn, shown, strict=True):
            pd.testing.assert_frame_equal(frame, other)


def test_words_of_labels_and_cells_are_shown_in_the_language():
    with speaking("ja"):
        assert Finding("", "useful on these test items").shown == "有用（これらのテスト項目で）"
        assert (Finding("", "useful").shown, Finding("").shown) == ("有用", "")
        assert Word("useful · not used").shown == "有用 · 不使用"
    assert Finding("", "useful on these test items").shown == "useful on these test items"


def test_cells_that_are_words_are_japanese_on_the_page_and_keys_in_files(studies):
    cells = {
        cell
        for _, (found, _) in studies
        for section in found
        for table in section.tables
        for row in table.table.rows
        for cell in row
        if isinstance(cell, Word)
    }
    assert {"shut", "mean", "open", "noise", "drop", "gap", "lost", "delay"} <= cells
    with speaking("ja"):
        shown = {str(cell): cell.shown for cell in cells}
        conditions = [Place(name, "yes", "no").cells for name in ("edit", "tracks ease", "brightness")]
        texts = [[cell.shown if isinstance(cell, Word) else cell for cell in row] for row in conditions]
        words = ["はい", "いいえ"]
        assert texts == [["編集点", *words], ["トラックの ease", *words], ["brightness", *words]]
        assert Place("edit", "yes", "no", "label changes").cells[0].shown == "ラベルの変化"
    assert {key: text for key, text in shown.items() if re.search("[A-Za-z]", text)} == {}
    assert (shown["open"], shown["drop"]) == ("開（1）", "ステップの欠落")
    with speaking("en"):
        assert {cell.shown for cell in cells} == {str(cell) for cell in cells}
