"""The languages: what is chosen, and that the catalogue of each lacks nothing that the code says."""

from __future__ import annotations

import re
import string

import pytest

from docsite.strings import ROOT, all_said, translated, unsaid
from mmcore.errors import ConfigError
from mmcore.language import LANGUAGES, in_one_language, language, later, say, speaking
from reports.numbers import counted, duration, interval, listing, probability, prose

OTHERS = [name for name in LANGUAGES if name != "en"]
SPOKEN_THROUGHOUT: tuple[str, ...] = (
    *(f"reports/checks/{name}.py" for name in ("corpus", "data", "design", "evidence", "factors", "records", "scores")),
    "reports/checks/search.py", "reports/checks/text.py", "reports/checks/training.py",
    "reports/cards", "reports/compare/text.py", "reports/figures", "reports/model", "reports/numbers.py",
    "reports/output", "reports/records/origin.py", "reports/sections", "reports/statistics", "reports/summary",
    "reports/verdicts",
    *(f"mmcore/data/guess/{name}.py" for name in (
        "analyse", "clocks", "columns", "corpus", "facts", "layout", "people", "rates", "raw", "streams", "subtitles",
        "targets", "times",
    )),
    "mmcore/data/importers", "experiments/guess_view.py",
    *(f"experiments/cli/{name}.py" for name in (
        "compare", "data", "doctor", "export", "help", "home", "labels", "main", "packs", "predict", "quality",
        "searches", "status", "text", "tracking",
    )),
    *(f"experiments/planning/{name}.py" for name in (
        "estimate", "foreign", "foresight", "packs", "plan", "precision", "remaining", "search", "sequential",
        "windows",
    )),
    "experiments/launchers/messages.py", "experiments/launchers/slurm/status.py", "experiments/exporting.py",
    "experiments/best_models.py", "experiments/model_card.py",
    "experiments/quantised.py", "experiments/upkeep/findings.py",
    "experiments/checking.py", "experiments/corpus_view.py", "experiments/doctor.py", "experiments/driver.py",
    "experiments/foreign/facts.py", "experiments/judge.py", "experiments/outcome.py", "experiments/progress.py",
    "experiments/rounds.py", "experiments/scores/pairing.py",
)  # fmt: skip
"""Folders and files in which every sentence goes through ``say``; a new one in English alone fails here."""
MARKUP = re.compile(r'^<|="|:[\w{].*;|@\w|^Noto Sans|^ *mmstudy ')
"""Elements of a page, styles, queries of a table, fonts, commands."""
NO_SENTENCES = frozenset({
    "dict[tuple[str, str], np.ndarray]", "these items only", " on these items", "groups of items", "joint sign flips",
    "two-level bootstrap of {}", "bootstrap of groups of items", "rows of a plot", "{The mmstudy authors}",
    "mmstudy: ablation studies for multimodal sequence models", "figure '{}' has nothing to draw here",
    "the report has no figure '{}'", "missing from font", "outside lower center", "outside upper left",
    "Glyph .* missing from font",
    "end of {} and {}", "a column of labels", "labels of clips", "ids of clips in part '{}'",
    "array '{}', which is read at once,", "# The files do not say this; correct it below where it is wrong:",
    "Look at the file", "it must be readable", "whether the step exists",
    "the name of a raw file", "the name of an array",
    "Unable to contact|Connection refused|timed out",
    "% lualatex または xelatex でコンパイルしてください。",
})  # fmt: skip
"""Keys, names of streams of random numbers, parts of errors and of corpus.yaml, and what other programs read."""


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_every_text_that_the_code_says(name: str) -> None:
    known = translated(name)
    missing = [f"{s.file}:{s.line}: {s.text}" for key, s in all_said().items() if not known.get(key, ("", None))[0]]
    assert not missing, f"run `python -m docsite.strings --add` and translate:\n{missing}"


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_nothing_that_no_code_says(name: str) -> None:
    assert translated(name).keys() <= all_said().keys()


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_values_of_its_text_and_no_others(name: str) -> None:
    for (context, text), (found, path) in translated(name).items():
        if context:
            assert _fields(found) == {"n"}, f"{path.name}: {text}"
        elif "{" in text:
            assert _fields(found) == _fields(text), f"{path.name}: {text}"


