"""Seaborn draws every figure, on given axes, and computes nothing of its own."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from factories import foreign, lattices
from factories.answers import attention_answer, corruption_answer, gates_answer
from factories.answers_of_errors import errors_answer
from factories.figures import figures as of_study
from factories.searches import make_search
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from reports import sections
from reports.figures import forest
from reports.figures.across import VerdictsByPart
from reports.figures.base import FigureBase
from reports.figures.curves import LearningCurves
from reports.figures.forest import Verdicts
from reports.figures.marks import bars, cells, curve, curves, dots, shades, strands, trace
from reports.figures.style import PAPER, legend_over_all, sheet
from reports.figures.svg import to_svg
from reports.sections.build import figures as section_figures
from reports.sections.search.figures import figures as search_figures
from reports.sections.standard import overview_figures
from reports.summary.build import summarise

DRAWING = [name for name in dir(sns) if name.endswith(("plot", "heatmap"))]

BARE = {
    "plot", "scatter", "bar", "barh", "step", "errorbar", "hist", "hist2d", "stem", "boxplot", "violinplot", "fill",
    "fill_between", "fill_betweenx", "stackplot", "imshow", "matshow", "pcolor", "pcolormesh", "contour", "contourf",
    "tricontour", "tricontourf", "add_patch", "add_collection", "add_line",
}  # fmt: skip
"""What matplotlib draws by itself. Lines without data of their own (``hlines``, ``axvline``) are not among it: seaborn
has none, and its intervals are estimates of its own, not those of our statistics."""
BY_MATPLOTLIB = {
    ("reports.figures.marks", "add_line"): "a sign for the legend alone, without data",
    (
        "reports.figures.marks",
        "plot",
    ): "lines as they are, up to a thousand a page: seaborn takes three to ten times as long",
    ("reports.figures.marks", "fill_between"): "seaborn's band is its own estimate",
    ("reports.figures.forest", "barh"): "the margin's bar lies around 0; seaborn's begin there",
    ("reports.figures.corpus_item", "pcolormesh"): "a column is as wide as its row lasts; seaborn's cells are equal",
    ("reports.sections.attention.figures_maps", "add_patch"): "one path a shade; cells would make a page too large",
}


def modules():
    """Every module in which figures are drawn."""
    rooms = sorted(path.parent.name for path in Path(sections.__path__[0]).glob("*/figures.py"))
    for room in ("figures", *(f"sections.{room}" for room in rooms)):
        package = importlib.import_module(f"reports.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if room == "figures" or module.name.rpartition(".")[2].startswith("figures"):
                yield importlib.import_module(module.name)


def classes():
    """Every class of these modules that is described in words: a figure."""
    found = {c for module in modules() for c in vars(module).values() if inspect.isclass(c)}
    return {c for c in found if hasattr(c, "description") and not inspect.isabstract(c)}


@pytest.fixture(scope="module")
def drawable(results_of, study_of, records_of):
    """Every figure of a study with items, classes, weights, costs, a search for two objectives and all analyses."""
    study = study_of(("track_only", "multimodal", "audio"), repeats=6, margin=0.03)
    results = results_of(study, effects={"multimodal": 0.2}, items=40, calibrated=True)
    scores = pd.concat([results.scores, results.scores.assign(split="validation")], ignore_index=True)
    results = replace(results, scores=scores, search=(make_search(objectives=2, trials=20),))
    analyses = section_figures(analysed(study_of, records_of))
    metric = summarise(results).metric
    with pytest.MonkeyPatch.context() as patch:
        # As if its forest plot were too tall.
        patch.setattr(forest, "AT_ONCE", 0)
        verdicts = Verdicts(summarise(results))
    parts = foreign.results(foreign.scores({"a": 0.1, "b": 0.2}, parts=("x", "y")), part="data set")
    return [
        *of_study(results),
        *overview_figures(results, metric),
        *search_figures(results),
        *analyses,
        VerdictsByPart(summarise(parts)),
        verdicts,
    ]


def analysed(study_of, records_of):
    """Results of a study whose arm with all modalities was asked everything."""
    study = lattices.lattice_study(study_of, repeats=6)
    results = lattices.trained(study, records_of)
    whole = "+".join(lattices.NAMES)
    answers = list(lattices.asked(results, whole).analyses)
    for repeat in range(study.repeats):
        answers += [
            gates_answer(whole, repeat),
            replace(attention_answer("cross_modal", repeat), arm=whole),
            corruption_answer(whole, repeat, fall=0.3, reads=lattices.NAMES, noise=0.01 * repeat),
            errors_answer(whole, repeat, 1 + 0.05 * repeat, speech=0.7),
        ]
    drift = {f"gate/{name}": 0.5 for name in lattices.NAMES}
    return replace(results, analyses=tuple(answers), history=results.history.assign(**drift))


def test_every_figure_has_the_same_base(drawable):
    assert len(classes()) > 30
    assert all(issubclass(c, FigureBase) for c in classes())
    with_numbers = [figure for figure in drawable if not figure.frame().dropna(subset=[figure.value]).empty]
    assert {type(figure) for figure in with_numbers} == classes()


def test_matplotlib_draws_only_what_seaborn_cannot():
    found = set()
    for module in modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BARE:
                found.add((module.__name__, node.func.attr))
    assert found == set(BY_MATPLOTLIB)


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
        if not figure.frame().dropna(subset=[figure.value]).empty:
            calls.clear()
            figure.draw()
            assert calls, figure.name


def test_a_table_is_made_once(drawable, monkeypatch):
    for figure in drawable:
        table = figure.frame()
        monkeypatch.setattr(figure, "numbers", lambda: pytest.fail("a second time"))
        assert figure.frame() is table


@pytest.fixture
def axes():
    return sheet(2.0)[1][0]


def test_a_value_that_is_missing_leaves_a_gap(axes):
    mean = [1.0, 2.0, np.nan, 4.0, 5.0]
    table = pd.DataFrame({"epoch": range(5), "mean": mean, "low": mean, "high": mean})
    with curves(axes) as lines:
        lines.band(table, "epoch", 0, "arm")
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0, 1], [3, 4]]
    legend_over_all(axes.figure)
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["arm"]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_nothing_known_draws_nothing(axes, values):
    table = pd.DataFrame({"x": range(len(values)), "y": values})
    curve(axes, table, "x", "y")
    strands(axes, np.array([values]))
    trace(axes, np.arange(len(values)), np.array(values, dtype=float))
    dots(axes, table, "x", "y", tint="#16191d")
    assert not axes.lines
    assert not axes.collections


def test_lines_of_many_are_drawn_apart(axes):
    strands(axes, np.array([[1.0, 2.0, np.nan], [np.nan, 3.0, 4.0]]))
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[0, 1], [1, 2]], [[1, 3], [2, 4]]]


def test_a_trace_is_the_curve_of_seaborn(axes):
    x_N, y_N = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0]), np.array([np.nan, 1.0, 2.0, np.nan, 3.0, np.nan])
    look = {"color": "#112233", "marker": "o", "markersize": 4.0, "markeredgewidth": 1.0, "markeredgecolor": "#112233"}
    trace(axes, x_N, y_N, **look)
    curve(axes, pd.DataFrame({"x": x_N, "y": y_N}), "x", "y", **look)
    assert [line.get_xydata().tolist() for line in axes.lines[:2]] == [[[1.0, 1.0], [1.5, 2.0]], [[2.5, 3.0]]]
    properties = [{**line.properties(), "children": 0, "data": 0} for line in axes.lines]
    for name in ("xydata", "color", "marker", "markersize", "markeredgewidth", "markeredgecolor", "linestyle", "label"):
        drawn = [repr(one[name]) for one in properties]
        assert drawn[:2] == drawn[2:] or name == "label"


def test_curves_have_their_own_looks_and_their_order(axes):
    x, looks = [0.0, 1.0, 2.0, 3.0], [{"color": "#112233", "linewidth": 2.0, "linestyle": (0, (5, 2)), "label": "a"}]
    looks += [{"color": "#445566", "marker": "s", "drawstyle": "steps-post"}, {"color": "#778899", "zorder": 1}]
    tables = [pd.DataFrame({"x": x, "y": y}) for y in ([1.0, np.nan, 3.0, 4.0], [np.inf, 2.0, 2.0, 2.0], [0.0] * 4)]
    tables[2]["x"] = x[::-1]
    with curves(axes) as lines:
        for table, look in zip(tables, looks, strict=True):
            lines.curve(table, "x", "y", **look)
        assert not axes.lines
    one_by_one = sheet(2.0)[1][0]
    for table, look in zip(tables, looks, strict=True):
        curve(one_by_one, table, "x", "y", **look)
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert drawn[:2] == [[[0, 1]], [[2, 3], [3, 4]]]
    assert drawn[2:] == [[[1, 2], [2, 2], [3, 2]], [[0, 0], [1, 0], [2, 0], [3, 0]]]
    assert drawn == [line.get_xydata().tolist() for line in one_by_one.lines]
    for name in ("color", "linewidth", "marker", "drawstyle", "zorder", "linestyle", "markeredgewidth"):
        together, alone = ([line.properties()[name] for line in a.lines] for a in (axes, one_by_one))
        assert together == alone
    assert [line.get_label() for line in axes.lines[:2]] == ["a", "a"]
    assert [line.get_color() for line in axes.lines] == ["#112233", "#112233", "#445566", "#778899"]
    assert axes.lines[0]._dash_pattern == one_by_one.lines[0]._dash_pattern == (0, [10, 4])
    lines.draw()
    assert len(axes.lines) == 4, "a curve is drawn once"


@pytest.mark.parametrize("heights", [[1.0, 0.0, np.nan, 2.0], [3.0]])
def test_bars_stand_apart_on_zero(axes, heights):
    x = 10.0 + 0.5 * np.arange(len(heights))
    bars(axes, x, np.array(heights), 0.25, color="#112233", alpha=0.5)
    (outline,) = axes.collections
    assert to_hex(outline.get_facecolor()[0], keep_alpha=True) == "#11223380"
    assert outline.get_linewidth().tolist() == [0]
    (path,) = outline.get_paths()
    for at, height in zip(x, np.nan_to_num(heights), strict=True):
        places = (-0.21, -0.19, 0.0, 0.19, 0.21)
        for shift, inside in zip(places, (False, True, True, True, False), strict=True):
            assert path.contains_point((at + shift, 0.98 * height)) == (inside and height > 0)
        assert not path.contains_point((at, 1.02 * height + 0.01))
    assert axes.get_ylim()[0] == 0
    assert axes.get_xlim()[0] < x[0] - 0.2


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


def test_rounding_of_a_layout_leaves_no_trace_in_a_file():
    def drawn(width):
        figure = Figure(figsize=(3, 2))
        figure.add_axes((0.1, 0.1, width, 0.8)).plot([0, 1], [0, 1], marker="o", label="id 0123456789")
        figure.axes[0].axvspan(0.2, 0.4, hatch="//")
        figure.axes[0].legend()
        return to_svg(figure)

    assert drawn(0.8) == drawn(0.8 + 2e-16)
    assert drawn(0.8) != drawn(0.7)
    assert "id 0123456789" in drawn(0.8)
    ids = re.findall(r'id="([^"]*)"', drawn(0.8))
    assert len(ids) == len(set(ids))
    assert {ref for pair in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', drawn(0.8)) for ref in pair if ref} <= set(
        ids
    )


def test_plots_that_are_left_over_are_blank():
    figure, plots = sheet(3.0, 3, 2)
    assert len(plots) == 3
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def test_epochs_are_whole_also_where_there_is_one(results_of):
    results = results_of()
    first = results.history[results.history["epoch"] == results.history["epoch"].min()]
    figure = LearningCurves(replace(results, history=first)).draw()
    axis = figure.axes[1].xaxis
    ticks = [tick for tick in axis.get_ticklocs() if axis.get_view_interval()[0] <= tick <= axis.get_view_interval()[1]]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)
