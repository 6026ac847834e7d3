"""What ``mmstudy data init`` writes and prints in Japanese: the same corpus, and no sentence in English."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from experiments.guess_view import guess_text
from mmcore.data.guess.corpus import CorpusGuess, guess_corpus
from mmcore.data.guess.write import yaml_lines
from mmcore.language import Language, speaking

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
    japanese, said, shown = guessed(raw, "ja")
    assert yaml.safe_load(said.replace("???", "open")) == yaml.safe_load(written.replace("???", "open"))
    assert [path for path, _ in japanese.left_out] == [path for path, _ in english.left_out]
    assert (len(japanese.questions), len(japanese.doubts)) == (len(english.questions), len(english.doubts))
    assert [
        line for text in (said, shown) for line in text.splitlines() if ENGLISH.search(line.partition("mmstudy")[0])
    ] == []


def test_the_question_about_targets_is_found_in_every_language(raw: Path) -> None:
    _, said, shown = guessed(raw, "ja")
    assert "# targets: 予測対象は何ですか。" in said
    assert "  - targets: 予測対象は何ですか。" in shown


def test_long_comments_are_broken_between_japanese_letters(raw: Path) -> None:
    (raw / "items.csv").unlink()
    _, said, _ = guessed(raw, "ja")
    comments = [line for line in said.splitlines() if line.strip().startswith("#") and "mmstudy" not in line]
    assert max(map(len, comments)) <= 100
    assert not any(line.strip("# ").startswith(("。", "、", "）", "」")) for line in comments)
