"""How many repeats there are and where they start, as a study and as the command line say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmcore.errors import StudyError
from mmcore.fingerprint import fingerprint
from mmcore.schema import CorpusSchema
from studies.repeats import Counted, Sequential, parse_repeats
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import read_study

STUDY = """\
question: Is it?
preset: null
reference: one
arms: {one: {}, two: {model.layers: 1}}
"""
SEARCH = """\
search:
  space:
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-4, high: 1e-2}
  budget: {trials: 4}
"""


def opened(folder: Path, text: str, schema: CorpusSchema, **options: Any) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(STUDY + text, encoding="utf-8")
    study, written = read_study(path)
    return resolve("mine", study, written, None, None, folder, schema, **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10),
        ("10@100", Counted(count=10, first=100)),
        ("10@0", Counted(count=10, first=0)),
        ("6..30", Sequential(min=6, max=30)),
        ("6..30/2", Sequential(min=6, max=30, step=2)),
        ("6..30@100", Sequential(min=6, max=30, first=100)),
        ("6..30/2@100", Sequential(min=6, max=30, step=2, first=100)),
    ],
)
def test_the_command_line_says_how_many_and_from_where(text: str, expected: Any) -> None:
    found = parse_repeats(text)
    assert found == expected
    assert str(found) == text


@pytest.mark.parametrize(
    "text", ["0", "-1", "ten", "10@", "@100", "10@-1", "10 @ 100", "6..6", "1..6", "6..30/0", "6..", "0@5", "٣", ""]
)
def test_other_words_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"(6\.\.30.*10@100|MIN from 2).*found"):
        parse_repeats(text)


def test_a_study_may_start_elsewhere(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, "repeats: {count: 10, first: 100}\n", schema)
    assert (study.numbers, study.sequential) == (range(100, 110), None)
    rule = opened(tmp_path, "repeats: {min: 6, max: 30, first: 100}\n", schema)
    assert rule.numbers == range(100, 130)
    assert rule.sequential is not None
    assert (rule.sequential.min, rule.sequential.max) == (6, 30)
    assert opened(tmp_path, "repeats: {count: 10}\n", schema).numbers == range(10)


@pytest.mark.parametrize("text", ["6..30", "'6..30/2@100'", "10@100", "'10'"])
def test_a_study_may_say_it_as_the_command_line_does(tmp_path: Path, schema: CorpusSchema, text: str) -> None:
    found = opened(tmp_path, f"repeats: {text}\n", schema)
    asked = opened(tmp_path, "repeats: 3\n", schema, repeats=parse_repeats(text.strip("'")))
    assert (found.numbers, found.sequential) == (asked.numbers, asked.sequential)


def test_repeats_in_other_words_are_refused_with_their_line(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError) as refused:
        opened(tmp_path, "repeats: ten\n", schema)
    assert str(refused.value).startswith(f"{tmp_path / 'mine.yaml'}:5: repeats: takes a number from 1, or MIN..MAX")


def test_no_run_is_shared_with_the_repeats_from_zero(tmp_path: Path, schema: CorpusSchema) -> None:
    def names(text: str) -> set[str]:
        study = opened(tmp_path, text, schema)
        configs = (a.config.model_copy(update={"repeat": r}) for a in study.arms for r in study.numbers)
        return {fingerprint(config, "0" * 32) for config in configs}

    here, there = names("repeats: 10\n"), names("repeats: {count: 10, first: 100}\n")
    assert (len(here), len(there)) == (20, 20)
    assert here.isdisjoint(there)
    assert len(here & names("repeats: {count: 10, first: 5}\n")) == 10


@pytest.mark.parametrize(
    ("own", "asked", "numbers"),
    [
        ("10", "4@100", range(100, 104)),
        # A quick try of a replication stays on its own repeats.
        ("{count: 10, first: 100}", "2", range(100, 102)),
        ("{count: 10, first: 100}", "2@7", range(7, 9)),
        ("{count: 10, first: 100}", "2@0", range(2)),
        ("{count: 10, first: 100}", "2..4", range(100, 104)),
        ("{min: 6, max: 30, first: 100}", "3", range(100, 103)),
        ("{min: 6, max: 30}", "3@5", range(5, 8)),
    ],
)
def test_the_command_line_goes_before_the_study(
    tmp_path: Path, schema: CorpusSchema, own: str, asked: str, numbers: range
) -> None:
    assert opened(tmp_path, f"repeats: {own}\n", schema, repeats=parse_repeats(asked)).numbers == numbers


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("repeats: {count: 0}\n", 5, "repeats.count"),
        ("repeats: {count: 3, first: -1}\n", 5, "repeats.first"),
        ("repeats: {count: 3, frist: 1}\n", 5, "Did you mean 'first'?"),
        ("repeats: {count: 3, min: 2}\n", 5, "unknown key 'min'"),
        ("repeats: {first: 3}\n", 5, "the required key 'min' is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, schema: CorpusSchema, text: str, line: int, words: str
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, text, schema)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")


# After a search ------------------------------------------------------------------------------------------------------
def test_after_a_search_repeats_start_behind_its_own_or_later(tmp_path: Path, schema: CorpusSchema) -> None:
    assert opened(tmp_path, "repeats: 6\n" + SEARCH, schema).numbers == range(2, 8)
    assert opened(tmp_path, "repeats: {count: 6, first: 2}\n" + SEARCH, schema).numbers == range(2, 8)
    assert opened(tmp_path, "repeats: {count: 6, first: 100}\n" + SEARCH, schema).numbers == range(100, 106)
    rule = opened(tmp_path, "repeats: {min: 3, max: 6, first: 50}\n" + SEARCH, schema)
    assert rule.numbers == range(50, 56)


@pytest.mark.parametrize(
    ("own", "asked", "where"),
    [
        ("repeats: {count: 6, first: 1}\n", None, "mine.yaml:5: "),
        ("repeats:\n  min: 3\n  max: 6\n  first: 0\n", None, "mine.yaml:8: "),
        ("repeats: 6\n", "6@1", "--repeats: "),
        ("repeats: {count: 6, first: 9}\n", "6@0", "--repeats: "),
    ],
)
def test_repeats_of_the_search_cannot_confirm_it(
    tmp_path: Path, schema: CorpusSchema, own: str, asked: str | None, where: str
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, own + SEARCH, schema, repeats=None if asked is None else parse_repeats(asked))
    told = str(caught.value)
    assert where in told
    assert "must not be among the repeats that it was tuned on" in told
    assert "from 2 on, since trials use repeats 0 to 1" in told


@pytest.mark.parametrize("text", ["1000000", "9" * 400, "2..1000000", "5@10000000000", "2..5/" + "9" * 30])
def test_more_repeats_than_any_study_needs_are_refused_with_the_limit(text: str) -> None:
    with pytest.raises(ValueError, match="at most 10,000 repeats"):
        parse_repeats(text)
