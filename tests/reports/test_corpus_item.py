"""The picture of one item: what is absent is where the rows say, and no stream is too odd to be drawn."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from reports.figures.corpus_item import ItemStream, absent_spans, draw_item


def points(*times: float, values: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"time": times, "x": values or [1.0] * len(times)})


SEGMENTS = ("start", "end")


def wide(*times: float) -> pd.DataFrame:
    return pd.DataFrame({"time": times, **{f"c{at}": np.arange(len(times)) + at for at in range(6)}})


@pytest.mark.parametrize(
    ("frame", "spans"),
    [
        (None, [(0.0, 10.0)]),
        (points(), [(0.0, 10.0)]),
        (points(*np.arange(0, 10.5, 0.5)), []),
        (points(*np.arange(0, 10, 0.5)), []),
        (points(2.0, 3.0, 4.0), [(0.0, 2.0), (4.0, 10.0)]),
        (points(0.0, 1.0, 2.0, 9.0, 10.0), [(2.0, 9.0)]),
        (points(0.0, 4.0, 8.0, 10.0), []),
        (points(0.0, 5.0, 10.0, values=[1.0, np.nan, 1.0]), [(0.0, 10.0)]),
        (points(0.0, 1.0, values=[np.nan, np.nan]), [(0.0, 10.0)]),
        (pd.DataFrame({"start": [1.0, 3.0], "end": [2.0, 10.0], "x": [1.0, 2.0]}), [(0.0, 1.0), (2.0, 3.0)]),
        (pd.DataFrame({"start": [0.0, 1.0], "end": [9.0, 2.0], "x": [1.0, 2.0]}), [(9.0, 10.0)]),
        (pd.DataFrame({"x": np.ones(11)}), []),
    ],
    ids=[
        "lacking", "empty", "whole", "last row lasts", "inside", "gap", "short gap", "empty row", "no value",
        "segments", "overlap", "rows",
    ],
)  # fmt: skip
def test_what_is_absent(frame: pd.DataFrame | None, spans: list[tuple[float, float]]) -> None:
    times = () if frame is None else tuple(name for name in ("time", "start", "end") if name in frame)
    assert absent_spans(ItemStream("m", frame, times), 0.0, 10.0, 5.0) == spans


def test_a_line_is_not_drawn_across_a_gap() -> None:
    frame = points(0.0, 1.0, 2.0, 9.0, 10.0, values=[1.0, 2.0, np.nan, 4.0, 5.0])
    (ax,) = draw_item("item", [ItemStream("m", frame, kinds=["continuous"])]).axes
    drawn = [sorted(line.get_xdata()) for line in ax.lines]
    assert drawn == [[0.0, 1.0], [9.0, 10.0]]


def test_segments_are_drawn_from_start_to_end() -> None:
    frame = pd.DataFrame({"start": [0.0, 2.0], "end": [1.5, 3.0], "who": [1.0, 0.0]})
    (ax,) = draw_item("item", [ItemStream("m", frame, SEGMENTS, ["categorical"], {"who": ["ann", "bo"]})]).axes
    (bars,) = ax.collections
    assert [path.vertices.tolist() for path in bars.get_paths()] == [[[0.0, 1.0], [1.5, 1.0]], [[2.0, 0.0], [3.0, 0.0]]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ann", "bo"]


@pytest.mark.parametrize(
    "streams",
    [
        [ItemStream("m", None)],
        [ItemStream("m", points())],
        [ItemStream("m", points(3.0))],
        [ItemStream("m", points(2.0, 1.0, np.nan, 1.0, values=[1.0, 2.0, 3.0, 4.0]))],
        [ItemStream("m", points(0.0, 1.0, values=[np.nan, np.nan]), kinds=["binary"])],
        [ItemStream("$x^2$ <b>", points(0.0, 1.0), units={"x": "$"})],
        [ItemStream("m", pd.DataFrame({"start": [1.0, 2.0], "end": [1.0, 0.0]}), (), ["categorical"] * 2)],
        [ItemStream("m", pd.DataFrame(np.ones((50, 700))).rename(columns=str), (), ["embedding"] * 700)],
        [ItemStream("m", wide(0.0))],
        [ItemStream("m", wide(3.0, 1.0, 1.0, 20.0))],
        [ItemStream("m", pd.DataFrame({"start": [0.0], "end": [1.0], "a": [1.0], "b": [0.0]}), SEGMENTS)],
        [
            ItemStream("m", wide(0.0).assign(start=0.0, end=1.0).drop(columns="time"), SEGMENTS),
            ItemStream("t", points(2.0), target=True),
        ],
    ],
    ids=[
        "absent", "empty", "one row", "out of order", "no value", "signs", "steps", "wide", "one wide row",
        "wide with a gap", "segments", "wide segments",
    ],
)  # fmt: skip
def test_odd_streams_are_drawn(streams: list[ItemStream]) -> None:
    drawing = draw_item("item", streams, seconds=bool(streams[0].times))
    drawing.savefig(io.BytesIO(), format="png", dpi=40)
    assert drawing.axes


def test_what_is_told_stands_below_the_axis() -> None:
    drawing = draw_item("item", [ItemStream("m", points(0.0, 1.0))], footer="target: mood = sad")
    drawing.savefig(io.BytesIO(), format="png")
    (text,) = drawing.texts
    assert text.get_window_extent().y1 < min(ax.get_tightbbox().y0 for ax in drawing.axes)
