"""The corpus format at its border: what is accepted, and how what is not is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.data.sources import folder as source_folder
from mmcore.data.sources.folder import FolderSource, content_key, read_schema
from mmcore.errors import CorpusError

Write = Callable[..., Path]


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "corpus.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_written_corpus_reads_back(write_tiny: Write, tiny_tables: Callable[..., Any]) -> None:
    source = FolderSource(write_tiny())
    assert [item.name for item in source.items] == ["a", "b", "c", "d"]
    assert source.items[0].group == "ga"
    assert source.has("a", "image")
    assert not source.has("c", "image")
    frame = source.table("b", "sound")
    assert list(frame.columns) == ["time", "level", "speaking"]
    np.testing.assert_allclose(frame, tiny_tables()["sound"]["b"], rtol=1e-6)


def test_parquet_and_csv_read_alike(write_tiny: Write) -> None:
    csv, parquet = (FolderSource(write_tiny(s, suffix=s)) for s in (".csv", ".parquet"))
    for name in ("sound", "track"):
        pd.testing.assert_frame_equal(csv.table("a", name), parquet.table("a", name))


def test_columns_come_in_the_schemas_order_and_extra_ones_are_counted(
    write_tiny: Write, tiny_tables: Callable[..., Any]
) -> None:
    tables = tiny_tables()
    tables["sound"]["a"] = tables["sound"]["a"][["speaking", "level", "time"]].assign(note="text", more=1)
    table = FolderSource(write_tiny(tables=tables)).read("a", "sound")
    assert table is not None
    assert table.extra_columns == 2
    np.testing.assert_allclose(table.values_TF, tables["sound"]["a"][["level", "speaking"]], rtol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_empty_cells_booleans_and_infinities_are_numbers(
    write_tiny: Write, tiny_tables: Callable[..., Any], suffix: str
) -> None:
    tables = tiny_tables()
    tables["sound"]["b"] = pd.DataFrame(
        {
            "time": range(4),
            "level": [1.0, np.nan, np.inf, 1e300],
            "speaking": pd.array([True, False, True, False], dtype="bool"),
        }
    )
    table = FolderSource(write_tiny(tables=tables, suffix=suffix)).read("b", "sound")
    assert table is not None
    np.testing.assert_array_equal(table.values_TF[:, 0], [1, np.nan, np.inf, np.inf])
    np.testing.assert_array_equal(table.values_TF[:, 1], [1, 0, 1, 0])


def test_a_table_of_a_header_alone_is_empty(write_tiny: Write, tiny_tables: Callable[..., Any]) -> None:
    tables = tiny_tables()
    tables["sound"]["b"] = tables["sound"]["b"].iloc[:0]
    table = FolderSource(write_tiny(tables=tables)).read("b", "sound")
    assert table is not None
    assert table.values_TF.shape == (0, 2)


# corpus.yaml -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("step: 1.0", "stepp: 1.0", "Did you mean 'step'?"),
        ("kind: embedding", "kind: embeding", "Did you mean 'embedding'?"),
        ("storage: float16", "storage: float61", "Did you mean 'float16'?"),
        ("classes: 3", "clases: 3", "Did you mean 'classes'?"),
        ("tracks: 2", "tracks: zero", "must be a whole number"),
        ("from: track", "form: track", "Did you mean 'from'?"),
        ("format: 1", "format: 2", "Valid: 1"),
        ("- name: level", "- name: level_{0..999999999}", "level_{0..999999999}' stands for 1000000000 columns"),
        ("- name: level", "- name: level_{5..2}", "ends below its start"),
        ("- name: '{0..1}_x'", "- nam: '{0..1}_x'", "Did you mean 'name'?"),
        ("component: 'on'", "component: [on]", "must be text"),
        ("name: tiny", "name: true", "found True. Quote it, since YAML reads it as a truth value"),
        ("name: tiny", "name: 2026", "found 2026. Quote it, since YAML reads it as a number"),
        ("component: 'on'", "component: 1.5", "found 1.5. Quote it"),
    ],
)
def test_a_broken_schema_is_told_with_its_line(write_tiny: Write, old: str, new: str, says: str) -> None:
    folder = write_tiny()
    path = folder / "corpus.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(CorpusError) as caught:
        read_schema(folder)
    assert says in str(caught.value)
    assert caught.value.where == f"{path}:{line_of(folder, new)}"


def test_a_name_that_refers_to_nothing_is_told_with_the_nearest(write_tiny: Write) -> None:
    folder = write_tiny()
    path = folder / "corpus.yaml"
    path.write_text(path.read_text().replace("reference: track", "reference: tracks"))
    with pytest.raises(CorpusError, match="Did you mean 'track'"):
        read_schema(folder)


def test_broken_yaml_and_no_yaml(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()
    (folder / "corpus.yaml").write_text("format: 1\nname: [unclosed\n")
    with pytest.raises(CorpusError, match="valid YAML") as caught:
        read_schema(folder)
    assert str(caught.value.where).rpartition(":")[2] in ("2", "3")
    with pytest.raises(CorpusError, match=r"corpus\.yaml"):
        read_schema(tmp_path / "nowhere")


# items.csv ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("items", "line", "says"),
    [
        ("name,group\na,g\n", 1, "column 'item' is missing"),
        ("item,grup\na,g\n", 1, "Did you mean 'grup'?"),
        ("item,group\na,g\nb,h\na,g\n", 4, "listed twice"),
        ("item,group\na,g\nA,g\n", 3, "listed twice"),
        ("item,group,split\na,g,train\nb,h,tset\n", 3, "Did you mean 'test'?"),
        ("item,group\na,g\n../b,h\n", 3, "inside the corpus folder"),
        ("item,group\n/etc/passwd,g\n", 2, "inside the corpus folder"),
        ("item,group\n..,g\n", 2, "inside the corpus folder"),
        ("item,group\nc:\\b,g\n", 2, "inside the corpus folder"),
        ("item,group\n,g\n", 2, "must have a name"),
        ("item,group\na,g\nb\n", 3, "as many cells"),
        ("item,group,group\na,g,g\n", 1, "twice"),
    ],
)
def test_a_broken_item_list_is_told_with_its_line(write_tiny: Write, items: str, line: int, says: str) -> None:
    folder = write_tiny(items=items)
    with pytest.raises(CorpusError) as caught:
        FolderSource(folder)
    assert says in str(caught.value)
    assert caught.value.where == f"{folder / 'items.csv'}:{line}"


def test_items_may_have_metadata_splits_and_no_group(write_tiny: Write) -> None:
    source = FolderSource(write_tiny(items="split,item,city,group\ntrain,a,Oslo,\n\ntest,b,,x\n"))
    assert [(i.name, i.group, i.split, i.metadata) for i in source.items] == [
        ("a", "a", "train", {"city": "Oslo"}),
        ("b", "x", "test", {"city": ""}),
    ]


@pytest.mark.parametrize(
    ("items", "says"), [("", "the file is empty"), ("\n", "the file is empty"), ("item,group\n", "a header alone")]
)
def test_a_corpus_without_items_is_refused(write_tiny: Write, items: str, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        FolderSource(write_tiny(items=items))


# Tables ------------------------------------------------------------------------------------------------------------
def test_two_files_for_one_table_are_refused(write_tiny: Write, tiny_tables: Callable[..., Any]) -> None:
    folder = write_tiny()
    tiny_tables()["sound"]["b"].to_parquet(folder / "sound" / "b.parquet")
    with pytest.raises(CorpusError, match=r"b\.parquet and b\.csv"):
        FolderSource(folder)


def test_a_modality_that_nobody_has_names_the_nearest_folder(write_tiny: Write) -> None:
    folder = write_tiny()
    (folder / "image").rename(folder / "images")
    with pytest.raises(CorpusError, match="Did you mean 'images'"):
        FolderSource(folder)


def test_a_modality_whose_folder_is_empty_does_not_name_itself(write_tiny: Write) -> None:
    folder = write_tiny()
    for path in (folder / "sound").iterdir():
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(CorpusError, match=r"no item has a table of 'sound'.*found 4 other files") as caught:
        FolderSource(folder)
    assert "Did you mean" not in str(caught.value)
    for path in (folder / "sound").iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="found an empty folder"):
        FolderSource(folder)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_missing_column_names_the_nearest(write_tiny: Write, tiny_tables: Callable[..., Any], suffix: str) -> None:
    tables = tiny_tables()
    tables["sound"]["b"] = tables["sound"]["b"].rename(columns={"level": "levle"})
    folder = write_tiny(tables=tables, suffix=suffix)
    with pytest.raises(CorpusError, match=r"column 'level' is missing.*Did you mean 'levle'") as caught:
        FolderSource(folder).read("b", "sound")
    assert f"b{suffix}" in str(caught.value.where)


def test_a_cell_that_is_no_number_is_named_with_its_line(write_tiny: Write) -> None:
    folder = write_tiny()
    path = folder / "sound" / "b.csv"
    path.write_text("time,level,speaking\n0,1.5,0\n\n1,,1\n2,loud,1\n")
    with pytest.raises(CorpusError, match="column 'level' must hold numbers; found 'loud'") as caught:
        FolderSource(folder).read("b", "sound")
    assert caught.value.where == f"{path}:5"


def test_text_in_parquet_is_named_with_its_row(write_tiny: Write, tiny_tables: Callable[..., Any]) -> None:
    tables = tiny_tables()
    tables["sound"]["b"] = pd.DataFrame({"time": [0.0, 1.0], "level": [None, "loud"], "speaking": [0, 1]})
    with pytest.raises(CorpusError, match="'loud'") as caught:
        FolderSource(write_tiny(tables=tables, suffix=".parquet")).read("b", "sound")
    assert str(caught.value.where).endswith("b.parquet:2")


def test_numbers_written_as_text_in_parquet_are_not_what_is_wrong(
    write_tiny: Write, tiny_tables: Callable[..., Any]
) -> None:
    tables = tiny_tables()
    levels = ["1.5", "", None, "loud", "2"]
    tables["sound"]["b"] = pd.DataFrame({"time": np.arange(5.0), "level": levels, "speaking": [0] * 5})
    with pytest.raises(CorpusError, match="found 'loud'") as caught:
        FolderSource(write_tiny("one", tables=tables, suffix=".parquet")).read("b", "sound")
    assert str(caught.value.where).endswith("b.parquet:4")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("time,level,speaking\n0,1,0\n1,2,0,9\n", 3),
        ("time,level,speaking\n0,1,0\n\n1,2,0,9\n2,2,0,9\n", 4),
        ("time,level,speaking\n0,1,0,9\n1,2,0,9\n", 2),
        ('time,level,speaking\n0,"1",0\n1,2,0,,\n', 3),
    ],
)
def test_rows_longer_than_the_header_lose_nothing_silently(write_tiny: Write, text: str, line: int) -> None:
    folder = write_tiny()
    path = folder / "sound" / "b.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=r"more cells than the header; expected 3 cells; found [45] cells") as caught:
        FolderSource(folder).read("b", "sound")
    assert caught.value.where == f"{path}:{line}"


def test_an_empty_table_says_so(write_tiny: Write) -> None:
    folder = write_tiny()
    (folder / "sound" / "b.csv").write_text("")
    with pytest.raises(CorpusError, match="line of column names; found an empty file"):
        FolderSource(folder).read("b", "sound")


@pytest.mark.parametrize(
    ("text", "line"),
    [("time,level,speaking\n0,1,0\n1,{},0\n", 3), ("time,level,speaking,{}\n0,1,0,1\n", 1)],
)
def test_a_field_beyond_the_limit_of_csv_is_told_with_its_line(write_tiny: Write, text: str, line: int) -> None:
    folder = write_tiny()
    path = folder / "sound" / "b.csv"
    path.write_text(text.format("x" * 140_000))
    with pytest.raises(CorpusError) as caught:
        FolderSource(folder).read("b", "sound")
    assert caught.value.where == f"{path}:{line}"
    assert len(str(caught.value)) < 1000


def test_a_folder_named_like_a_table_is_told(write_tiny: Write) -> None:
    folder = write_tiny()
    path = folder / "sound" / "b.csv"
    path.unlink()
    path.mkdir()
    for use in (content_key, lambda place: FolderSource(place).read("b", "sound")):
        with pytest.raises(CorpusError, match="a table must be a file") as caught:
            use(folder)
        assert caught.value.where == str(path)


def test_what_may_not_be_read_is_told(write_tiny: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, since tests may run as root, which may read everything."""
    folder = write_tiny()

    def refuse(target: Path) -> None:
        real_list, real_open, real_os_open = os.listdir, Path.open, os.open

        def listdir(path: Any) -> Any:
            if Path(path) == target:
                raise PermissionError(13, "Permission denied", str(path))
            return real_list(path)

        def opened(path: Path, *rest: Any, **named: Any) -> Any:
            if path == target:
                raise PermissionError(13, "Permission denied", str(path))
            return real_open(path, *rest, **named)

        def os_opened(path: Any, *rest: Any, **named: Any) -> int:
            if not isinstance(path, int) and Path(os.fsdecode(path)) == target:
                raise PermissionError(13, "Permission denied", str(path))
            return real_os_open(path, *rest, **named)

        monkeypatch.setattr(os, "open", os_opened)
        monkeypatch.setattr(os, "listdir", listdir)
        monkeypatch.setattr(Path, "open", opened)

    for target in (folder / "sound" / "b.csv", folder / "sound"):
        with monkeypatch.context() as monkeypatch:
            refuse(target)
            with pytest.raises(CorpusError, match="cannot be read; found Permission denied") as caught:
                content_key(folder)
            assert caught.value.where == str(target)


