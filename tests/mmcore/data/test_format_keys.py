"""Where times come from, names in any script, .feather tables, equal times: keys of corpus.yaml from the file on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from factories.tables import Tables

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import FolderSource, content_key
from mmcore.data.sources.simulated import simulate
from mmcore.data.sources.written import WrittenClock, WrittenCorpus
from mmcore.data.timing import time_notes
from mmcore.errors import CorpusError
from mmcore.quality import QualityRow
from mmcore.schema import CorpusSchema, Feature, Modality, Parameter, Targets

Write = Callable[..., Path]


def rows_of(prepared: Prepared, modality: str) -> dict[str, QualityRow]:
    return {row.item: row for row in prepared.quality if row.modality == modality}


# Times -------------------------------------------------------------------------------------------------------------
def test_a_column_of_times_may_have_any_name_and_unit(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    clean = prepare(write_tiny("clean", tables=tables), DataConfig(), tmp_path / "cache")
    for item, frame in tables["sound"].items():
        renamed = frame.rename(columns={"time": "Time [ms]"})
        tables["sound"][item] = renamed.assign(**{"Time [ms]": 1000 * renamed["Time [ms]"] + 5000})
    tiny_schema["modalities"]["sound"] |= {"time": "Time [ms]", "rate": 0.001, "offset": -5}
    folder = write_tiny("named", tables=tables, schema=tiny_schema)
    named = prepare(folder, DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(named.values["sound"], clean.values["sound"])
    assert FolderSource(folder).table("a", "sound").columns[0] == "time"
    tiny_schema["modalities"]["sound"]["time"] = "Time [s]"
    with pytest.raises(CorpusError, match=re.escape("column 'Time [s]' is missing")) as caught:
        prepare(write_tiny("wrong", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert "Did you mean 'Time [ms]'" in str(caught.value)


@pytest.mark.parametrize("rate", [4, "30000/7500"])
@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_a_sampling_rate_stands_for_times(
    write_tiny: Write,
    tiny_tables: Callable[..., Any],
    tiny_schema: WrittenCorpus,
    tmp_path: Path,
    rate: float | str,
    offset: float,
) -> None:
    tables = tiny_tables()
    tables["sound"] = {"a": pd.DataFrame({"level": np.arange(48.0), "speaking": 0}), "b": tables["sound"]["b"]}
    timed = {**tables, "sound": {**tables["sound"]}}
    timed["sound"]["a"] = tables["sound"]["a"].assign(time=np.arange(48) / 4 + offset)
    timed["sound"]["b"] = tables["sound"]["b"].assign(time=np.arange(7) / 4 + offset)
    with_times = prepare(write_tiny("timed", tables=timed), DataConfig(), tmp_path / "cache")
    # A column time that is there all the same is no feature and does not count.
    tiny_schema["modalities"]["sound"] |= {"sampling_rate": rate, "offset": offset}
    sampled = prepare(write_tiny("rate", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(sampled.values["sound"], with_times.values["sound"])
    assert rows_of(sampled, "sound")["a"].pooled == pytest.approx(4)


def test_a_table_of_labels_may_have_a_sampling_rate(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables, tiny_schema["reference"] = tiny_tables({"a": 12, "b": 7}), None
    own = {"from": "mood", "sampling_rate": 2, "offset": 3, "parameters": [{"name": "force", "component": "force"}]}
    tables["mood"] = {"a": pd.DataFrame({"force": np.arange(8.0)})}
    folder = write_tiny(tables=tables, schema=tiny_schema | {"targets": own})
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    # Labels at 3, 3.5, … 6.5 s on steps of 1 s from 3 s on: two a step, pooled.
    assert prepared.items[0].steps == 4
    assert prepared.target[:4, 0, 0].tolist() == [0.5, 2.5, 4.5, 6.5]


@pytest.mark.parametrize(
    "keys", [{"time": "t"}, {"sampling_rate": 10}, {"start": "s", "end": "e"}, {"offset": 1.0}, {"rate": 2.0}]
)
def test_without_a_step_no_key_of_times_has_a_meaning(tiny_schema: WrittenCorpus, keys: WrittenClock) -> None:
    tiny_schema |= {"step": None, "reference": None}
    CorpusSchema.model_validate(tiny_schema)
    tiny_schema["modalities"]["sound"] |= keys
    with pytest.raises(ValueError, match=f"there are no times: leave out {', '.join(keys)}"):
        CorpusSchema.model_validate(tiny_schema)


# Names -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def japanese(tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus) -> tuple[WrittenCorpus, Tables]:
    """The tiny corpus with a modality, a column and an item whose names have two forms in Unicode."""
    tables = tiny_tables({"ガラス": 6, "b": 5})
    tables["ベル音"] = {item: frame.rename(columns={"level": "プ"}) for item, frame in tables.pop("sound").items()}
    modalities = tiny_schema["modalities"]
    modalities["ベル音"] = modalities.pop("sound")
    modalities["ベル音"]["features"][0]["name"] = "プ"
    return tiny_schema, tables


def test_names_of_any_script_are_one_name_in_both_forms(
    japanese: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path
) -> None:
    schema, tables = japanese
    plain = write_tiny("plain", schema=schema, tables=tables)
    mac = write_tiny("mac", schema=schema, tables=tables)
    # As macOS writes names into folders, while corpus.yaml and items.csv keep theirs.
    for modality in list(mac.iterdir()):
        if modality.is_dir():
            for path in list(modality.iterdir()):
                path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
            modality.rename(modality.with_name(unicodedata.normalize("NFD", modality.name)))
    assert not (mac / "ベル音").exists()
    assert content_key(plain) == content_key(mac)
    stores = [prepare(folder, DataConfig(), tmp_path / folder.name / "cache") for folder in (plain, mac)]
    for store in stores:
        assert list(store.schema.modalities) == ["image", "track", "ベル音"]
        assert store.items[0].name == "ガラス"
        assert store.present[:6, 2].all()
    np.testing.assert_array_equal(stores[0].values["ベル音"], stores[1].values["ベル音"])
    source = FolderSource(mac)
    assert source.has(unicodedata.normalize("NFD", "ガラス"), unicodedata.normalize("NFD", "ベル音"))
    assert source.schema.chosen((unicodedata.normalize("NFD", "ベル音"),)) == ("ベル音",)


def test_one_item_in_both_forms_is_listed_twice(write_tiny: Write) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    with pytest.raises(CorpusError, match="item 'é' is listed twice"):
        FolderSource(write_tiny(items=f"item,group\né,g\n{decomposed},h\n"))


def test_two_files_of_one_name_are_refused(japanese: tuple[WrittenCorpus, Tables], write_tiny: Write) -> None:
    schema, tables = japanese
    folder = write_tiny(schema=schema, tables=tables)
    path = folder / "ベル音" / "ガラス.csv"
    path.with_name(unicodedata.normalize("NFD", path.name)).write_bytes(path.read_bytes())
    with pytest.raises(CorpusError, match="item 'ガラス' has two tables of 'ベル音'"):
        FolderSource(folder)


@pytest.mark.parametrize("name", ["音声", "हिन्दी", "ñandú", "видео_2", "ภาษาไทย"])
def test_a_modality_may_have_a_name_in_any_script(tiny_schema: WrittenCorpus, name: str) -> None:
    tiny_schema["modalities"][name] = tiny_schema["modalities"]["sound"]
    assert name in CorpusSchema.model_validate(tiny_schema).modalities


@pytest.mark.parametrize("name", ["", ".音", "a/b", "a b", "音\n", "-x", "a:b"])
def test_a_name_that_names_no_folder_is_refused(tiny_schema: WrittenCorpus, name: str) -> None:
    tiny_schema["modalities"][name] = tiny_schema["modalities"]["sound"]
    with pytest.raises(ValueError, match="letters and digits of any script"):
        CorpusSchema.model_validate(tiny_schema)


# Forms of tables ---------------------------------------------------------------------------------------------------
def test_feather_reads_like_the_others(write_tiny: Write) -> None:
    csv, feather = (FolderSource(write_tiny(s, suffix=s)) for s in (".csv", ".feather"))
    for name in ("sound", "track"):
        pd.testing.assert_frame_equal(csv.table("a", name), feather.table("a", name))
    path = feather.folder / "sound" / "b.feather"
    path.write_bytes(b"nonsense")
    with pytest.raises(CorpusError, match="cannot be read"):
        feather.read("b", "sound")


def test_a_missing_column_of_a_feather_file_is_told(write_tiny: Write, tiny_tables: Callable[..., Any]) -> None:
    tables = tiny_tables()
    tables["sound"]["b"] = tables["sound"]["b"].rename(columns={"level": "levle"})
    with pytest.raises(CorpusError, match=r"column 'level' is missing.*Did you mean 'levle'"):
        FolderSource(write_tiny(tables=tables, suffix=".feather")).read("b", "sound")


# Equal times, and columns that pool nothing ------------------------------------------------------------------------
@pytest.mark.parametrize("per_step", [1, 4])
def test_rows_with_equal_times_are_pooled_where_resample_is_given(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path, per_step: int
) -> None:
    """Three faces a frame: the largest level is that of any face; speaking, without resample, is the last face's."""
    tables = tiny_tables({"a": 12, "b": 7})
    times = np.arange(12 * per_step) / per_step
    rng = np.random.default_rng(0)
    faces = pd.DataFrame({"time": times.repeat(3), "level": rng.normal(size=3 * len(times))})
    faces["speaking"] = np.tile([1, 1, 0], len(times))
    tables["sound"]["a"] = faces
    tiny_schema["modalities"]["sound"]["features"][0]["resample"] = "max"
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    for step in range(12):
        if per_step == 1:
            window = faces[faces["time"] == step]
        else:
            window = faces[(faces["time"] > step - 0.5) & (faces["time"] <= step + 0.5)]
        assert prepared.values["sound"][step, 0] == np.float32(window["level"].max())
    assert not prepared.values["sound"][:12, 1].any()
    row = rows_of(prepared, "sound")["a"]
    # Rows of the last half step lie beyond the last window, but for one step a row.
    assert row.rows_used == (36 if per_step == 1 else 3 * 47)
    assert (row.duplicate_times, row.equal_times_pooled) == (2 * len(times), 1)
    notes = [note for note in time_notes(prepared.quality) if note.startswith("sound")]
    assert notes == [
        f"sound: {2 * len(times)} of {3 * len(times)} rows repeat a time in 1 item (a); 1 column pools them by "
        "its resample, the others read the last row of equal times"
    ]


