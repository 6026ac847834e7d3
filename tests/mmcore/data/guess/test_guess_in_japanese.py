"""What ``mmstudy data init`` writes and prints in Japanese: the same corpus, and no sentence in English."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from experiments.guess_view import guess_json, guess_text
from mmcore.data.guess.corpus import CorpusGuess, guess_corpus
from mmcore.data.guess.write import yaml_lines
from mmcore.language import Language, sentence, shown, speaking

ENGLISH = re.compile(r"(?<![\w/.'])[A-Za-z][a-z]+(?: [a-z]+){2,}")
"""Three words in a row: a part of a sentence."""


def guessed(raw: Path, language: Language) -> tuple[CorpusGuess, str, str]:
    """The guess, corpus.yaml and what the terminal shows."""
    with speaking(language):
        guess = guess_corpus(raw)
        return guess, "\n".join(yaml_lines(guess)), guess_text(guess, Path("corpus"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Frames without a rate, sentences, columns of every kind, a misspelt item, a table that names no item."""
    folder = tmp_path / "raw"
    for at, item in enumerate(("s01_a", "s01_b", "s02_a", "s02_b")):
        rows = 40 + 3 * at
        frames = {"frame": range(0, 7 * rows, 7), "x": [0.25 * n for n in range(rows)], "same": 4, "id": range(rows)}
        frames |= {"smile": [n % 2 for n in range(rows)], "scene": [n % 4 for n in range(rows)]}
        frames |= {"odd": ["1", "n/a", *["2"] * (rows - 2)], "empty": None, "level": [n % 9 - 999 for n in range(rows)]}
        frames |= {f"emb_{n}": [0.1 * n + r for r in range(rows)] for n in range(9)}
        text = {"sentence": [f"word {n} of {item}" for n in range(9)]}
        for name, table in (("face", frames), ("text", text), ("motion", {"a": range(at + 5)})):
            (folder / name).mkdir(parents=True, exist_ok=True)
            pd.DataFrame(table).to_csv(folder / name / f"{item}.csv", index=False)
    pd.DataFrame({"x": [1.0]}).to_csv(folder / "face" / "s01_O1a.csv", index=False)
    pd.DataFrame({"x": [1.0]}).to_csv(folder / "other.csv", index=False)
    pd.DataFrame({"item": ["s01_a", "s09_a"], "split": ["train", "test"]}).to_csv(folder / "items.csv", index=False)
    (folder / "notes.txt").write_text("not rows")
    return folder


def test_the_corpus_is_that_of_english_and_no_sentence_is_left_in_english(raw: Path) -> None:
    english, written, _ = guessed(raw, "en")
    japanese, same, text = guessed(raw, "ja")
    # The bytes of corpus.yaml are a part of the corpus's key.
    assert same == written
    assert guess_json(japanese, Path("corpus")) == guess_json(english, Path("corpus"))
    assert [line for line in text.splitlines() if ENGLISH.search(line.partition("mmstudy")[0])] == []
    assert "  - targets: 予測対象は何ですか。" in text


def test_a_sentence_is_english_in_files_and_said_where_it_is_shown() -> None:
    inner = sentence("it is empty")
    outer = sentence("'{name}': {reason}", name="x", reason=inner)
    with speaking("ja"):
        assert (str(outer), f"{outer}", shown(outer)) == ("'x': it is empty", "'x': it is empty", "「x」: 空")
        assert (shown("as it is"), shown(None)) == ("as it is", None)
    with speaking("en"):
        assert shown(outer) == outer
