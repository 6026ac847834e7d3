"""Ticks are placed and measured once where nothing changed, and the drawing is the same."""

from collections import Counter
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

from reports.figures import svg
from reports.figures.marks import curve
from reports.figures.measuring import ticks_measured_once
from reports.figures.style import abreast, house_style, log_ticks, sheet
from reports.figures.svg import to_svg


def shared():
    """Plots with common axes, each wide and each narrow, whose ticks have a common factor that is written apart."""
    figure, plots = abreast(["one", "another", "a third"], 0.6, 1.4, "x", "y")
    for at, axes in enumerate(plots):
        curve(axes, pd.DataFrame({"x": np.arange(5.0), "y": 1e7 + np.arange(5.0) * 10**at}), "x", "y", label="of it")
    plots[0].get_gridspec().set_width_ratios([1, 3])
    return figure


def logarithmic():
    figure, (axes, other) = sheet(2.5, 2, 2)
    for one, last in ((axes, 30.0), (other, 3e5)):
        values = np.geomspace(2.0, last, 9)
        one.set_xscale("log")
        curve(one, pd.DataFrame({"x": values, "y": values}), "x", "y", label="of it")
        log_ticks(one.xaxis, [*values])
    return figure


def named():
    """Names of very different length: what they take changes the room that the plots have, and so their ticks."""
    figure, plots = sheet(3.0, 2, 2)
    for axes, name in zip(plots, ("a", "a name that is as long as half of the figure"), strict=True):
        axes.set_yticks([0.0, 1.0], [name, "b"])
        axes.plot([0.0, 12345.678], [0.0, 1.0])
        axes.set_title("a title")
        axes.invert_xaxis()
    return figure


def cut():
    """Limits that leave ticks outside at both ends, also on an axis by log and on one that runs down."""
    figure, (axes, other) = sheet(2.5, 2, 2)
    axes.set_xscale("log")
    curve(axes, pd.DataFrame({"x": np.geomspace(2.0, 3e5, 9), "y": np.arange(9.0)}), "x", "y", label="of it")
    axes.set_xlim(2.0, 3e5)
    other.plot([0.013, 0.987], [-0.4, 12345.6])
    other.invert_yaxis()
    return figure


def bold():
    """A tick that was chosen among all, also those outside of the view."""
    figure, (axes,) = sheet(2.0)
    axes.plot([0.1, 0.9], [0.1, 0.9])
    axes.set_ylim(0.15, 0.95)
    axes.get_yticklabels()[2].set_fontweight("bold")
    return figure


@pytest.mark.parametrize("drawing", [shared, logarithmic, named, cut, bold])
def test_the_same_bytes_for_half_of_the_work(drawing, monkeypatch):
    calls = {"_update_ticks": 0, "_get_ticklabel_bboxes": 0}

    def counted(name, method):
        def call(*given):
            calls[name] += 1
            return method(*given)

        return call

    for name in calls:
        monkeypatch.setattr(Axis, name, counted(name, getattr(Axis, name)))

    def drawn():
        with house_style():
            made = drawing()
        calls.update(dict.fromkeys(calls, 0))
        return to_svg(made), dict(calls)

    ours, work = drawn()
    monkeypatch.setattr(svg, "ticks_measured_once", lambda of: nullcontext())
    theirs, usual = drawn()
    assert ours == theirs
    assert all(2 * work[name] <= usual[name] for name in calls), (work, usual)


def test_ticks_outside_of_the_view_are_not_made():
    with house_style():
        figure = cut()
    to_svg(figure)
    outside = 0
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        locs, (low, high) = axis.get_majorticklocs(), sorted(axis.get_view_interval())
        inside = [loc for loc in locs if low <= loc <= high]
        assert len(axis.majorTicks) == max(1, len(inside))
        outside += len(locs) - len(inside)
    assert outside


@pytest.mark.parametrize("drawing", [shared, logarithmic, named, cut])
def test_a_label_is_laid_out_once(drawing, monkeypatch):
    with house_style():
        figure = drawing()
    counts, lay_out = Counter(), Text._get_layout

    def counted(text, renderer):
        counts[text, text.get_text()] += 1
        return lay_out(text, renderer)

    monkeypatch.setattr(Text, "_get_layout", counted)
    to_svg(figure)
    labels = {tick.label1 for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.majorTicks}
    of_labels = [count for (text, _), count in counts.items() if text in labels]
    assert len(of_labels) > 3
    assert set(of_labels) == {1}
    assert not [text for text in labels if "_get_layout" in vars(text)]


def test_what_was_measured_for_one_figure_is_known_for_the_next(monkeypatch):
    def drawn(size=None):
        with house_style():
            figure = shared()
            if size:
                figure.axes[0].set_title("one", fontsize=size)
        return to_svg(figure)

    first = drawn()
    measured, measure = [], TextToPath.get_text_width_height_descent
    note = lambda self, text, *how: (measured.append(text), measure(self, text, *how))[1]  # noqa: E731
    monkeypatch.setattr(TextToPath, "get_text_width_height_descent", note)
    assert drawn() == first
    assert measured == []
    assert drawn(23.5) != first
    assert measured.count("one") == 1


def test_what_changes_later_is_drawn_as_it_is():
    with house_style():
        figure, (axes,) = sheet(2.0)
        axes.plot([0.0, 1.0], [0.0, 1.0])
    before = to_svg(figure)
    axes.set_xlim(0.0, 300.0)
    after = to_svg(figure)
    assert (">300<" in before, ">300<" in after) == (False, True)
    assert not set(vars(axes.xaxis)) & {"_update_ticks", "_get_ticklabel_bboxes"}


def test_a_formatter_that_axes_share_has_the_ticks_of_whichever_is_looked_at(monkeypatch):
    with house_style():
        figure, (wide, narrow) = sheet(3.0, 2, 2, sharex=True)
        formatter = wide.xaxis.get_major_formatter()
        assert formatter is narrow.xaxis.get_major_formatter()
        own = {wide: [0.0, 0.5, 1.0], narrow: [0.0, 1.0]}
        for axes, locs in own.items():
            monkeypatch.setattr(axes.xaxis, "get_majorticklocs", lambda locs=locs: locs)
        told = []
        set_locs = formatter.set_locs
        monkeypatch.setattr(formatter, "set_locs", lambda locs: (told.append(locs), set_locs(locs)))
        with ticks_measured_once(figure):
            for axes in (wide, narrow, wide, wide, narrow):
                axes.xaxis._update_ticks()
                assert told[-1] == own[axes]
    assert len(told) == 4
