"""Pickles of MMSA and MulT: published splits, videos as groups, padding removed, times of unaligned rows."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.data.importers.mmsa import import_mmsa
from mmcore.data.importers.mult import import_mult
from mmcore.data.importers.sample import Options
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError
from mmcore.language import speaking

WIDTH = {"text": 6, "audio": 4, "vision": 3}
COUNTS = {"train": 8, "valid": 4, "test": 4}


def saved(path: Path, data: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(data, protocol))
    return path


def padded(rng: np.random.Generator, lengths: np.ndarray, rows: int, columns: int, front: bool) -> np.ndarray:
    out = np.zeros((len(lengths), rows, columns), np.float32)
    for at, length in enumerate(lengths):
        place = slice(rows - length, rows) if front else slice(0, length)
        out[at, place] = rng.normal(size=(length, columns))
    return out


Part = dict[str, np.ndarray | Sequence[Any]]
"""A part of the published split: arrays, and lists of texts and numbers, by key."""


def mmsa(aligned: bool, front: bool = False) -> dict[str, Part]:
    rng = np.random.default_rng(0)
    data, first = {}, 0
    for side, count in COUNTS.items():
        words = rng.integers(3, 12, count)
        lengths = {"text": words, "audio": words if aligned else words * 5, "vision": words if aligned else words * 3}
        rows = {"text": 12, "audio": 12 if aligned else 60, "vision": 12 if aligned else 40}
        part: Part = {m: padded(rng, lengths[m], rows[m], WIDTH[m], front) for m in WIDTH}
        tokens = np.zeros((count, 3, 12))
        for at, length in enumerate(words):
            tokens[at, 1, slice(12 - length, 12) if front else slice(0, length)] = 1
        part |= {
            "text_bert": tokens,
            "raw_text": np.array(["so it goes"] * count),
            "id": [f"video{(first + at) // 2}$_${at}" for at in range(count)],
            "annotations": [("Negative", "Neutral", "Positive")[at % 3] for at in range(count)],
            "regression_labels": rng.normal(size=count),
            "classification_labels": np.arange(count) % 3 - 1.0,
        }
        if not aligned:
            part |= {f"{m}_lengths": lengths[m].tolist() for m in ("audio", "vision")}
        data[side], first = part, first + count
    return data


def measured(array_TF: np.ndarray) -> np.ndarray:
    return array_TF[array_TF.any(axis=1)]


@pytest.mark.parametrize("front", [False, True])
def test_aligned_mmsa_has_rows_for_steps(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], front: bool
) -> None:
    data = mmsa(aligned=True, front=front)
    made = import_mmsa(saved(tmp_path / "aligned.pkl", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert store.schema.step is None
    assert [item.split for item in store.items] == ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    assert [item.group for item in store.items[:3]] == ["video0", "video0", "video1"]
    for at, name in enumerate(data["valid"]["id"]):
        item = next(one for one in store.items[8:12] if one.name.startswith(name))
        for modality in WIDTH:
            np.testing.assert_array_equal(of_item(store, item.name, modality), measured(data["valid"][modality][at]))
    expected = np.concatenate([part["regression_labels"] for part in data.values()])
    np.testing.assert_allclose(store.target[:, 0, 0], expected, rtol=1e-6)
    told = "\n".join(made.lines())
    assert "text_bert: numbers of tokens" in told
    assert "padding:" in told
    assert told.endswith(f"next: mmstudy data inspect {made.folder}")


@pytest.mark.parametrize("front", [False, True])
def test_unaligned_mmsa_is_spread_over_its_item(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], front: bool
) -> None:
    data = mmsa(aligned=False, front=front)
    made = import_mmsa(saved(tmp_path / "unaligned.pkl", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert "spread evenly" in "\n".join(made.guessed)
    source = FolderSource(made.folder)
    for at, item in enumerate(store.items[:8]):
        text = measured(data["train"]["text"][at])
        np.testing.assert_array_equal(of_item(store, item.name, "text"), text)
        for modality, ratio in (("audio", 5), ("vision", 3)):
            table = source.table(item.name, modality)
            np.testing.assert_allclose(table["time"], np.arange(len(text) * ratio) / ratio, atol=1e-9)
            np.testing.assert_array_equal(table.iloc[:, 1:], measured(data["train"][modality][at]))
        # Five rows of audio belong to one of text: those of (t - 1/2, t + 1/2].
        audio = measured(data["train"]["audio"][at])
        np.testing.assert_allclose(of_item(store, item.name, "audio")[1], audio[3:8].mean(axis=0), rtol=1e-5, atol=1e-6)


def test_rates_give_seconds(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = mmsa(aligned=False)
    made = import_mmsa(
        saved(tmp_path / "x.pkl", data), tmp_path / "corpus", Options(rates={"audio": "50", "vision": "30000/1001"})
    )
    source = FolderSource(made.folder)
    assert source.schema.modalities["vision"].sampling_rate == 30000 / 1001
    name = source.items[0].name
    words = int(data["train"]["text_bert"][0, 1].sum())
    # Text has no rate: it is spread over the seconds of the longest stream.
    seconds = max(words * 5 / 50, words * 3 * 1001 / 30000)
    np.testing.assert_allclose(source.table(name, "text")["time"], np.arange(words) * seconds / words)
    np.testing.assert_allclose(source.table(name, "audio")["time"], np.arange(words * 5) / 50)
    prepared(made.folder)


@pytest.mark.parametrize(("target", "names"), [("annotations", ("Negative", "Neutral", "Positive"))])
def test_another_target_is_a_key(
    tmp_path: Path, prepared: Callable[..., Any], target: str, names: tuple[str, ...]
) -> None:
    made = import_mmsa(saved(tmp_path / "x.pkl", mmsa(True)), tmp_path / "corpus", Options(target=target))
    store = prepared(made.folder)
    assert store.schema.targets.parameters[0].labels == names
    assert store.target[:8, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_codes_from_minus_one_become_names_and_stay_correctable(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    options = Options(target="classification_labels")
    made = import_mmsa(saved(tmp_path / "x.pkl", mmsa(True)), tmp_path / "corpus", options)
    store = prepared(made.folder)
    assert store.schema.targets.parameters[0].labels == ("-1", "0", "1")
    assert store.target[:4, 0, 0].tolist() == [0, 1, 2, 0]
    text = (made.folder / "corpus.yaml").read_text()
    assert text.startswith("# The files do not say this")
    start = text.index("  - name: classification_labels")
    other = "  - name: regression_labels\n    component: regression_labels\n    kind: continuous\n"
    (made.folder / "corpus.yaml").write_text(text[:start] + other)
    assert prepared(made.folder).schema.targets.parameters[0].kind == "continuous"


def test_a_split_that_divides_videos_is_no_split(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = mmsa(True)
    data["test"]["id"] = [f"video0$_${at + 100}" for at in range(4)]
    made = import_mmsa(saved(tmp_path / "x.pkl", data), tmp_path / "corpus", Options())
    assert "groups lie on two of its sides ('video0')" in "\n".join(made.left_out)
    store = prepared(made.folder)
    assert {item.split for item in store.items} == {None}
    assert store.items[-1].metadata["published_split"] == "test"


def mult(labels: str, front: bool, ids: str = "times") -> dict[str, Part]:
    rng = np.random.default_rng(3)
    data = {}
    for side, count in COUNTS.items():
        lengths = rng.integers(3, 12, count)
        part: Part = {m: padded(rng, lengths, 12, WIDTH[m], front) for m in WIDTH}
        if labels == "emotions":
            yes = rng.integers(0, 2, (count, 4))
            yes[:2] = [[0, 1, 0, 1], [1, 0, 1, 0]]
            part["labels"] = np.stack([1 - yes, yes], axis=2)
        else:
            part["labels"] = rng.normal(size=(count, 1, 1)).astype(np.float32)
        if ids == "times":
            part["id"] = np.array([[f"{side}{at // 2}".encode(), b"%d.5" % at, b"9.25"] for at in range(count)])
        elif ids == "text":
            part["id"] = [f"{side}{at // 2}[{at}]" for at in range(count)]
        data[side] = part
    return data


@pytest.mark.parametrize("front", [False, True])
def test_mult_has_rows_for_steps_and_no_padding(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], front: bool
) -> None:
    data = mult("number", front)
    # A row of zeros within an item, and one at the other end, is measured.
    rows = np.flatnonzero(data["train"]["text"][0].any(axis=1))
    for modality in WIDTH:
        data["train"][modality][0, rows[1]] = 0
    made = import_mult(saved(tmp_path / "mosi_data.pkl", data, 2), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert store.items[0].name == "train0[0.5-9.25]"
    assert [item.group for item in store.items[:3]] == ["train0", "train0", "train1"]
    assert f"rows of zeros at the {'front' if front else 'end'}" in "\n".join(made.guessed)
    for modality in WIDTH:
        expected = data["train"][modality][0][rows[0] : rows[-1] + 1]
        np.testing.assert_array_equal(of_item(store, store.items[0].name, modality), expected)
    np.testing.assert_allclose(store.target[:8, 0, 0], data["train"]["labels"][:, 0, 0], rtol=1e-6)


def test_emotions_of_mult_are_four_binary_targets(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = mult("emotions", False, ids="none")
    made = import_mult(saved(tmp_path / "iemocap_data.pkl", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert [p.name for p in store.schema.targets.parameters] == ["neutral", "happy", "sad", "angry"]
    assert {p.kind for p in store.schema.targets.parameters} == {"binary"}
    np.testing.assert_array_equal(store.target[:8, 0], data["train"]["labels"].argmax(axis=2))
    told = "\n".join(made.lines())
    assert "items are numbered" in told
    assert "the file names no videos" in told
    one = import_mult(tmp_path / "iemocap_data.pkl", tmp_path / "one", Options(target="happy"))
    assert [p.name for p in prepared(one.folder).schema.targets.parameters] == ["happy"]


def test_ids_of_text_name_the_video(tmp_path: Path) -> None:
    made = import_mult(saved(tmp_path / "x.pkl", mult("number", True, "text")), tmp_path / "corpus", Options())
    assert [item.group for item in FolderSource(made.folder).items[:3]] == ["train0", "train0", "train1"]


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("kind", [import_mmsa, import_mult])
def test_nothing_of_a_malicious_pickle_runs(tmp_path: Path, kind: Callable[..., Any]) -> None:
    data = with_(mmsa(True) if kind is import_mmsa else mult("number", True), "test", extra=Evil(tmp_path / "marker"))
    with pytest.raises(CorpusError, match="Do not trust this file"):
        kind(saved(tmp_path / "evil.pkl", data), tmp_path / "corpus", Options())
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "corpus").exists()


def without(data: Mapping[str, Part], side: str, key: str) -> dict[str, Part]:
    return {**data, side: {name: value for name, value in data[side].items() if name != key}}


def with_(data: Mapping[str, Part], side: str, **values: Any) -> dict[str, Part]:
    return {**data, side: data[side] | values}


@pytest.mark.parametrize(
    ("kind", "data", "options", "message"),
    [
        (import_mmsa, [1], Options(), "a dictionary of the parts"),
        (import_mmsa, {"features": {}}, Options(), "a dictionary of the parts"),
        (import_mmsa, without(mmsa(True), "train", "id"), Options(), "must hold ids of clips"),
        (import_mmsa, with_(mmsa(True), "valid", id=[1, 2, 3, 4]), Options(), "one text per item"),
        (import_mmsa, with_(mmsa(True), "valid", id=["a"]), Options(), "one entry per item"),
        (import_mmsa, with_(mmsa(True), "test", audio=np.zeros((4, 12, 9))), Options(), "same columns in every item"),
        (import_mmsa, with_(mmsa(False), "test", audio_lengths=[1, 2]), Options(), "one number of rows per item"),
        (import_mmsa, with_(mmsa(False), "test", audio_lengths="abc"), Options(), "one number of rows per item"),
        (import_mmsa, with_(mmsa(True), "train", regression_labels=np.zeros((8, 2))), Options(), "one label per item"),
        (import_mmsa, without(mmsa(True), "test", "regression_labels"), Options(), "one label per item"),
        (import_mmsa, mmsa(True), Options(target="regresion_labels"), "Did you mean 'regression_labels'"),
        (import_mmsa, mmsa(True), Options(item="name"), "which is not there"),
        (import_mmsa, mmsa(True), Options(group="speaker"), "which is not there"),
        (import_mmsa, mmsa(True), Options(rates={"sound": "30"}), "which is not there"),
        (import_mult, without(mult("number", True), "test", "labels"), Options(), "an array of labels"),
        (import_mult, with_(mult("number", True), "test", labels=np.zeros((4, 1, 1, 1))), Options(), "array of labels"),
        (import_mult, with_(mult("number", True), "test", id=[["a", "b"]]), Options(), "must name every item"),
        (import_mult, with_(mult("number", True), "test", text=np.zeros((3, 2, 6))), Options(), "one entry per item"),
        (import_mult, mult("number", True), Options(group="id"), "--group has no meaning"),
        (import_mult, mult("number", True), Options(target="sentiment"), "which is not there"),
        (import_mult, {"train": {"labels": np.zeros((2, 1))}}, Options(), "at least one modality"),
        (import_mult, with_(mult("number", True), "test", id=3), Options(), "must name every item"),
        (import_mult, with_(mult("number", True), "test", id=np.array(5.0)), Options(), "must name every item"),
        (import_mult, with_(mult("number", True), "test", audio=np.zeros((4, 0, 4))), Options(), "rows and columns"),
        (import_mmsa, with_(mmsa(True), "test", audio=np.zeros((4, 0, 4))), Options(), "rows and columns"),
        (import_mmsa, with_(mmsa(False), "test", audio_lengths=[10**400] * 4), Options(), "one number of rows"),
        (
            import_mmsa,
            {s: {"id": ["a"], "text": np.zeros((1, 2, 2)), "regression_labels": [1.0]} for s in COUNTS},
            Options(),
            "at least one item",
        ),
    ],
)
def test_files_that_do_not_fit_are_told(
    tmp_path: Path, kind: Callable[..., Any], data: Any, options: Options, message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as told:
        kind(saved(tmp_path / "x.pkl", data), tmp_path / "corpus", options)
    assert not (tmp_path / "corpus").exists()
    assert "x.pkl" in str(told.value.where)
    assert told.value.next_step


def test_lengths_that_do_not_fit_their_rows_are_told(tmp_path: Path) -> None:
    data = mmsa(False)
    data["train"]["audio_lengths"][0] = 1000
    data["train"]["vision"][1] = 1.0
    made = import_mmsa(saved(tmp_path / "x.pkl", data), tmp_path / "corpus", Options())
    assert "1 array holds numbers beyond its length; the length counts" in made.guessed
    assert len(FolderSource(made.folder).table("video0$_$0", "audio")) == 60


def test_odd_values_are_read_or_told(tmp_path: Path) -> None:
    """Whatever stands where an array should be, it is read or told, and never ends in another error."""
    itself: list[Any] = []
    itself.append(itself)
    odd = (
        itself, None, {}, "x", 3, [None] * 3, [[1], [2, 3], [4]], np.array([{}, {}, {}], object), np.zeros(0),
        np.array(5.0), [np.nan] * 3, np.full(3, np.inf), (1, 2, 3), {1, 2, 3}, b"abc", [10**400] * 3, [b"\xff"] * 3,
        ["\ud800", "b", "c"], ["a", "a", "x" * 400], np.zeros((3, 4, 0)), np.zeros((0, 4, 2)),
        np.full((3, 4, 2), 1e300), [10**30] * 3,
    )  # fmt: skip
    base = {
        "text": np.ones((3, 4, 2)), "id": ["a", "b", "c"], "regression_labels": np.arange(3.0),
        "labels": np.arange(3.0).reshape(3, 1, 1),
    }  # fmt: skip
    told = 0
    for key in (*base, "text_lengths", "text_bert", "annotations"):
        for at, value in enumerate(odd):
            for kind in (import_mmsa, import_mult):
                path = tmp_path / "x.pkl"
                path.write_bytes(pickle.dumps({side: base | {key: value} for side in COUNTS}))
                try:
                    kind(path, tmp_path / f"{kind.__name__}_{key}_{at}", Options())
                except CorpusError:
                    told += 1
    assert told > 150


def test_an_item_of_padding_alone_lacks_the_modality(tmp_path: Path) -> None:
    data = mult("number", True)
    data["test"]["audio"][0] = 0
    for modality in WIDTH:
        data["test"][modality][1] = 0
    made = import_mult(saved(tmp_path / "x.pkl", data), tmp_path / "corpus", Options())
    assert "1 item without a row in any modality" in "\n".join(made.left_out)
    assert len(FolderSource(made.folder).items) == 15


def test_unaligned_mult_loses_its_padding_at_the_front(tmp_path: Path) -> None:
    data = mult("number", True)
    rng = np.random.default_rng(5)
    for part in data.values():
        part["audio"] = padded(rng, rng.integers(20, 60, len(part["labels"])), 60, 4, front=True)
    made = import_mult(saved(tmp_path / "mosi_data_noalign.pkl", data), tmp_path / "corpus", Options())
    source = FolderSource(made.folder)
    audio, text = (source.table(source.items[0].name, name) for name in ("audio", "text"))
    np.testing.assert_array_equal(audio.iloc[:, 1:], measured(data["train"]["audio"][0]))
    # Both are spread over the same span, in units of rows of the sparsest modality.
    assert audio["time"].iloc[0] == text["time"].iloc[0] == 0
    assert audio["time"].iloc[-1] * len(audio) / (len(audio) - 1) == pytest.approx(len(text))


def test_a_report_is_said_in_japanese_and_the_corpus_is_the_same(tmp_path: Path) -> None:
    path = saved(tmp_path / "unaligned.pkl", mmsa(aligned=False))
    english = import_mmsa(path, tmp_path / "english", Options())
    with speaking("ja"):
        japanese = import_mmsa(path, tmp_path / "japanese", Options())
        lines = japanese.lines()
    assert [line for line in lines if re.search(r"(?<![\w/.'])[A-Za-z][a-z]+(?: [a-z]+){2,}", line)][:-1] == []
    assert (lines[0], lines[-1]) == (
        f"{japanese.folder} を書きました", f"次の手順: mmstudy data inspect {japanese.folder}",
    )  # fmt: skip
    # Its bytes are the corpus's key.
    assert (japanese.folder / "corpus.yaml").read_bytes() == (english.folder / "corpus.yaml").read_bytes()
