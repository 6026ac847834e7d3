"""Sections of null studies say false words no more often than alpha; and the count of false words counts them."""

from dataclasses import replace

import pytest
from factories.answers import changed

from benchmarks.null_sections import SECTIONS, Chance, bound, false_words, generator, main, rate
from reports.model.section import Finding, Section, SectionTable, plain_table

STUDIES = 60


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_a_false_word_in_at_most_alpha_of_null_studies(name):
    """Eight overlapping repeats, a fixed seed; the benchmark has more studies and designs."""
    assert rate(name, "each_repeat", 8, STUDIES) <= bound(STUDIES)


@pytest.mark.parametrize("name", SECTIONS)
def test_where_there_is_something_the_same_count_finds_words(name):
    """An effect ten times as large as chance, put into the same made-up study."""
    make, section_of = SECTIONS[name]
    results = make(Chance(generator(0, "null sections"), 10, 0.0), "once")
    assert false_words(section_of(replace(results, analyses=tuple(_put_in(name, one) for one in results.analyses))))


def _put_in(name, one):
    """The answer with the effect."""
    arm, told = one.arm, one.result
    match name:
        case "modalities":
            for way in told.scores.values():
                row = way["skill"]
                whole, *components = (
                    (*values[:-1], values[-1] + 1.0) for values in (row.whole, *row.components.values())
                )
                more = dict(zip(row.components, components, strict=True))
                way["skill"] = changed(row, whole=whole, components=more)
        case "gates":
            for row in told.clamping.held:
                row.scores["skill"] = changed(row.scores["skill"], whole=row.scores["skill"].whole - 1.0)
        case "attention":
            past = changed(told.faithfulness.past, rollout=told.faithfulness.past.rollout + 1.0)
            told = changed(told, faithfulness=changed(told.faithfulness, past=past))
        case "corruption":
            for modality in told.modalities.values():
                for curve in modality.curves.values():
                    row = curve.scores["skill"]
                    curve.scores["skill"] = changed(row, whole=tuple(v - 1.0 * (arm == "two") for v in row.whole))
        case "errors":
            loss = told.conditions[0].groups[1].loss
            loss.update({c: 10 * v for c, v in loss.items()})
    return replace(one, result=told)


def test_false_words_are_claims_in_labels_sentences_and_tables():
    section = Section("s", "S", "?", "")
    true = (Finding("It is so.", "not shown"), Finding("So.", "not needed"), Finding("Nothing of it."))
    assert false_words(replace(section, findings=true)) == []
    claims = (Finding("It helps.", "useful"), Finding("Rollout overstates the past."))
    assert false_words(replace(section, findings=claims)) == ["useful", "overstates"]
    rows = plain_table(("modality", "useful", "p"), [("audio", "not shown", 0.2), ("track", "harmful", 0.01)])
    assert false_words(replace(section, tables=(SectionTable("dossier", "", rows),))) == ["harmful"]


def test_the_command_prints_a_row_a_section_and_fails_above_alpha(capsys, monkeypatch):
    assert main(["--studies", "2", "--only", "errors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "| errors | 0.0 % | 0.0 % | 0.0 % | 0.0 % |"
    monkeypatch.setattr("benchmarks.null_sections.rate", lambda *_: 0.9)
    assert main(["--studies", "100", "--only", "errors"]) == 1
