"""Tables of segments, each in force from its start until before its end, against a loop over rows and instants."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from factories.tables import Tables
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import DataConfig
from mmcore.data.alignment import align, tidy
from mmcore.data.lag import lags_of
from mmcore.data.pooling import Pooling
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import FolderSource
from mmcore.data.sources.tables import Table
from mmcore.data.sources.written import WrittenCorpus
from mmcore.data.timing import time_notes
from mmcore.errors import CorpusError
from mmcore.events import Event, Note
from mmcore.quality import QualityRow
from mmcore.schema import CorpusSchema, Kind, Resample

Write = Callable[..., Path]
NAN = float("nan")
HOWS: list[Resample] = ["nearest", "mean", "max", "min", "last", "std", "mode"]
KINDS: list[Kind] = ["continuous"] * 6 + ["categorical"]

# Whole ticks of a tenth of a second, so that starts, ends and steps meet exactly in the oracle.
ticks = st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.just(None))
segments = st.lists(st.tuples(ticks, st.one_of(st.integers(-2, 20), st.just(None)), st.integers(0, 3)), max_size=12)


def stream_of(rows: list[tuple[int | None, int | None, int]]) -> tuple[Table, list[tuple[float, float]]]:
    spans = [
        (NAN if first is None else float(first), NAN if first is None or length is None else float(first + length))
        for first, length, _ in rows
    ]
    values_TF = np.array([[value] * len(HOWS) for *_, value in rows], np.float32).reshape(-1, len(HOWS))
    start_T, end_T = (np.array([span[at] for span in spans]) / 10.0 for at in (0, 1))
    return Table(start_T, values_TF, 0, end_T), spans


def winner(spans: list[tuple[float, float]], instant: float) -> int | None:
    """The row in force: of those that have started and not ended the latest start, then the latest row."""
    there = [row for row, (start, end) in enumerate(spans) if start <= instant < end]
    return max(there, key=lambda row: (spans[row][0], row)) if there else None


@given(segments, st.lists(st.integers(-5, 90), min_size=1, max_size=30, unique=True), st.booleans())
def test_a_step_has_the_segment_in_force(
    rows: list[tuple[int | None, int | None, int]], grid: list[int], hold: bool
) -> None:
    table, spans = stream_of(rows)
    stream = tidy(table)
    aligned = align(stream, np.array(sorted(grid)) / 10.0, KINDS, [], 0.05, 5.0, hold)
    used = set()
    for at, instant in enumerate(sorted(grid)):
        row = winner(spans, instant)
        assert aligned.present_S[at] == (row is not None)
        if row is None:
            assert np.isnan(aligned.values_SF[at]).all()
        else:
            used.add(row)
            assert aligned.values_SF[at, 0] == rows[row][2]
    assert aligned.rows_used == len(used)
    assert not aligned.interpolated_S.any()
    known = [(start, end) for start, end in spans if not math.isnan(start + end)]
    lasting = sorted([span for span in known if span[1] > span[0]], key=lambda span: span[0])
    assert stream.no_time == len(rows) - len(known)
    assert stream.empty_segments == len(known) - len(lasting)
    assert stream.overlaps == sum(
        start < max((end for _, end in lasting[:at]), default=-math.inf) for at, (start, _) in enumerate(lasting)
    )
    if lasting:
        assert stream.span == pytest.approx((lasting[0][0] / 10, max(end for _, end in lasting) / 10))
    else:
        assert stream.span is None


def slow_pool(weights: dict[int, float], rows: list[tuple[int | None, int | None, int]], how: Resample) -> float:
    values = {row: float(rows[row][2]) for row in weights}
    whole = sum(weights.values())
    mean = sum(weights[row] * values[row] for row in weights) / whole
    match how:
        case "mean":
            return mean
        case "std":
            return math.sqrt(sum(weights[row] * (values[row] - mean) ** 2 for row in weights) / whole)
        case "max":
            return max(values.values())
        case "min":
            return min(values.values())
        case _:
            raise AssertionError(how)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=20),
    st.booleans(),
)
def test_segments_shorter_than_a_step_have_their_part_by_their_seconds(
    rows: list[tuple[int | None, int | None, int]], causal: bool
) -> None:
    """Steps of one second; all instants of a window are asked one tick at a time."""
    table, spans = stream_of(rows)
    grid = range(0, 50, 10)
    stream = tidy(table)
    aligned = align(stream, np.array(grid) / 10.0, KINDS, [], 0.05, 5.0, causal, Pooling(1.0, HOWS))
    pooled = bool(aligned.pooled)
    assert stream.end_T is not None
    assert stream.time_T is not None
    assert pooled == (10 / float(np.median(10 * (stream.end_T - stream.time_T))) > 1.5 + 1e-5)
    for at, step in enumerate(grid):
        row = winner(spans, step)
        assert np.isnan(aligned.values_SF[at, 0]) if row is None else aligned.values_SF[at, 0] == rows[row][2]
        if not pooled:
            continue
        first, last = (step - 10, step) if causal else (step - 5, step + 5)
        weights: dict[int, float] = {}
        order: list[int] = []
        for tick in range(first, last):
            holder = winner(spans, tick + 0.5)
            if holder is not None:
                weights[holder] = weights.get(holder, 0.0) + 0.1
                order.append(holder)
        holder = winner(spans, last)
        if holder is not None:
            # In force at the window's last instant, which has no length of its own.
            weights.setdefault(holder, 1e-6)
            order.append(holder)
        if not weights:
            assert np.isnan(aligned.values_SF[at]).all()
            continue
        for column, how in enumerate(HOWS):
            if how in ("mean", "max", "min", "std"):
                expected = slow_pool(weights, rows, how)
                assert aligned.values_SF[at, column] == pytest.approx(expected, abs=2e-3)
        assert aligned.values_SF[at, HOWS.index("last")] == rows[order[-1]][2]
        shares = {code: sum(w for row, w in weights.items() if rows[row][2] == code) for code in range(4)}
        assert shares[int(aligned.values_SF[at, HOWS.index("mode")])] == pytest.approx(max(shares.values()), abs=1e-5)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 25), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(0, 4),
    st.integers(0, 20),
    st.booleans(),
)
def test_nothing_after_a_step_changes_it_where_the_last_value_holds(
    rows: list[tuple[int | None, int | None, int]], step: int, more: int, short: bool
) -> None:
    """Later segments get other values, and whatever is still in force at the step another end."""
    now = 10 * step
    pooling = Pooling(1.0, HOWS) if short else None
    bent = []
    for first, length, value in rows:
        assert first is not None
        assert length is not None
        if first > now:
            bent.append((first, length + more, value + 5))
        elif first + length > now:
            bent.append((first, now - first + 1 + more, value))
        else:
            bent.append((first, length, value))
    grid_S = np.arange(5.0)
    both = []
    for these in (rows, bent):
        stream = tidy(stream_of(these)[0])
        # Pooling is decided from the whole table: only tables that are pooled in both cases can be compared.
        assert stream.time_T is not None
        if pooling is not None and not pooling.applies(stream.time_T, stream.end_T):
            return
        both.append(align(stream, grid_S, KINDS, [], 0.05, 5.0, True, pooling).values_SF[: step + 1])
    np.testing.assert_array_equal(both[0], both[1])


def test_embeddings_in_force_have_unit_length() -> None:
    table = Table(np.array([0.0]), np.array([[3.0, 4.0]], np.float32), 0, np.array([2.0]))
    aligned = align(tidy(table), np.arange(3.0), ["embedding"] * 2, [(0, 2)], 0.05, 5.0)
    np.testing.assert_allclose(aligned.values_SF[:2], [[0.6, 0.8]] * 2, rtol=1e-6)
    assert aligned.present_S.tolist() == [True, True, False]


# From the files on -------------------------------------------------------------------------------------------------
@pytest.fixture
def talk(tiny_schema: WrittenCorpus, tiny_tables: Callable[..., Any]) -> tuple[WrittenCorpus, Tables]:
    """The tiny corpus whose sound is a table of segments in milliseconds."""
    tiny_schema["modalities"]["sound"] |= {"start": "from", "end": "to", "rate": 0.001}
    tables = tiny_tables({"a": 12, "b": 7})
    tables["sound"] = {
        "a": pd.DataFrame({"from": [0, 4000, 6500], "to": [3000, 6000, 9000], "level": [1, 2, 3], "speaking": 1}),
        "b": pd.DataFrame({"from": [0], "to": [7000], "level": [5], "speaking": 0}),
    }
    return tiny_schema, tables


def rows_of(prepared: Prepared, modality: str) -> dict[str, QualityRow]:
    return {row.item: row for row in prepared.quality if row.modality == modality}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_a_modality_of_segments_is_absent_between_them(
    talk: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path, suffix: str
) -> None:
    schema, tables = talk
    folder = write_tiny(schema=schema, tables=tables, suffix=suffix)
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    level = np.array(prepared.values["sound"][:12, 0])
    expected = [1, 1, 1, NAN, 2, 2, NAN, 3, 3, NAN, NAN, NAN]
    np.testing.assert_array_equal(level, expected)
    np.testing.assert_array_equal(prepared.present[:12, 0], ~np.isnan(expected))
    row = rows_of(prepared, "sound")["a"]
    assert (row.rows, row.rows_used, row.largest_gap, row.interpolated) == (3, 3, 1.0, 0.0)
    assert row.coverage == pytest.approx(7 / 12)
    assert row.seconds_outside == 0
    frame = FolderSource(folder).table("a", "sound")
    assert frame.columns.tolist() == ["start", "end", "level", "speaking"]
    assert frame["end"].tolist() == [3.0, 6.0, 9.0]


def test_targets_of_segments_count_within_them_and_decide_the_steps(
    write_tiny: Write, tiny_schema: WrittenCorpus, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables, tiny_schema["reference"] = tiny_tables({"a": 12, "b": 7}), None
    parameter = {"name": "mood", "kind": "categorical", "labels": ["sad", "glad"], "component": "mood"}
    tiny_schema["targets"] = {"from": "moods", "start": "start", "end": "end", "parameters": [parameter]}
    tables["moods"] = {"a": pd.DataFrame({"start": [2.0, 6.0], "end": [4.0, 8.0], "mood": ["glad", "sad"]})}
    prepared = prepare(write_tiny(schema=tiny_schema, tables=tables), DataConfig(), tmp_path / "cache")
    # From second 2 to before 8: with the end of the last label there is nothing to count.
    assert prepared.items[0].steps == 6
    np.testing.assert_array_equal(prepared.target[:6, 0, 0], [1, 1, NAN, NAN, 0, 0])


def test_without_a_reference_a_segments_end_counts(
    talk: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path
) -> None:
    schema, tables = talk
    schema["reference"] = None
    tables["sound"]["a"].loc[2, "to"] = 20_000
    prepared = prepare(write_tiny(schema=schema, tables=tables), DataConfig(), tmp_path / "cache")
    assert prepared.items[0].steps == 20
    assert prepared.present[:20, 0].sum() == 3 + 2 + 13


def test_a_single_long_segment_meets_the_others_and_a_shifted_one_is_told(
    talk: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path
) -> None:
    schema, tables = talk
    prepared = prepare(write_tiny("near", schema=schema, tables=tables), DataConfig(), tmp_path / "cache")
    assert not rows_of(prepared, "sound")["b"].apart
    tables["sound"]["a"][["from", "to"]] += 3_600_000
    prepared = prepare(write_tiny("far", schema=schema, tables=tables), DataConfig(), tmp_path / "cache")
    told = rows_of(prepared, "sound")["a"].apart
    assert told == "times 3600–3609 s against 0–11 s: an offset of 3600 s? Set offset: -3600 in corpus.yaml"


def test_faults_of_segments_are_counted_and_told(
    talk: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path
) -> None:
    schema, tables = talk
    tables["sound"]["a"] = pd.DataFrame(
        {
            "from": [0, 2000, 5000, np.nan, 8000, 9200],
            "to": [4000, 3000, 5000, 7000, np.nan, 9700],
            "level": range(6),
            "speaking": 0,
        }
    )
    events: list[Event] = []
    prepared = prepare(write_tiny(schema=schema, tables=tables), DataConfig(), tmp_path / "cache", events.append)
    np.testing.assert_array_equal(prepared.values["sound"][:5, 0], [0, 0, 1, 0, NAN])
    row = rows_of(prepared, "sound")["a"]
    assert (row.overlaps, row.empty_segments, row.no_time) == (1, 1, 2)
    assert "1 segment is shorter than a step, lies between two steps and is not read" in row.warnings
    notes = [event.text for event in events if isinstance(event, Note)]
    for text in (
        "sound: 1 segment starts before an earlier one has ended in 1 item (a); of several the one that started "
        "last is read",
        "sound: 1 segment does not end after its start in 1 item (a), and is left out",
        "sound: 2 rows have no time in 1 item (a), and are left out",
    ):
        assert text in notes
        assert text in time_notes(prepared.quality)


def test_a_table_whose_segments_all_run_backwards_is_refused(
    talk: tuple[WrittenCorpus, Tables], write_tiny: Write, tmp_path: Path
) -> None:
    schema, tables = talk
    schema["modalities"]["sound"] |= {"start": "to", "end": "from"}
    folder = write_tiny(schema=schema, tables=tables)
    with pytest.raises(CorpusError, match=r"must end after its start; found no row that does; the first has to 3000 "):
        prepare(folder, DataConfig(), tmp_path / "cache")


@pytest.mark.parametrize("interpolation", ["linear", "last"])
@pytest.mark.parametrize("short", [False, True])
def test_no_later_cell_of_a_file_changes_an_earlier_step(
    talk: tuple[WrittenCorpus, Tables],
    write_tiny: Write,
    tmp_path: Path,
    interpolation: Literal["linear", "last"],
    short: bool,
) -> None:
    """From the file on; pooled windows that reach half a step ahead (linear) show that the test can see."""
    schema, tables = talk
    start = np.arange(0, 12_000, 250 if short else 1500)
    frame = pd.DataFrame({"from": start, "to": start + (200 if short else 1300)})
    frame["level"], frame["speaking"] = np.arange(len(start), dtype=float), 0
    tables["sound"]["a"] = frame
    config = DataConfig(interpolation=interpolation)
    clean = prepare(write_tiny("clean", schema=schema, tables=tables), config, tmp_path / "cache")
    for step in (2, 5, 8):
        bent = frame.copy()
        later = bent["from"] > 1000 * step
        bent.loc[later, "level"] += 100.0
        bent.loc[bent["to"] > 1000 * step, "to"] += 10
        changed_tables = {**tables, "sound": {**tables["sound"], "a": bent}}
        changed = prepare(write_tiny(f"c{step}", schema=schema, tables=changed_tables), config, tmp_path / "cache")
        before, after = np.array(clean.values["sound"][:12]), np.array(changed.values["sound"][:12])
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        first = int(np.flatnonzero(~same.all(axis=1))[0])
        assert first == step if short and interpolation == "linear" else first > step


def test_the_lag_of_segments_is_where_they_start_and_end(
    write_corpus: Callable[..., Path],
    tiny_tables: Callable[..., Any],
    tiny_schema: WrittenCorpus,
    tmp_path: Path,
) -> None:
    """The level jumps when a segment begins or ends, three seconds late; the segments' own value never changes."""
    tables = tiny_tables({f"v{index}": 300 for index in range(4)})
    tiny_schema["modalities"]["words"] = {"start": "start", "end": "end", "features": [{"name": "there"}]}
    tables["words"] = {}
    for index in range(4):
        rng = np.random.default_rng(index)
        edges = np.cumsum(rng.integers(4, 15, 60))
        edges = edges[edges < 290]
        spoken = np.zeros(310)
        for first, last in zip(edges[::2], edges[1::2], strict=False):
            spoken[first:last] = 1
        tables["sound"][f"v{index}"]["level"] = np.append(np.zeros(3), spoken)[:300] + 0.1 * rng.normal(size=300)
        tables["words"][f"v{index}"] = pd.DataFrame(
            {"start": edges[: len(edges) // 2 * 2 : 2], "end": edges[1::2][: len(edges) // 2], "there": 1.0}
        )
    folder = write_corpus(tmp_path / "corpus", tables=tables, schema=tiny_schema)
    found = {(lag.modality, lag.against): lag for lag in lags_of(prepare(folder, DataConfig(), tmp_path / "cache"))}
    lag = found["sound", "words"]
    assert (lag.verdict, lag.seconds) == ("lag", 3.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": "from"}, "start is given without end"),
        ({"end": "to"}, "end is given without start"),
        ({"start": "from", "end": "from"}, "start and end both name column 'from'"),
        ({"start": "from", "end": "to", "time": "t"}, "time and start, end each say when rows are"),
        ({"start": "from", "end": "to", "sampling_rate": 10}, "sampling_rate and start, end each say when rows are"),
        ({"time": "t", "sampling_rate": 10}, "time and sampling_rate each say when rows are"),
        ({"sampling_rate": 10, "rate": 0.001}, "Write the true sampling_rate alone"),
        ({"sampling_rate": "10/0"}, "sampling_rate '10/0' is not a fraction"),
        ({"start": "level", "end": "to"}, "'level' cannot be a feature: it holds times"),
        ({"sart": "from"}, "start"),
    ],
)
def test_a_clock_that_says_two_things_is_refused(
    tiny_schema: WrittenCorpus, change: Mapping[str, object], says: str, write_tiny: Write
) -> None:
    tiny_schema["modalities"]["sound"] |= change
    with pytest.raises(CorpusError, match=re.escape(says)):
        FolderSource(write_tiny(schema=tiny_schema))


def test_segments_are_no_grid_and_have_no_place_without_times(tiny_schema: WrittenCorpus) -> None:
    tiny_schema["modalities"]["track"] |= {"start": "s", "end": "e"}
    with pytest.raises(ValueError, match="reference 'track' holds segments"):
        CorpusSchema.model_validate(tiny_schema)
    tiny_schema["reference"] = None
    CorpusSchema.model_validate(tiny_schema)
    with pytest.raises(ValueError, match="there are no times: leave out start, end"):
        CorpusSchema.model_validate(tiny_schema | {"step": None})
    tiny_schema["targets"]["start"], tiny_schema["targets"]["end"] = "s", "e"
    with pytest.raises(ValueError, match=r"Write start, end and resample in modalities\.track"):
        CorpusSchema.model_validate(tiny_schema)
    own = {"from": "mood", "parameters": [{"name": "s", "component": "c"}], "start": "s", "end": "e"}
    with pytest.raises(ValueError, match="column 's' of the targets holds times"):
        CorpusSchema.model_validate(tiny_schema | {"targets": own})
    with pytest.raises(ValueError, match="a target of scope item has one row, so there are no times"):
        CorpusSchema.model_validate(tiny_schema | {"targets": {**own, "scope": "item"}})
