"""Likely slips in a corpus are reported or refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from mmcore.config import DataConfig
from mmcore.data.checking import check_corpus
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import read_items
from mmcore.data.sources.look_alikes import alike_groups
from mmcore.data.sources.tables import read_table
from mmcore.errors import CorpusError

Write = Callable[..., Path]


def notes(folder: Path, cache: Path) -> list[str]:
    said: list[str] = []
    prepare(folder, DataConfig(), cache, lambda event: said.append(getattr(event, "text", "")))
    return said


def test_groups_that_differ_in_their_writing_alone_are_told_of(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()
    text = (folder / "items.csv").read_text()
    assert not any("writing" in note for note in notes(folder, tmp_path / "cache"))
    (folder / "items.csv").write_text(text.replace("ga", "Alice").replace("gb", "alice"))
    told = [note for note in notes(folder, tmp_path / "cache") if "writing" in note]
    assert told == [
        "groups that differ in their writing alone are read as different and may lie on two sides: 'Alice' and 'alice'"
    ]
    [problem] = [one for one in check_corpus(folder).problems if "writing" in one.rule]
    assert (problem.level, problem.where) == ("warning", str(folder / "items.csv"))


def test_names_in_either_form_of_unicode_are_one_group(tmp_path: Path) -> None:
    rows = [f"{i},{unicodedata.normalize(form, 'ガé')}" for i, form in enumerate(("NFC", "NFD"))]
    (tmp_path / "items.csv").write_text("\n".join(["item,group", *rows]) + "\n", encoding="utf-8")
    assert len({item.group for item in read_items(tmp_path / "items.csv")}) == 1
    assert alike_groups(["ＡＢ", "ab", "a b", "c"]) == [("a b", "ab", "ＡＢ")]


def test_a_table_with_a_shouted_ending_is_not_taken_for_missing(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()
    path = next(p for p in sorted((folder / "sound").iterdir()) if p.suffix == ".csv")
    path.rename(path.with_suffix(".CSV"))
    with pytest.raises(CorpusError, match=rf"found '{path.stem}\.CSV'\. Rename it to {path.stem}\.csv"):
        prepare(folder, DataConfig(), tmp_path / "cache")


def test_a_misspelt_item_is_told_of_where_an_item_lacks_a_table(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()
    path = sorted((folder / "sound").iterdir())[0]
    path.rename(path.with_name(f"x{path.name}"))
    told = notes(folder, tmp_path / "cache")
    assert any(f"and 1 file belongs to no item of items.csv, such as 'x{path.name}'" in note for note in told), told


def test_a_table_that_ends_within_a_row_is_refused_and_within_a_number_told_of(
    write_tiny: Write, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("time,x,y\n0.0,1,2\n0.1,1.25,2.5\n0.2,1.2")
    with pytest.raises(CorpusError, match=r"a\.csv:4: the file ends in the middle of a row; expected 3 cells"):
        read_table(tmp_path / "a.csv", ["x"], ["time"])
    folder = write_tiny()
    path = next(p for p in sorted((folder / "sound").iterdir()) if p.suffix == ".csv")
    assert not any("cut off" in note for note in notes(folder, tmp_path / "cache"))
    path.write_bytes(path.read_bytes().rstrip()[:-1])
    told = [note for note in notes(folder, tmp_path / "cache") if "cut off" in note]
    assert len(told) == 1
    assert told[0].endswith(f": sound/{path.name}")
    assert any("cut off" in one.rule for one in check_corpus(folder).problems)
