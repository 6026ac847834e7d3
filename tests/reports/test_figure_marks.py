"""Seaborn draws every figure, on given axes, and computes nothing of its own."""

import importlib
import inspect
import pkgutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_hex

from reports.figures.base import FigureBase
from reports.figures.marks import band, cells, curve, dots, shades
from reports.figures.style import PAPER, legend_over_all, sheet
from reports.sections.search.figures import figures as search_figures
from reports.sections.standard import overview_figures
from reports.summary.build import summarise
from tests.reports.test_figures import figures as of_study
from tests.reports.test_search import make_search

ROOMS = ("figures", "sections.arms", "sections.items", "sections.reliability", "sections.search")
DRAWING = [name for name in dir(sns) if name.endswith(("plot", "heatmap"))]


def classes():
    """Every class of these rooms that has a caption of its own: a figure."""
    found = set()
    for room in ROOMS:
        package = importlib.import_module(f"reports.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if room == "figures" or module.name.rpartition(".")[2].startswith("figures"):
                members = vars(importlib.import_module(module.name)).values()
                found |= {c for c in members if inspect.isclass(c) and "title" in vars(c)}
    return found


@pytest.fixture(scope="module")
def drawable(results_of, study_of):
    """Every figure of a study with items, classes, weights, costs and a search for two objectives."""
    study = study_of(("track_only", "multimodal", "audio"), repeats=6, margin=0.03)
    results = results_of(study, effects={"multimodal": 0.2}, items=40, calibrated=True)
    scores = pd.concat([results.scores, results.scores.assign(split="validation")], ignore_index=True)
    results = replace(results, scores=scores, search=(make_search(objectives=2, trials=20),))
    return [*of_study(results), *overview_figures(results, summarise(results).metric), *search_figures(results)]


def test_every_figure_has_the_same_base(drawable):
    assert len(classes()) > 15
    assert all(issubclass(c, FigureBase) for c in classes())
    assert {type(figure) for figure in drawable} == classes()


def test_seaborn_draws_every_figure_and_draws_no_lots(drawable, monkeypatch):
    calls = Counter()

    def counted(name, function):
        def call(*args, **options):
            assert options["ax"] is not None, "pyplot would choose the axes"
            assert name != "lineplot" or options["estimator"] is None, "seaborn would draw an interval of its own"
            calls[name] += 1
            return function(*args, **options)

        return call

    for name in DRAWING:
        monkeypatch.setattr(sns, name, counted(name, getattr(sns, name)))
    for figure in drawable:
        calls.clear()
        figure.draw()
        assert calls, figure.name


def test_a_table_is_made_once(drawable, monkeypatch):
    for figure in drawable:
        table = figure.frame()
        monkeypatch.setattr(figure, "numbers", lambda: pytest.fail("a second time"))
        figure.draw()
        assert figure.frame() is table


@pytest.fixture
def axes():
    return sheet(2.0)[1][0]


def test_a_value_that_is_missing_leaves_a_gap(axes):
    mean = [1.0, 2.0, np.nan, 4.0, 5.0]
    table = pd.DataFrame({"epoch": range(5), "mean": mean, "low": mean, "high": mean})
    band(axes, table, "epoch", 0, "arm")
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0, 1], [3, 4]]
    legend_over_all(axes.figure)
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["arm"]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_nothing_known_draws_nothing(axes, values):
    table = pd.DataFrame({"x": range(len(values)), "y": values, "of": 0})
    curve(axes, table, "x", "y")
    curve(axes, table, "x", "y", "of")
    dots(axes, table, "x", "y", tint="#16191d")
    assert not axes.lines
    assert not axes.collections


def test_lines_of_one_table_are_drawn_apart(axes):
    table = pd.DataFrame({"x": [0, 1, 0, 1], "y": [1.0, 2.0, 3.0, 4.0], "of": ["a", "a", "b", "b"]})
    curve(axes, table, "x", "y", "of")
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 2], [3, 4]]


def test_marks_are_open_or_filled_row_by_row(axes):
    table = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}, index=[7, 3])
    dots(axes, table, "x", "y", tint=["#112233", "#445566"], shape=["o", "v"], filled=[True, False], size=[5, 7])
    (marks,) = axes.collections
    assert [to_hex(c) for c in marks.get_facecolor()] == ["#112233", PAPER]
    assert [to_hex(c) for c in marks.get_edgecolor()] == ["#112233", "#445566"]
    assert marks.get_sizes().tolist() == [25, 49]
    assert marks.get_offsets().tolist() == [[1, 3], [2, 4]]
    assert len(marks.get_paths()[0]) != len(marks.get_paths()[1])


def test_names_of_axes_are_our_own(axes):
    axes.set(xticks=[], yticks=[], ylabel="ours")
    cells(axes, pd.DataFrame([[0.0, 1.0]]), shades("#112233", "#445566"))
    dots(axes, pd.DataFrame({"x": [0.5], "y": [0.5]}), "x", "y", tint="#112233")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("", "ours")
    assert axes.yaxis.label.get_visible()


def test_plots_that_are_left_over_are_blank():
    figure, plots = sheet(3.0, 3, 2)
    assert len(plots) == 3
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