@pytest.mark.parametrize("place", SPOKEN_THROUGHOUT)
def test_no_sentence_of_a_translated_room_escapes_the_catalogue(place: str) -> None:
    keys = {text.lower() for _, text in all_said()}
    found = [one for one in unsaid(ROOT / place) if one[2].lower() not in keys and not MARKUP.search(one[2])]
    assert [one for one in found if one[2] not in NO_SENTENCES] == []


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_a_sentence_that_is_not_said_is_found() -> None:
    file = ROOT / "tests" / "data" / "unsaid.py"
    assert [(line, text) for _, line, text in unsaid(file)] == [(11, "{} is not said at all"), (12, "nor is this one")]


def test_the_environment_names_the_language_else_the_locale_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSTUDY_LANG", "ja")
    assert language() == "ja"
    monkeypatch.setenv("MMSTUDY_LANG", "")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert language() == "ja"
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert language() == "en"


def test_a_language_without_a_catalogue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSTUDY_LANG", "xx")
    with pytest.raises(ConfigError, match="MMSTUDY_LANG: the language must have a catalogue; expected en or ja"):
        language()


def test_numbers_are_written_as_each_language_does() -> None:
    texts = {}
    for name in LANGUAGES:
        with speaking(name):
            texts[name] = [duration(150), interval(0.1, 0.25), probability(1e-6), listing(["a", "b", "c"]),
                           counted(3, "test item")]  # fmt: skip
    assert texts["en"] == ["2 min 30 s", "0.100 to 0.250", "below 0.0001", "a, b and c", "3 test items"]
    assert texts["ja"] == ["2 分 30 秒", "0.100〜0.250", "0.0001 未満", "a、b、c", "テスト項目 3 件"]


def test_braces_stand_for_themselves_where_there_are_no_values() -> None:
    with speaking("ja"):
        assert say("{not a field}") == "{not a field}"
    assert later("as it is") == "as it is"


def test_a_space_stands_where_a_value_in_latin_letters_meets_japanese() -> None:
    with speaking("ja"):
        assert say("{compared} on {metric} is one family.", compared="1 comparison", metric="F1") == (
            "F1 についての 1 comparison が 1 つのファミリーです。"
        )
        assert say("'{name}'", name="a_b") == "「a_b」"
        assert say("{low} to {high}", low="0.1", high="0.2") == "0.1〜0.2"


def test_sentences_follow_one_another_as_the_language_puts_them() -> None:
    with speaking("ja"):
        assert prose("はい。", "", "そうです。") == "はい。そうです。"
        assert prose("Why?", "理由です。") == "Why? 理由です。"
    with speaking("en"):
        assert prose("It is “so”", "", "Yes.") == "It is “so” Yes."


def test_what_is_said_in_one_language_asks_for_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = translated("ja")
    text = next(key for context, key in known if not context and "{" not in key)
    assert known["", text][0] != text

    @in_one_language
    def twice(other: str) -> tuple[str, str]:
        first = say(text)
        monkeypatch.setenv("MMSTUDY_LANG", other)
        return first, say(text)

    monkeypatch.setenv("MMSTUDY_LANG", "ja")
    assert twice("en") == (known["", text][0],) * 2
    # The next call asks again, and what is chosen for a block counts inside.
    assert twice("ja") == (text, text)
    with speaking("en"):
        assert twice("ja") == (text, text)
    monkeypatch.setenv("MMSTUDY_LANG", "xx")
    with pytest.raises(ConfigError, match="the language must have a catalogue"):
        twice("en")
