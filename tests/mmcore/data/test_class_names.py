"""Cells that hold names of classes, in every form of table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.sources.class_names import ClassNames
from mmcore.data.sources.tables import read_table
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError
from mmcore.schema import CorpusSchema, Feature, Parameter

NAN = float("nan")
LABELS = ("wave", "point", "None", "手話")
SUFFIXES = (".csv", ".parquet", ".feather")


def write(path: Path, frame: pd.DataFrame) -> Path:
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".feather":
            frame.to_feather(path)
        case _:
            frame.to_parquet(path, index=False)
    return path


def read(path: Path, labels: tuple[str, ...] = LABELS, missing: tuple[float, ...] = ()) -> list[float]:
    return read_table(path, ["gesture"], labels={"gesture": labels}, missing=missing).values_TF[:, 0].tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["object", "category"])
def test_names_become_codes_and_empty_cells_are_missing(tmp_path: Path, suffix: str, kind: str) -> None:
    cells = ["point", " wave ", None, "手話", "None", ""]
    frame = pd.DataFrame({"gesture": pd.Series(cells, dtype=kind), "other": range(6)})
    found = read(write(tmp_path / f"a{suffix}", frame))
    np.testing.assert_array_equal(found, [1, 0, NAN, 3, 2, NAN])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_unlisted_name_is_told_with_its_row_and_the_nearest(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", pd.DataFrame({"gesture": ["point", "wav", "wave"], "x": 1}))
    with pytest.raises(CorpusError, match=r"'gesture' must hold names of its classes.*'wav'.*mean 'wave'") as caught:
        read(path)
    assert caught.value.where == f"{path}:{3 if suffix == '.csv' else 2}"


def test_the_line_counts_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('gesture,x\nwave,1\n\n"point",2\nwaev,3\n')
    with pytest.raises(CorpusError) as caught:
        read(path)
    assert caught.value.where == f"{path}:5"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_codes_are_read_beside_names(tmp_path: Path, suffix: str) -> None:
    numbers = write(tmp_path / f"numbers{suffix}", pd.DataFrame({"gesture": [1, 0, 3]}))
    assert read(numbers) == [1, 0, 3]
    mixed = write(tmp_path / f"mixed{suffix}", pd.DataFrame({"gesture": ["1", "wave", "3.0", "-1"]}))
    np.testing.assert_array_equal(read(mixed, missing=(-1.0,)), [1, 0, 3, NAN])
    beyond = write(tmp_path / f"beyond{suffix}", pd.DataFrame({"gesture": ["wave", "4"]}))
    with pytest.raises(CorpusError, match="found '4'"):
        read(beyond)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_that_are_numbers_are_names_in_every_file(tmp_path: Path, suffix: str) -> None:
    """Ratings from 1 to 3: a cell means the same whether its file has other text in the column or not."""
    labels = ("1", "2", "3", "skipped")
    plain = write(tmp_path / f"plain{suffix}", pd.DataFrame({"gesture": [1, 3, 2]}))
    text = write(tmp_path / f"text{suffix}", pd.DataFrame({"gesture": ["1", "3", "skipped"]}))
    assert read(plain, labels) == [0, 2, 1]
    assert read(text, labels) == [0, 2, 3]
    holes = write(tmp_path / f"holes{suffix}", pd.DataFrame({"gesture": [1.0, NAN, -9.0]}))
    np.testing.assert_array_equal(read(holes, labels, (-9.0,)), [0, NAN, NAN])
    wrong = write(tmp_path / f"wrong{suffix}", pd.DataFrame({"gesture": [1, 0]}))
    with pytest.raises(CorpusError, match=r"found 0.*Valid: 1, 2, 3, skipped"):
        read(wrong, labels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_booleans_are_codes_of_two_classes(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", pd.DataFrame({"gesture": [True, False]}))
    assert read(path, ("no", "yes")) == [1, 0]
    text = write(tmp_path / f"b{suffix}", pd.DataFrame({"gesture": ["TRUE", "false", "yes"]}))
    assert read(text, ("no", "yes")) == [1, 0, 1]


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6, unique_by=lambda t: t.strip()), st.data())
def test_a_label_is_always_its_own_position(labels: list[str], data: st.DataObject) -> None:
    clean = [unicodedata.normalize("NFC", label) for label in labels]
    if len({label.strip() for label in clean}) < len(clean) or not all(label.strip() for label in clean):
        return
    names = ClassNames("x", tuple(clean))
    order = data.draw(st.lists(st.integers(0, len(clean) - 1), max_size=10))
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    texts = [unicodedata.normalize(form, label) for label in clean]
    codes_T, wrong = names.of_texts(texts, np.array(order, np.int64))
    assert not len(wrong)
    assert codes_T.tolist() == order


def test_decomposed_names_are_the_same_names(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "ガ")
    path = write(tmp_path / "a.csv", pd.DataFrame({decomposed: [decomposed, "パ"]}))
    feature = Feature.model_validate({"name": decomposed, "kind": "binary", "labels": [decomposed, "パ"]})
    table = read_table(path, [feature.name], labels={feature.name: feature.labels or ()})
    assert table.values_TF[:, 0].tolist() == [0, 1]


def test_text_without_labels_says_where_they_go(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", pd.DataFrame({"gesture": ["wave"]}))
    with pytest.raises(CorpusError, match=r"list these names as labels of 'gesture' in corpus\.yaml"):
        read_table(path, ["gesture"])


# corpus.yaml -------------------------------------------------------------------------------------------------------
def test_classes_may_be_left_out_where_labels_are_given() -> None:
    parameter = Parameter.model_validate(
        {"name": "p", "kind": "categorical", "labels": ["a", "b", "c"], "component": "c"}
    )
    assert (parameter.classes, parameter.outputs) == (3, 3)
    assert Parameter.model_validate(parameter.model_dump()) == parameter
    with pytest.raises(ValueError, match="write classes, or the names of the classes as labels"):
        Parameter.model_validate({"name": "p", "kind": "categorical", "component": "c"})


@pytest.mark.parametrize(
    ("kind", "labels", "says"),
    [
        ("continuous", ["a", "b"], "labels name classes, and kind continuous has none"),
        ("embedding", ["a", "b"], "kind embedding has none"),
        ("binary", ["a", "b", "c"], "3 labels for 2 classes"),
        ("categorical", ["a", "a"], "label 'a' is given twice"),
        ("categorical", ["a", unicodedata.normalize("NFD", "é"), "é"], "label 'é' is given twice"),
        ("categorical", ["a", " "], "label '' is empty"),
        ("categorical", [], "0 labels for 1 class"),
    ],
)
def test_labels_that_cannot_name_classes_are_refused(kind: str, labels: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Feature.model_validate({"name": "x", "kind": kind, "labels": labels})


def test_a_feature_and_a_target_of_one_column_name_its_classes_alike(tiny_schema: WrittenCorpus) -> None:
    tiny_schema["modalities"]["track"]["features"][1]["labels"] = ["a", "b", "c"]
    tiny_schema["targets"]["parameters"][1] |= {"labels": ["a", "c", "b"]}
    with pytest.raises(ValueError, match=r"parameter 'kind' and feature '0_kind'.*name their classes differently"):
        CorpusSchema.model_validate(tiny_schema)


def test_from_the_files_on(
    write_tiny: Callable[..., Path],
    tiny_tables: Callable[..., Any],
    tiny_schema: WrittenCorpus,
    tmp_path: Path,
) -> None:
    """A feature and a target of classes, by name; the target's table is for whole items."""
    tables = tiny_tables({"a": 3, "b": 3})
    tiny_schema["modalities"]["sound"]["features"][1] |= {"kind": "categorical", "labels": ["quiet", "loud", "noisy"]}
    parameter = {"name": "mood", "kind": "categorical", "labels": ["sad", "glad"], "component": "mood"}
    tiny_schema["targets"] = {"from": "moods", "scope": "item", "parameters": [parameter]}
    for item, words in (("a", ["loud", "quiet", "noisy"]), ("b", ["noisy", "", "loud"])):
        tables["sound"][item]["speaking"] = words
    tables["moods"] = {"a": pd.DataFrame({"mood": ["glad"]}), "b": pd.DataFrame({"mood": ["sad"]})}
    prepared = prepare(write_tiny(schema=tiny_schema, tables=tables), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(prepared.values["sound"][:, 1], [1, 0, 2, 2, NAN, 1])
    assert prepared.target[:, 0, 0].tolist() == [1, 0]
