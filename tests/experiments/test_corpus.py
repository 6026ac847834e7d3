"""A corpus from Python: where it is kept, how it is shown, what it is good for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories.tables import MOOD, NAMES, sounds

from experiments.corpus import Corpus, ModalityData, TargetData
from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from mmcore.errors import CorpusError

pytestmark = pytest.mark.usefixtures("no_mirror")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMSTUDY_HOME", raising=False)
    return tmp_path / "mlruns"


def made(**options: Any) -> Corpus:
    items = pd.DataFrame({"item": NAMES, "group": ["x", "x", "y"], "genre": ["talk", "news", "talk"]})
    clip = ModalityData({"a": np.eye(8, 5), "b": np.ones((8, 5))}, kinds="embedding", sampling_rate="30000/1001")
    words = {"a": pd.DataFrame({"start": [0.2, 1.4], "end": [1.1, 2.2], "who": ["bo", "ann"]})}
    modalities = {"sound": sounds(), "clip": clip, "words": words}
    return Corpus.from_frames(items, modalities, MOOD, step=0.5, **options)


def test_the_same_data_are_kept_once_in_the_home(home: Path) -> None:
    one = made(name="my talks")
    assert one.path.parent == home / "corpora"
    assert one.path.name.startswith("my-talks-")
    before = {path: path.stat().st_mtime_ns for path in one.path.rglob("*")}
    assert made(name="my talks") == one
    assert {path: path.stat().st_mtime_ns for path in one.path.rglob("*")} == before
    assert made(name="others").path != one.path
    assert os.fspath(one) == str(one.path)
    assert Corpus.open(one.path).content == one.content


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    corpus = made(folder=tmp_path / "here")
    assert corpus.path == (tmp_path / "here").resolve()
    assert made(folder="here") == corpus


def test_it_is_shown_in_words() -> None:
    text = repr(made())
    assert text.splitlines()[1] == "3 items in 2 groups · 9 s at a step of 0.5 s"
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert lines["sound"] == ["sound", "3", "2", "1", "continuous,", "1", "binary", "2", "a", "second"]
    assert lines["clip"] == ["clip", "2", "of", "3", "5", "embedding", "29.97", "a", "second"]
    assert lines["words"] == ["words", "1", "of", "3", "1", "categorical", "segments"]
    assert lines["mood"] == ["mood", "2", "classes", "3", "items", "glad:", "1,", "sad:", "2"]


def test_html_escapes_every_name() -> None:
    tables = {n: t.rename(columns={"level": "<script>x</script>"}) for n, t in sounds().items()}
    mood = MOOD.replace("sad", "<b>sad").rename("<i>mood")
    corpus = Corpus.from_frames(NAMES, {"m": tables}, mood, name="<img src=x>", step=0.5)
    page = corpus._repr_html_()
    for bad in ("<img", "<b>", "<i>", "<script"):
        assert bad not in page
    assert "&lt;b&gt;sad: 2" in page
    assert "&lt;img src=x&gt;" in page


def test_a_broken_table_does_not_break_the_view() -> None:
    corpus = made()
    (corpus.path / "sound" / "a.parquet").write_bytes(b"nothing")
    assert "cannot be read" in repr(Corpus.open(corpus.path))
    assert "cannot be read" in Corpus.open(corpus.path)._repr_html_()


def test_a_large_corpus_is_shown_without_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = made()
    monkeypatch.setattr("experiments.corpus.MOST_COUNTED", 2)
    monkeypatch.setattr(Corpus, "overview", lambda self: pytest.fail("tables were read"))
    assert "3 items in 2 groups; modalities sound, clip, words; targets from targets" in repr(corpus)
    assert "<pre>" in corpus._repr_html_()


def test_items_and_tables_are_frames() -> None:
    corpus = made()
    assert corpus.items.to_dict("list") == {
        "item": NAMES,
        "group": ["x", "x", "y"],
        "split": [None] * 3,
        "genre": ["talk", "news", "talk"],
    }
    assert corpus.table("a", "words").columns.tolist() == ["start", "end", "who"]
    assert corpus.table("b", "targets")["mood"].tolist() == [0.0]
    with pytest.raises(CorpusError, match=r"has no item 'aa'\. Did you mean 'a'\?"):
        corpus.table("aa", "words")
    with pytest.raises(CorpusError, match=r"has no modality 'word'\. Did you mean 'words'\?"):
        corpus.table("a", "word")
    with pytest.raises(CorpusError, match="item 'b' has no table of 'words'"):
        corpus.table("b", "words")


def test_quality_is_a_frame_and_its_store_is_that_of_a_study(home: Path) -> None:
    corpus = made()
    quality = corpus.quality()
    assert quality.index.tolist() == ["sound", "clip", "words", "targets"]
    assert quality.loc["words", "missing"] == 2
    stores = [path for path in (home / "prepared").iterdir() if path.is_dir()]
    corpus.quality()
    assert [path for path in (home / "prepared").iterdir() if path.is_dir()] == stores


def test_every_item_can_be_drawn() -> None:
    corpus = made()
    drawing = corpus.plot("a")
    assert drawing._repr_png_().startswith(b"\x89PNG")  # pyright: ignore[reportAttributeAccessIssue]
    labels = [ax.get_ylabel() for ax in drawing.axes]
    assert labels == ["sound\nlevel", "sound\non", "clip\n5 columns", "words\nwho"]
    assert [text.get_text() for text in drawing.texts] == ["target: mood = sad"]
    assert [text.get_text() for ax in corpus.plot("c").axes for text in ax.texts] == ["absent", "absent"]
    with pytest.raises(CorpusError, match="has no item"):
        corpus.plot("d")


def test_a_modality_that_is_predicted_is_drawn_as_such() -> None:
    rng = np.random.default_rng(0)
    tables = {n: pd.DataFrame({"time": np.arange(5.0), "x": rng.normal(size=5)}) for n in NAMES}
    corpus = Corpus.from_frames(NAMES, {"path": tables}, "path")
    assert [ax.get_ylabel() for ax in corpus.plot("a").axes] == ["path (target)\nx"]
    over_time = Corpus.from_frames(NAMES, {"path": tables}, TargetData(tables, name="ahead"))
    assert [ax.get_ylabel() for ax in over_time.plot("a").axes] == ["path\nx", "ahead\nx"]


def test_a_study_reads_it(home: Path) -> None:
    rng = np.random.default_rng(0)
    items, X = 16, []
    y = np.array(["up", "down"])[np.arange(items) % 2]
    for at in range(items):
        slope = 1.0 if y[at] == "up" else -1.0
        X.append(slope * np.linspace(0, 1, 12)[:, None] + 0.1 * rng.normal(size=(12, 2)))
    noise = rng.normal(size=(items, 12, 2))
    corpus = Corpus.from_arrays({"trend": X, "noise": noise}, y, sampling_rate=10, home=home)
    options = Options(corpus=corpus, repeats=1, changes=(("training.epochs", 1), ("data.window", 12)), workers=1)
    request = open_request("modalities", Home.choose(home).make(), options)
    assert request.place.folder == corpus.path
    assert request.schema == corpus.schema
    outcome = run_study("modalities", home, options)
    assert outcome.failed == 0
    assert outcome.report.is_file()


def test_many_items_are_made_quickly(home: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 50, 40)).astype(np.float32)
    began = time.process_time()
    corpus = Corpus.from_arrays({"x": X}, np.arange(200) % 3, sampling_rate=10)
    repr(corpus)
    assert time.process_time() - began < 20


def test_frames_in_the_wrong_place_are_refused_in_our_words() -> None:
    """As one writes it who takes the first argument for the tables."""
    with pytest.raises(CorpusError, match=r"modalities must be a mapping of name to tables; found a DataFrame"):
        Corpus.from_frames({"m": {"a": pd.DataFrame({"x": [1.0, 2.0]})}}, pd.DataFrame({"item": ["a"], "mood": [1]}))
