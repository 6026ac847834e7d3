"""Each fault of times, on a corpus of a few rows: what is told, by item, with the line that mends it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mmcore.config import DataConfig
from mmcore.data.pooling import FASTER
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.written import WrittenClock, WrittenCorpus
from mmcore.data.timing import time_notes
from mmcore.errors import CorpusError
from mmcore.events import Event, Note
from mmcore.schema import Clock, CorpusSchema

Write = Callable[..., Path]
LENGTHS = {"a": 40, "b": 7}


def apart_of(prepared: Prepared, item: str = "a") -> dict[str, str | None]:
    return {row.modality: row.apart for row in prepared.quality if row.item == item}


def with_times(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    return frame.assign(time=change(frame["time"]))


FAULTS: dict[str, tuple[Callable[[Any], Any], str, WrittenClock]] = {
    "timecode": (
        lambda t: t + 3600,
        "times 3600–3639 s against 0–39 s: an offset of 3600 s? Set offset: -3600 in corpus.yaml",
        {"offset": -3600},
    ),
    "milliseconds": (
        lambda t: t * 1000,
        "times 0–39000 s against 0–39 s: looks like milliseconds. Set rate: 0.001 in corpus.yaml?",
        {"rate": 0.001},
    ),
    "frame numbers": (
        lambda t: t * 25,
        "times 0–975 s against 0–39 s: looks like frame numbers, 25 a second. Set rate: 1/25 in corpus.yaml?",
        {"rate": "1/25"},
    ),
    "milliseconds of a clock": (
        lambda t: (t + 1.7e9) * 1000,
        "times 1700000000000–1700000039000 s against 0–39 s: looks like milliseconds. Set rate: 0.001 in corpus.yaml?",
        {"rate": 0.001, "offset": -1.7e9},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_stream_that_never_meets_the_grid_says_what_it_looks_like(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path, name: str
) -> None:
    change, told, cure = FAULTS[name]
    tables = tiny_tables(LENGTHS)
    clean = prepare(write_tiny("clean", tables=tables), DataConfig(), tmp_path / "cache")
    assert set(apart_of(clean).values()) == {""}
    tables["sound"] = {item: with_times(frame, change) for item, frame in tables["sound"].items()}
    events: list[Event] = []
    broken = prepare(write_tiny("broken", tables=tables), DataConfig(), tmp_path / "cache", events.append)
    assert apart_of(broken) == {"sound": told, "image": "", "track": ""}
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(note.startswith("sound does not meet the other streams in 2 of 2 items. a: " + told) for note in notes)
    tiny_schema["modalities"]["sound"] |= cure
    mended = prepare(write_tiny("mended", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(mended.values["sound"], clean.values["sound"])
    assert set(apart_of(mended).values()) == {""}


def test_without_a_reference_too_it_is_told(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables, tiny_schema["reference"] = tiny_tables(LENGTHS), None
    tables["sound"]["a"]["time"] += 3600
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert {name for name, text in apart_of(prepared).items() if text} == {"sound"}
    assert "an offset of 3600 s" in apart_of(prepared)["sound"]
    assert not any(apart_of(prepared, "b").values())


def test_labels_that_never_meet_the_grid_are_told(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables(LENGTHS)
    parameters = [{"name": "force", "component": "force"}]
    tiny_schema["targets"] = {"from": "mood", "parameters": parameters}
    tables["mood"] = {"a": pd.DataFrame({"time": 500.0 + np.arange(40), "force": np.arange(40.0)})}
    wrong = prepare(write_tiny("wrong", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert apart_of(wrong)["mood"].startswith("times 500–539 s against 0–39 s: an offset of 500 s?")
    tiny_schema["targets"]["offset"] = -500
    right = prepare(write_tiny("right", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(right.target[:40, 0, 0], np.arange(40.0))


def test_what_holds_no_value_or_no_row_is_not_a_fault_of_times(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables(LENGTHS)
    tables["sound"]["a"][["level", "speaking"]] = np.nan
    tables["image"]["a"] = tables["image"]["a"].iloc[:0]
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    assert set(apart_of(prepared).values()) == {""}


def test_frames_of_2997_stamped_as_30_drift_apart_and_a_rate_mends_them(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables({"a": 1200, "b": 7})
    clean = prepare(write_tiny("clean", tables=tables), DataConfig(), tmp_path / "cache")
    tables["sound"]["a"] = with_times(tables["sound"]["a"], lambda t: t * 29.97 / 30)
    stamped = prepare(write_tiny("stamped", tables=tables), DataConfig(), tmp_path / "cache")
    assert not np.array_equal(stamped.values["sound"], clean.values["sound"], equal_nan=True)
    tiny_schema["modalities"]["sound"]["rate"] = "30/29.97"
    # b was stamped rightly: the factor moves its rows by 6 ms at most, within the tolerance.
    mended = prepare(write_tiny("mended", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(mended.values["sound"], clean.values["sound"])


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("rate", 0, "greater than 0"),
        ("rate", "30/0", "not a fraction"),
        ("offset", "an hour", "number"),
        ("ofset", 1, "offset"),
    ],
)
def test_a_broken_clock_is_told(
    write_tiny: Write, tiny_schema: WrittenCorpus, place: str, value: Any, says: str
) -> None:
    tiny_schema["modalities"]["sound"][place] = value
    with pytest.raises(CorpusError, match=says):
        prepare(write_tiny(schema=tiny_schema), DataConfig(), Path("unused"))


def test_a_clock_without_times_is_refused(write_tiny: Write, tiny_schema: WrittenCorpus) -> None:
    tiny_schema["step"], tiny_schema["modalities"]["sound"]["offset"] = None, 2.0
    with pytest.raises(CorpusError, match=r"modality 'sound': rows are steps .*there are no times: leave out offset"):
        prepare(write_tiny(schema=tiny_schema), DataConfig(), Path("unused"))


def test_targets_of_a_modality_have_its_clock(write_tiny: Write, tiny_schema: WrittenCorpus) -> None:
    tiny_schema["targets"]["offset"] = 2.0
    with pytest.raises(CorpusError, match=re.escape("Write offset and resample in modalities.track")):
        prepare(write_tiny(schema=tiny_schema), DataConfig(), Path("unused"))


def test_a_fraction_is_a_rate() -> None:
    assert Clock.model_validate({"rate": "30/29.97"}).factor == pytest.approx(30 / 29.97)
    assert Clock().keeps_times


# Repeated times ----------------------------------------------------------------------------------------------------
def test_repeated_times_and_long_tables_are_told_by_run(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables({"a": 12, "b": 7})
    sound = tables["sound"]["a"]
    tables["sound"]["a"] = sound.loc[sound.index.repeat(3)]
    tables["image"]["b"] = pd.concat([tables["image"]["b"], tables["image"]["b"].iloc[-1:]])
    events: list[Event] = []
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache", events.append)
    notes = [event.text for event in events if isinstance(event, Note)]
    long = "sound: 24 of 36 rows repeat a time in 1 item (a); of equal times the last row is read. It looks like"
    assert any(note.startswith(long) for note in notes)
    assert "image: 1 of 8 rows repeats a time in 1 item (b); of equal times the last row is read" in notes
    assert [note for note in time_notes(prepared.quality) if note in notes] == time_notes(prepared.quality)


def test_the_corpus_of_the_docs_is_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "your_data.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "name: talks" in b]
    schema = CorpusSchema.model_validate(yaml.safe_load(block))
    audio, visual = schema.modalities["audio"], schema.modalities["visual"]
    assert audio.resamples == ("mean", "max", "std", "max")
    assert visual.resamples[:2] == ("mode", "mean")
    assert (audio.offset, visual.factor) == (-3600, pytest.approx(1.001, abs=1e-5))
    assert f"more than {FASTER:g} rows per step" in text


def test_a_reference_faster_than_the_step_is_told_since_nothing_is_pooled(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    """Its own times are the grid: the declared step is 1 s, and steps are 0.1 s."""
    tables = tiny_tables({"a": 40, "b": 30})
    tables["track"]["a"] = with_times(tables["track"]["a"], lambda t: t / 10)
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    told = {(row.item, row.modality): row.warnings for row in prepared.quality}
    assert not told["b", "track"]
    assert [*told["a", "track"]] == [
        "its rows lie 0.1 s apart and are the steps, as it is the reference: step 1 is not used. "
        "For steps of 1 s leave reference out of corpus.yaml"
    ]