def test_labels_of_several_raters_are_one_mean(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables, tiny_schema["reference"] = tiny_tables({"a": 12, "b": 7}), None
    parameters = [
        {"name": "force", "component": "force", "resample": "mean"},
        {"name": "doubt", "component": "doubt", "resample": "std"},
        {"name": "last", "component": "last"},
    ]
    rated = pd.DataFrame({"time": np.arange(4.0).repeat(2), "force": [1.0, 3, 2, 4, 0, np.nan, 5, 5]})
    rated["doubt"] = rated["last"] = rated["force"]
    tables["mood"] = {"a": rated}
    folder = write_tiny(tables=tables, schema=tiny_schema | {"targets": {"from": "mood", "parameters": parameters}})
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    assert prepared.target[:4, 0, 0].tolist() == [2, 3, 0, 5]
    assert prepared.target[:4, 0, 1].tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(prepared.target[:4, 0, 2], [3, 4, np.nan, 5])


def test_a_deviation_of_one_row_a_step_is_told(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables({"a": 12, "b": 7})
    tiny_schema["modalities"]["sound"]["features"][0]["resample"] = "std"
    tables["sound"]["b"] = pd.DataFrame({"time": np.arange(70) / 10, "level": np.arange(70.0), "speaking": 0})
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    warnings = {item: row.warnings for item, row in rows_of(prepared, "sound").items()}
    assert [*warnings["a"]] == [
        "resample: std has no meaning for 'level': no step has several rows, and one row has no standard deviation. "
        "The values themselves are read"
    ]
    assert not warnings["b"]


def test_a_loud_target_says_that_it_counts(write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path) -> None:
    tables = tiny_tables({"a": 60, "b": 60})
    tables["track"]["a"].loc[7, "0_x"] = 1e6
    tables["sound"]["a"].loc[7, "level"] = 1e6
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    told = {name: rows_of(prepared, name)["a"].warnings[0] for name in ("track", "sound")}
    assert "at 7 s. Targets count in the loss and in scores as they are. Correct the table" in told["track"]
    assert "Targets count" not in told["sound"]


# The page of the docs ----------------------------------------------------------------------------------------------
PAGE = (Path(__file__).parents[3] / "docs" / "your_data.md").read_text(encoding="utf-8")


def corpus_of_the_page(name: str, folder: Path, more: dict[str, pd.DataFrame]) -> Path:
    """The corpus that a YAML block and the tables after it make up."""
    (block,) = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if f"name: {name}" in text]
    folder.mkdir()
    (folder / "corpus.yaml").write_text(block, encoding="utf-8")
    (folder / "items.csv").write_text("item,group\nanna,anna\n")
    modalities = CorpusSchema.model_validate(yaml.safe_load(block)).modalities
    section = PAGE.partition(block)[2].partition("\n## ")[0]
    for path, text in re.findall(r"`(\w+/anna\.csv)`\n\n```csv\n(.*?)```", section, re.DOTALL):
        (folder / path).parent.mkdir()
        (folder / path).write_text(text, encoding="utf-8")
    for modality, frame in more.items():
        assert modality in modalities
        (folder / modality).mkdir()
        frame.to_csv(folder / modality / "anna.csv", index=False)
    return folder


def test_the_segments_of_the_page_are_read_as_it_says(tmp_path: Path) -> None:
    audio = pd.DataFrame({"energy": np.arange(600.0)})
    prepared = prepare(
        corpus_of_the_page("interviews", tmp_path / "corpus", {"audio": audio}), DataConfig(), tmp_path / "cache"
    )
    nan = np.nan
    # Steps at 0, 0.5, … 4.5 s.
    sentiment = [nan, nan, 0.4, 0.4, 0.4, -0.1, nan, nan, 0.8, 0.8]
    np.testing.assert_array_equal(prepared.values["words"][:, 0], np.array(sentiment, np.float32))
    valence = [0.2, 0.2, 0.2, 0.2, nan, nan, 0.9, 0.9, 0.9, 0.9]
    np.testing.assert_array_equal(prepared.target[:, 0, 0], np.array(valence, np.float32))


def test_the_classes_of_the_page_are_read_as_it_says(tmp_path: Path) -> None:
    prepared = prepare(corpus_of_the_page("gestures", tmp_path / "corpus", {}), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(prepared.values["hand"], [[1, 1], [np.nan, 0], [0, 1]])
    assert prepared.target.tolist() == [[[1]]]


def test_the_page_has_every_key() -> None:
    for model in (CorpusSchema, Modality, Feature, Targets, Parameter):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}" in PAGE or f", `{field.alias or name}`" in PAGE, name


# What was read before ----------------------------------------------------------------------------------------------
def test_the_simulated_corpus_is_read_as_ever(tmp_path: Path) -> None:
    """Sums over the store, as they were before any of these keys was there."""
    prepared = prepare(simulate(tmp_path / "corpus", "quick", 0), DataConfig(), tmp_path / "cache")
    sums = {name: float(np.nansum(np.abs(np.asarray(x, np.float64)))) for name, x in prepared.values.items()}
    assert sums == pytest.approx(
        {"audio": 664636.2124980111, "visual": 36548.2627979517, "track": 276338.6473173042}, rel=1e-9
    )
    assert {name: int(np.isnan(x).sum()) for name, x in prepared.values.items()} == {
        "audio": 8672,
        "visual": 39372,
        "track": 0,
    }
    assert prepared.present.sum() == 18980
    assert np.nansum(np.abs(np.asarray(prepared.target, np.float64))) == pytest.approx(276338.6473173042, rel=1e-9)
