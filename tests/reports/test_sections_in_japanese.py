"""Sections in Japanese: no sentence is left in English, and keys of tables and labels are those of the English report."""

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

ENGLISH = re.compile(r"(?<![\w/.'])[A-Za-z][a-z]+(?: [a-z]+){2,}")
"""Three words in a row: a sentence, or a part of one; names of arms and features are shorter."""


@pytest.fixture(scope="module")
def studies(results_of, study_of, records_of):
    """A study of every analysis but modalities, one of those, and one of labels whose repeats share their test items."""
    plain = results_of(items=6, calibrated=True)
    rng = np.random.default_rng(0)
    made = [
        answer
        for arm in plain.study.arms
        for repeat in range(plain.study.repeats)
        for answer in (
            gates_answer(arm.name, repeat),
            attention_answer(arm.name, repeat),
            corruption_answer(arm.name, repeat, noise=0.01 * rng.standard_normal()),
            errors_answer(arm.name, repeat, 1 + 0.05 * rng.random()),
        )
    ]
    scores = pd.concat([plain.scores, plain.scores.assign(split="validation")], ignore_index=True)
    every = replace(plain, analyses=tuple(made), scores=scores, search=(make_search(),))
    lattice = asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), emap={"scale": 0.6})
    labels = replace(every, corpus=replace(every.corpus, task="label"), drawn="once")
    return every, lattice, labels


def told(results):
    """Sections and figures of a study, with those that need no analysis."""
    from reports.summary.build import summarise

    metric = summarise(results).metric
    found = (*standard.overviews(results, metric), *sections(results))
    drawn = (*standard.overview_figures(results, metric), *figures(results))
    return found, [f for f in drawn if not f.frame().dropna(subset=[f.value]).empty]


def test_no_sentence_is_left_in_english(studies):
    left = set()
    for results in studies:
        with speaking("ja"):
            found, drawn = told(results)
            texts = [
                text
                for s in found
                for text in (
                    s.title, s.question, s.lead, s.limits, *(t.caption for t in s.tables),
                    *(part for f in s.findings for part in (f.text, f.evidence, f.shown)),
                )
            ]  # fmt: skip
            texts += [part for f in drawn for part in (say(f.title), f.description)]
        left |= {match[0] for text in texts for match in ENGLISH.finditer(text)}
    assert left == set()


def test_files_and_labels_have_the_keys_of_the_english_report(studies):
    for results in studies:
        with speaking("en"):
            english, drawn = told(results)
        with speaking("ja"):
            japanese, shown = told(results)
        for one, other in zip(english, japanese, strict=True):
            assert [f.label for f in one.findings] == [f.label for f in other.findings]
            tables = {t.name: t.table for t in one.tables if t.name != "rules"}
            for t in other.tables:
                if t.name != "rules":
                    assert (t.table.columns, repr(t.table.rows)) == (
                        tables[t.name].columns, repr(tables[t.name].rows)
                    )  # fmt: skip
        for one, other in zip(drawn, shown, strict=True):
            pd.testing.assert_frame_equal(one.frame(), other.frame())


def test_words_of_labels_and_cells_are_shown_in_the_language():
    with speaking("ja"):
        assert Finding("", "useful on these test items").shown == "有用（これらのテスト項目で）"
        assert (Finding("", "useful").shown, Finding("").shown) == ("有用", "")
        assert Word("useful · not used").shown == "有用 · 不使用"
    assert Finding("", "useful on these test items").shown == "useful on these test items"
