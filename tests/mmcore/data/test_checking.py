"""All faults of a corpus at once, by the rules that stop a run one by one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories.tables import Tables

from mmcore.data.checking import Checked, check_corpus
from mmcore.data.sources.folder import FolderSource
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError

Write = Callable[..., Path]

SEGMENTS: WrittenCorpus = {
    "format": 1,
    "name": "told",
    "step": 1.0,
    "modalities": {
        "sound": {"features": [{"name": "level"}, {"name": "speaking", "kind": "binary"}]},
        "image": {"features": [{"name": "clip_{0..2}", "kind": "embedding"}]},
    },
    "targets": {
        "from": "mood",
        "start": "from",
        "end": "to",
        "parameters": [
            {"name": "mood", "kind": "categorical", "labels": ["calm", "glad"], "component": "mood"},
            {"name": "force", "component": "force"},
        ],
    },
}


def moods(item: str = "a") -> pd.DataFrame:
    return pd.DataFrame({"from": [0, 2], "to": [2, 4], "mood": ["calm", "glad"], "force": [0.5, ord(item) % 7]})


@pytest.fixture
def write(write_tiny: Write, tiny_tables: Callable[..., Any]) -> Write:
    """A corpus of segments; ``change`` bends its tables before they are written."""

    def written(change: Callable[[Tables], None] = lambda _: None, **parts: Any) -> Path:
        tables = tiny_tables()
        tables["mood"] = {item: moods(item) for item in "abcd"}
        del tables["track"]
        tables["image"]["c"] = tables["image"]["a"]
        change(tables)
        return write_tiny(schema=parts.pop("schema", SEGMENTS), tables=tables, **parts)

    return written


def told(checked: Checked, level: str = "error") -> list[str]:
    return [problem.message for problem in checked.problems if problem.level == level]


def test_a_sound_corpus_has_no_problem(write: Write) -> None:
    checked = check_corpus(write())
    assert checked.problems == []
    assert (checked.items, checked.modalities, checked.tables, checked.skipped) == (4, 2, 12, None)


def test_the_tiny_corpus_lacks_one_table(write_tiny: Write) -> None:
    checked = check_corpus(write_tiny())
    assert checked.errors == 0
    assert "1 of 4 items lacks a table of 'image'; found c" in told(checked, "warning")[0]


# corpus.yaml and items.csv -------------------------------------------------------------------------------------------
def test_all_faults_of_the_schema_are_told_and_the_tables_are_read_all_the_same(write: Write) -> None:
    def break_sound(tables: Tables) -> None:
        tables["image"]["b"] = tables["image"]["b"].drop(columns="clip_1")

    folder = write(break_sound)
    path = folder / "corpus.yaml"
    text = path.read_text().replace("name: told", "nam: told").replace("kind: binary", "kind: binry")
    path.write_text(text.replace("component: force", "compnent: force"))
    checked = check_corpus(folder)
    messages = told(checked)
    assert len(messages) == 4
    parts = ("'nam'", "'compnent'", "not one of its choices", "clip_1")
    assert all(any(part in message for message in messages) for part in parts)
    assert "Did you mean 'binary'?" in "".join(messages)
    assert checked.skipped is not None


def test_a_list_without_entries_is_told_in_plain_words(write: Write) -> None:
    folder = write()
    path = folder / "corpus.yaml"
    text = path.read_text()
    start, end = text.index("modalities:"), text.index("targets:")
    path.write_text(text[:start] + "modalities: {sound: {features: []}}\n" + text[end:])
    message = told(check_corpus(folder))[0]
    assert "'modalities.sound.features' must have 1 entry or more; found []" in message


def test_what_is_still_open_is_named_first(write: Write) -> None:
    schema = {**SEGMENTS, "modalities": {**SEGMENTS["modalities"]}}
    schema["modalities"]["image"] = {**schema["modalities"]["image"], "sampling_rate": "???"}
    folder = write(schema=schema)
    checked = check_corpus(folder)
    (message,) = told(checked)
    assert "corpus.yaml:" in message
    assert "'modalities.image.sampling_rate' is still to be filled in" in message
    with pytest.raises(CorpusError, match="still to be filled in"):
        FolderSource(folder)


def test_all_faults_of_items_are_told(write: Write) -> None:
    folder = write(items="item,group,split\na,g,trian\nb,g\nb,g,train\nB,g,train\nx/y,g,train\n,g,test\nc,h,test\n")
    messages = told(check_corpus(folder))
    for line, says in (
        (2, "Did you mean 'train'?"),
        (3, "as many cells as the header"),
        (5, "'B' is listed twice"),
        (6, "must name a file inside"),
        (7, "must have a name"),
    ):
        assert any(f"items.csv:{line}: " in message and says in message for message in messages), (line, messages)


def test_without_items_nothing_else_is_looked_at(write: Write) -> None:
    folder = write()
    (folder / "items.csv").unlink()
    checked = check_corpus(folder)
    assert checked.skipped == "tables, since items.csv names no item"
    assert "the file does not exist" in told(checked)[0]


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds a file corpus\.yaml; found none in it\."):
        check_corpus(tmp_path)
    with pytest.raises(CorpusError, match=r"holds a file corpus\.yaml; found no such folder\."):
        check_corpus(tmp_path / "corpsu")


# Tables --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_fault_of_every_table_is_told_with_its_row(write: Write, suffix: str) -> None:
    def bend(tables: Tables) -> None:
        tables["sound"]["a"] = tables["sound"]["a"].astype({"level": object})
        tables["sound"]["a"].loc[3, "level"] = "loud"
        tables["sound"]["a"].loc[5, "level"] = "quiet"
        tables["sound"]["a"].loc[6, "level"] = "loud"
        tables["sound"]["a"]["level"] = tables["sound"]["a"]["level"].map(str)
        tables["sound"]["b"] = tables["sound"]["b"].drop(columns=["level", "speaking"])
        tables["mood"]["c"] = moods().assign(mood=["clam", "gladd"])
        tables["mood"]["d"] = moods().rename(columns={"to": "until"})

    checked = check_corpus(write(bend, suffix=suffix))
    messages = told(checked)
    first = 5 if suffix == ".csv" else 4
    assert any(f"a{suffix}:{first}: column 'level'" in m and "'loud'" in m for m in messages)
    assert any(f"a{suffix}:{first + 2}: column 'level'" in m and "'quiet'" in m for m in messages)
    assert any("column 'level' is missing" in m for m in messages)
    assert any("column 'speaking' is missing" in m for m in messages)
    assert any("'clam'. Did you mean 'calm'?" in m for m in messages)
    assert any("'gladd'. Did you mean 'glad'?" in m for m in messages)
    assert any("column 'to' is missing" in m for m in messages)
    assert len(messages) == 7
    assert checked.skipped == "times and targets of 4 items with errors in their tables"


def test_the_first_fault_is_that_which_stops_a_run(write: Write) -> None:
    def bend(tables: Tables) -> None:
        tables["mood"]["c"] = moods().assign(mood=["clam", "gladd"])

    folder = write(bend)
    with pytest.raises(CorpusError) as caught:
        FolderSource(folder).read("c", "mood")
    assert told(check_corpus(folder))[0] == str(caught.value)


def test_tables_of_nobody_and_missing_tables_are_warnings(write: Write) -> None:
    folder = write()
    (folder / "image" / "a.csv").rename(folder / "image" / "aa.csv")
    (folder / "image" / "notes.txt").write_text("x")
    checked = check_corpus(folder)
    assert checked.errors == 0
    missing, stranger = told(checked, "warning")
    assert "1 of 4 items lacks a table of 'image'; found a." in missing
    assert "'aa' is not an item of items.csv" in stranger
    assert "Did you mean 'a'?" in stranger


def test_a_table_of_nobody_is_no_slip_where_every_item_has_its_own(write: Write) -> None:
    """Its nearest name is that of an item with a table: to rename it so would overwrite that one."""
    folder = write()
    shutil.copy(folder / "image" / "a.csv", folder / "image" / "aa.csv")
    (warning,) = told(check_corpus(folder), "warning")
    assert "'aa' is not an item of items.csv" in warning
    assert "Did you mean" not in warning


@pytest.mark.parametrize(("mark", "called"), [(";", "semicolons"), ("\t", "tabs")])
def test_files_with_other_separators_are_told_once_and_by_name(write: Write, mark: str, called: str) -> None:
    folder = write()
    (folder / "image" / "a.csv").write_text(f"time{mark}clip_0{mark}clip_1\n0{mark}0,5{mark}1\n", encoding="utf-8")
    (message,) = told(check_corpus(folder))
    assert f"image{os.sep}a.csv:1: cells of a corpus are separated by commas" in message
    assert f"found {called}." in message
    items = folder / "items.csv"
    items.write_text(items.read_text(encoding="utf-8").replace(",", mark), encoding="utf-8")
    assert any("items.csv:1: cells of a corpus are separated by commas" in text for text in told(check_corpus(folder)))


def test_an_item_without_targets_is_told_as_such_and_not_as_one_without_a_modality(write: Write) -> None:
    folder = write()
    (folder / "mood" / "b.csv").unlink()
    (missing,) = told(check_corpus(folder), "warning")
    assert "1 of 4 items lacks a table of 'mood'; found b." in missing
    assert "modality" not in missing
    assert "nothing is learned from an item without targets, and it is in no score" in missing


@pytest.mark.parametrize("how", ["no row", "empty cells"])
def test_a_table_without_a_single_value_is_told(write: Write, how: str) -> None:
    """Its file is there, so no list of missing files names it; for the model the item lacks the modality."""

    def empty(tables: Tables) -> None:
        sound = tables["sound"]["c"]
        tables["sound"]["c"] = sound.iloc[:0] if how == "no row" else sound.assign(level=np.nan, speaking=np.nan)

    (warning,) = told(check_corpus(write(empty)), "warning")
    assert "1 of 4 items has a table of 'sound' in which no step has a value; found c." in warning
    assert "Fill it, or leave it so: the model is told where the modality is absent" in warning


def test_a_column_that_no_item_has_a_value_of_is_told(write: Write) -> None:
    """An extractor failed, or wrote another name: for the model a useful column says nothing, in every item."""

    def empty(tables: Tables) -> None:
        for item, frame in tables["sound"].items():
            tables["sound"][item] = frame.assign(level=np.nan)

    checked = check_corpus(write(empty))
    assert checked.errors == 0
    (warning,) = told(checked, "warning")
    assert "sound: column level has no value in any item" in warning
    assert "take it out of corpus.yaml" in warning


def test_a_column_that_some_items_lack_is_no_fault(write: Write) -> None:
    """What three miss, the fourth teaches."""

    def empty(tables: Tables) -> None:
        for item in "abc":
            tables["sound"][item] = tables["sound"][item].assign(level=np.nan)

    assert told(check_corpus(write(empty)), "warning") == []


def test_several_columns_without_a_value_are_counted_and_named(write: Write) -> None:
    def empty(tables: Tables) -> None:
        for item, frame in tables["image"].items():
            tables["image"][item] = frame.assign(clip_0=np.nan, clip_2=np.nan)

    (warning,) = told(check_corpus(write(empty)), "warning")
    assert "image: 2 of 3 columns have no value in any item: clip_0, clip_2" in warning


def test_a_step_that_is_longer_than_every_item_is_told(write: Write) -> None:
    """A step in milliseconds: each item becomes a single step, and nothing is left of its course."""
    schema = {**SEGMENTS, "step": 1000.0}
    checked = check_corpus(write(schema=schema))
    (warning,) = [text for text in told(checked, "warning") if "corpus.yaml:" in text]
    assert "no item is longer than one step" in warning
    assert "found a step of 1000 s" in warning
    assert "step is in seconds" in warning


def test_a_modality_without_a_folder_and_two_tables_of_an_item(write: Write) -> None:
    folder = write()
    (folder / "image").rename(folder / "images")
    (folder / "sound" / "a.parquet").write_bytes(b"")
    messages = told(check_corpus(folder))
    assert any("no item has a table of 'image'" in m and "Did you mean 'images'?" in m for m in messages)
    assert any("item 'a' has two tables of 'sound'" in m for m in messages)


# Together ------------------------------------------------------------------------------------------------------------
def test_a_stream_that_never_meets_the_others_is_an_error(write: Write) -> None:
    def bend(tables: Tables) -> None:
        for item, frame in tables["image"].items():
            tables["image"][item] = frame.assign(time=frame["time"] + 3600)

    (message,) = told(check_corpus(write(bend)))
    assert "the times of 'image' never meet those of the other streams" in message
    assert "Set offset: -3600" in message


def test_times_that_are_mended_on_reading_are_warnings(write: Write) -> None:
    def bend(tables: Tables) -> None:
        frame = tables["sound"]["a"]
        tables["sound"]["a"] = frame.iloc[::-1]
        tables["sound"]["b"] = tables["sound"]["b"].assign(time=[0, 1, 1, 2, 3, np.nan, 5])

    checked = check_corpus(write(bend))
    assert checked.errors == 0
    text = "\n".join(told(checked, "warning"))
    assert "times run backwards at 11 places in 1 item; they are sorted when they are read; found a: 11" in text
    assert "rows have no time at 1 place in 1 item; they are not read; found b: 1" in text
    assert "sound: 1 of 6 rows repeats a time in 1 item (b)" in text


def test_targets_nowhere_and_targets_that_never_vary(write: Write) -> None:
    def bend(tables: Tables) -> None:
        for item in "abcd":
            tables["mood"][item] = moods().assign(mood="calm", force=np.nan)

    one, none = sorted(told(check_corpus(write(bend))), key=lambda m: "anywhere" in m)
    assert "the target 'mood' must vary, or another one; found 'calm' in all" in one
    assert "there is no target 'force' anywhere" in none


def test_one_target_that_never_varies_is_a_warning(write: Write) -> None:
    """As in edits that nobody rotated: the other targets can be learned."""

    def bend(tables: Tables) -> None:
        for item in "abcd":
            tables["mood"][item] = tables["mood"][item].assign(mood="calm")

    checked = check_corpus(write(bend))
    assert checked.errors == 0
    (text,) = [one for one in told(checked, "warning") if "'mood'" in one]
    assert "the target 'mood' never varies; found 'calm' in all" in text


def test_a_class_that_nobody_has_is_a_warning(write: Write) -> None:
    schema = {**SEGMENTS, "targets": {**SEGMENTS["targets"]}}
    mood, force = SEGMENTS["targets"]["parameters"]
    schema["targets"]["parameters"] = [{**mood, "labels": ["calm", "glad", "sad"]}, force]
    checked = check_corpus(write(schema=schema))
    assert checked.errors == 0
    assert "no item has the class 'sad' of 'mood'" in told(checked, "warning")[0]


def test_sides_that_cannot_be_drawn_are_an_error(write: Write) -> None:
    folder = write(items="item,group\na,g\nb,g\nc,g\nd,h\n")
    assert any("train, validation and test need at least one group each" in m for m in told(check_corpus(folder)))