def test_a_file_that_is_no_parquet_is_told(write_tiny: Write) -> None:
    folder = write_tiny(suffix=".parquet")
    (folder / "sound" / "b.parquet").write_bytes(b"nonsense")
    with pytest.raises(CorpusError, match="cannot be read"):
        FolderSource(folder).read("b", "sound")


# Content -----------------------------------------------------------------------------------------------------------
def test_the_content_key_counts_what_is_read_and_nothing_else(write_tiny: Write) -> None:
    folder = write_tiny()
    key = content_key(folder)
    assert len(key) == 32
    assert int(key, 16) >= 0
    (folder / "truth.yaml").write_text("x: 1")
    (folder / "sound" / "unlisted.csv").write_text("time\n")
    assert content_key(folder) == key
    moved = folder.rename(folder.with_name("moved"))
    assert content_key(moved) == key
    path = moved / "sound" / "b.csv"
    path.write_text(path.read_text().replace("0", "1", 1))
    changed = content_key(moved)
    assert changed != key
    path.unlink()
    assert content_key(moved) not in (key, changed)


def test_threads_that_hash_large_corpora_give_the_same_key(write_tiny: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny()
    key = content_key(folder)
    hashed = set[int]()
    digest = source_folder._digest

    def noted(path: Path) -> bytes:
        hashed.add(threading.get_ident())
        return digest(path)

    monkeypatch.setattr(source_folder, "_digest", noted)
    assert content_key(folder) == key
    assert hashed == {threading.get_ident()}
    hashed.clear()
    monkeypatch.setattr(source_folder, "WITHOUT_THREADS", 0)
    assert content_key(folder) == key
    assert hashed
    assert threading.get_ident() not in hashed


def test_two_files_that_swap_names_are_other_content(write_tiny: Write) -> None:
    folder = write_tiny()
    key = content_key(folder)
    a, b = folder / "sound" / "a.csv", folder / "sound" / "b.csv"
    text = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(text)
    assert content_key(folder) != key


def test_a_content_key_needs_neither_torch_nor_pandas(write_tiny: Write) -> None:
    code = (
        "import sys, pathlib; from mmcore.data.sources.folder import content_key; "
        f"content_key(pathlib.Path({str(write_tiny())!r})); "
        "print([m for m in ('torch', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
