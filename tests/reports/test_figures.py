import math
import multiprocessing
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from factories.figures import costly, figures, weighted
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle

from reports.figures.cost import CostAgainstScore, pareto
from reports.figures.curves import LearningCurves
from reports.figures.forest import Forest
from reports.figures.heatmap import DifferencesByComponent
from reports.figures.repeats import ScoresByRepeat
from reports.figures.style import COLOURS, LINES, MARKERS, PAPER, VERDICT_MARKS
from reports.figures.svg import inline, to_svg
from reports.figures.weights import LossWeights
from reports.output import drawing
from reports.output.drawing import Figures
from reports.output.render import write_report
from reports.records.frame import tidy
from reports.statistics.intervals import estimate
from reports.summary.build import summarise


def test_frames_hold_the_numbers_that_are_drawn(results_of):
    results = results_of()
    summary = summarise(results)
    forest, components, curves, repeats, *_ = (f.frame() for f in figures(results))
    assert forest["difference"].tolist() == [c.paired.difference.mean for c in summary.comparisons]
    assert forest["verdict"].tolist() == [c.verdict for c in summary.comparisons]
    multimodal = components[components["who"] == "multimodal"]
    assert multimodal["component"].tolist() == ["skill", "active", "scale", "position"]
    assert multimodal["mean"].tolist()[0] == summary.arms[1].score.mean
    assert components["baseline"].sum() == 2 * 4
    scores = results.scores.query("split == 'test' and items == 'all' and metric == 'skill' and component.isna()")
    for arm, mine in repeats.groupby("arm"):
        expected = scores[scores["arm"] == arm].sort_values("repeat")
        assert mine["score"].tolist() == expected["value"].tolist()
        assert mine["repeat"].tolist() == expected["repeat"].tolist()
    third = results.history[(results.history["arm"] == "multimodal") & (results.history["epoch"] == 3)]
    row = curves[(curves["arm"] == "multimodal") & (curves["epoch"] == 3) & (curves["curve"] == "validation/skill")]
    expected = estimate(third["validation/skill"].to_numpy(), overlap=results.overlap)
    assert row[["mean", "low", "high", "n"]].values.tolist()[0] == pytest.approx(
        [expected.mean, expected.low, expected.high, expected.n]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes")
def test_several_processes_draw_the_same_figures(results_of, monkeypatch):
    results = results_of()
    summary = summarise(results)
    with Figures(summary, results) as figures:
        alone = figures.drawn()
    monkeypatch.setattr(drawing, "MANY", 1)
    monkeypatch.setattr(drawing, "copies", lambda: 2)
    with Figures(summary, results) as figures:
        monkeypatch.setattr(drawing, "_drawn", lambda figures: pytest.fail("in this process") if figures else [])
        assert figures.drawn() == alone
    assert len(alone) > 3
    assert multiprocessing.active_children() == []


def test_failed_runs_are_not_in_the_curves(results_of):
    curves = LearningCurves(results_of(failures=[("multimodal", 0)])).frame()
    assert set(curves[curves["arm"] == "multimodal"]["n"]) == {7}


def test_without_a_loss_there_are_curves_of_the_score_alone(results_of):
    """Training code of the user's own need not report one."""
    results = results_of()
    assert len(LearningCurves(results).draw().axes) == 2
    losses = [column for column in results.history if "loss" in column]
    alone = LearningCurves(replace(results, history=results.history.drop(columns=losses)))
    assert [axes.get_ylabel() for axes in alone.draw().axes] == ["validation skill"]
    assert "loss" not in alone.description


def test_weights_are_means_over_finished_repeats(results_of):
    results = weighted(results_of(failures=[("multimodal", 0)]), ["multimodal"])
    frame = LossWeights(results).frame()
    assert list(dict.fromkeys(frame["arm"])) == ["multimodal"]
    assert frame["component"].tolist() == ["active", "scale"] * 6
    third = frame[(frame["epoch"] == 3) & (frame["component"] == "scale")].iloc[0]
    values = np.array([1.0 - 0.3 - 0.02 * repeat for repeat in range(1, 8)])
    assert third[["mean", "low", "high", "n"]].tolist() == pytest.approx(
        [values.mean(), values.min(), values.max(), len(values)]
    )


def test_arms_with_fixed_weights_have_no_plot(results_of):
    results = results_of()
    assert LossWeights(results).frame().empty
    one = LossWeights(weighted(results, ["multimodal"])).draw()
    assert [axes.get_title(loc="left") for axes in one.axes] == ["multimodal"]
    both = LossWeights(weighted(results)).draw()
    assert [axes.get_title(loc="left") for axes in both.axes] == ["track_only", "multimodal"]
    assert [text.get_text() for text in both.legends[0].get_texts()] == ["active", "scale"]
    assert all(not math.isnan(y) for axes in both.axes for curve in axes.lines[1:] for y in curve.get_ydata())


@pytest.mark.parametrize(("metric", "rows"), [("skill", 4), ("loss", 1)])
def test_the_margin_is_drawn_where_it_holds(results_of, study_of, metric, rows):
    axes = Forest(summarise(results_of(study_of(metric=metric, margin=0.1)))).draw().axes[0]
    bands = [patch.get_bbox() for patch in axes.patches]
    assert [(band.x0, band.x1) for band in bands] == [(-0.1, 0.1)] * rows
    assert [(band.y0 + band.y1) / 2 for band in bands] == list(range(1, rows + 1))


def test_same_numbers_same_bytes_and_no_date(results_of):
    first = [to_svg(f.draw()) for f in figures(results_of())]
    second = [to_svg(f.draw()) for f in figures(results_of())]
    assert first == second
    assert not any(re.search(r"dc:date|matplotlib\.org|Created with .*\d{4}-\d\d", svg) for svg in first)


def test_nothing_is_left_in_the_global_state(results_of):
    before = dict(plt.rcParams)
    for figure in figures(results_of()):
        figure.draw()
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("arms", [2, 10])
def test_text_is_at_least_nine_points(results_of, study_of, arms):
    study = study_of([f"arm_{i}" for i in range(arms)], repeats=4)
    for figure in figures(results_of(study)):
        sizes = [float(s) for s in re.findall(r"font(?:-size)?: (?:\w+ )?([\d.]+)px", to_svg(figure.draw()))]
        assert sizes
        assert min(sizes) >= 9


def test_more_arms_than_can_be_told_apart_are_in_the_table_only(results_of, study_of):
    forest, *others = figures(results_of(study_of([f"arm_{i}" for i in range(12)], repeats=3)))
    for figure in (f for f in others if f.name in ("components", "learning_curves", "loss_weights")):
        assert "The first 8 of 12 arms are drawn" in figure.description
        assert "arm_11" not in to_svg(figure.draw())
        assert "arm_11" in figure.frame().to_csv()
    assert "arm_11" in to_svg(forest.draw())


def test_arms_differ_without_colour():
    pairs = {(MARKERS[i % len(MARKERS)], str(LINES[i % len(LINES)])) for i in range(len(COLOURS))}
    assert len(pairs) == len(COLOURS)


@pytest.mark.parametrize(
    "options", [{"nothing": ["scale"]}, {"failures": [("multimodal", r) for r in range(8)]}, {"noise": 0.0}]
)
def test_odd_studies_can_be_drawn(results_of, options):
    for figure in figures(results_of(**options)):
        assert "<svg" in to_svg(figure.draw())


def test_nothing_to_draw_can_be_drawn(study_of):
    for figure in figures(tidy(study_of(), [])):
        assert figure.frame()[figure.value].isna().all()
        assert "<svg" in to_svg(figure.draw())


def test_inline_figures_need_no_style_and_share_no_ids(results_of):
    ids = []
    for figure in figures(results_of()):
        text = inline(to_svg(figure.draw()), figure.name, figure.title, figure.description)
        root = ElementTree.fromstring(text)
        assert root.get("role") == "img"
        labels = {e.get("id"): e.text for e in root}
        assert [labels[i] for i in (root.get("aria-labelledby") or "").split()] == [figure.title, figure.description]
        assert not re.search(r"style=|<style|<metadata|#16191d|#fefefe|(?:href|src)=.https?:", text)
        here = [e.get("id") for e in root.iter() if e.get("id")]
        used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)
        assert {a or b for a, b in used} <= set(here)
        ids += here
    assert len(ids) == len(set(ids))


def test_names_are_drawn_as_they_are(results_of, study_of):
    study = study_of(("$x_1$ & <b>", "ä\u0007日本"), repeats=4)
    for figure in figures(results_of(study)):
        text = inline(to_svg(figure.draw()), figure.name, figure.title, figure.description)
        assert "<b>" not in text
        assert "$x_1$ &amp; &lt;b&gt;" in text


def test_the_report_shows_weights_only_where_there_are_any(results_of, tmp_path):
    results = results_of()
    for name, shown in (("without", results), ("with", weighted(results, ["multimodal"]))):
        write_report(summarise(shown), shown, tmp_path / name)
    assert not (tmp_path / "without" / "figures" / "loss_weights.svg").exists()
    assert 'id="figure-loss_weights"' not in (tmp_path / "without" / "report.html").read_text()
    assert (tmp_path / "with" / "figures" / "loss_weights.svg").exists()
    assert 'id="figure-loss_weights"' in (tmp_path / "with" / "report.html").read_text()


def test_of_too_many_comparisons_those_on_the_metric_are_all_drawn(summary_of, study_of):
    names = ("a", *(f"b{i}" for i in range(18)))
    figure = Forest(summary_of(study_of(names, repeats=13)))
    assert len(figure.frame()) == 18 * 4
    assert "Those by component are not drawn; the table has all." in figure.description
    labels = [label.get_text() for label in figure.draw().axes[0].get_yticklabels()]
    assert labels == [f"{name} − a" for name in names[1:]]
    few = Forest(summary_of(study_of(names[:4], repeats=10)))
    assert "not drawn" not in few.description
    assert "position" in [label.get_text() for label in few.draw().axes[0].get_yticklabels()]


def test_the_grid_holds_every_comparison_and_only_where_there_are_several(summary_of, study_of):
    assert DifferencesByComponent(summary_of()).frame().empty
    assert DifferencesByComponent(summary_of(study_of(("a", "b", "c")), components=["active"])).frame().empty
    summary = summary_of(study_of(("a", "b", "c")))
    frame = DifferencesByComponent(summary).frame()
    assert frame["difference"].tolist() == [c.paired.difference.mean for c in summary.comparisons]
    assert frame["verdict"].tolist() == [c.verdict for c in summary.comparisons]
    assert frame["component"].tolist()[:2] == ["skill", "skill"]


def drawn_cells(summary):
    axes = DifferencesByComponent(summary).draw().axes[0]
    rows = [t.get_text() for t in axes.get_yticklabels()]
    columns = [t.get_text() for t in axes.get_xticklabels()]
    texts = {(int(x), int(y)): t.get_text() for t in axes.texts for x, y in [t.get_position()]}
    shades, *verdicts = axes.collections
    marks = {(int(x), int(y)): str(group.get_label()) for group in verdicts for x, y in group.get_offsets()}
    shades.update_scalarmappable()
    # Seaborn draws row after row.
    places = [(i % len(columns), i // len(columns)) for i in range(len(rows) * len(columns))]
    return rows, columns, texts, marks, dict(zip(places, shades.get_facecolor(), strict=True))


def test_cells_say_number_and_verdict_without_colour(summary_of, study_of):
    effects = {"b": {"active": 0.3}, "c": {"active": -0.3, "scale": 0.3}}
    summary = summary_of(study_of(("a", "b", "c"), repeats=12, margin=0.03), effects=effects, noise=0.01)
    rows, columns, texts, marks, tints = drawn_cells(summary)
    assert (rows, columns) == (["b", "c"], ["skill", "active", "scale", "position"])
    assert texts[1, 0] == "+0.30"
    assert texts[1, 1] == "−0.30"
    for c in summary.comparisons:
        cell = (columns.index(c.component or "skill"), rows.index(c.arm))
        assert marks.get(cell) == (c.verdict if c.verdict in VERDICT_MARKS else None)
    assert set(marks.values()) == set(VERDICT_MARKS)
    assert max(tint[3] for tint in tints.values()) == pytest.approx(0.5)
    smaller = next(c for c in summary.comparisons if c.component is None and c.arm == "b").paired.difference.mean
    largest = max(abs(c.paired.difference.mean) for c in summary.comparisons)
    assert tints[0, 0][3] == pytest.approx(0.5 * abs(smaller) / largest, abs=0.005)


def test_each_verdict_has_its_own_mark_in_the_grid(summary_of, study_of):
    effects = {"b": {"active": 0.3}, "c": {"active": -0.3, "scale": 0.3}}
    summary = summary_of(study_of(("a", "b", "c"), repeats=12, margin=0.03), effects=effects, noise=0.01)
    _, *verdicts = DifferencesByComponent(summary).draw().axes[0].collections
    assert {str(group.get_label()) for group in verdicts} == set(VERDICT_MARKS)
    for group in verdicts:
        shape = MarkerStyle(VERDICT_MARKS[str(group.get_label())])
        expected = shape.get_path().transformed(shape.get_transform())
        assert np.array_equal(group.get_paths()[0].vertices, expected.vertices)


def test_the_grid_says_from_what_arms_differ(summary_of, study_of):
    axes = DifferencesByComponent(summary_of(study_of(("a", "b", "c")), effects={"b": 0.3})).draw().axes[0]
    assert axes.get_xlabel() == "difference from a"
    assert axes.xaxis.label.get_visible()


@pytest.mark.parametrize(("metric", "tint"), [("skill", "#c23b58"), ("loss", "#2f8f6f")])
def test_shades_follow_the_direction_of_the_measure(summary_of, study_of, metric, tint):
    gain = -0.3 if metric == "skill" else 0.3
    summary = summary_of(study_of(("a", "b", "c"), metric=metric), effects={"b": gain, "c": -gain}, noise=0.01)
    _, _, texts, _, tints = drawn_cells(summary)
    assert texts[1, 0] == "−0.30"
    assert to_hex(tints[1, 0]) == tint


def test_the_grid_stays_legible_with_many_arms_and_components(summary_of, study_of):
    names = ("a", *(f"b{i}" for i in range(18)))
    many = DifferencesByComponent(summary_of(study_of(names, repeats=6)))
    assert len(many.draw().axes[0].get_yticklabels()) == 18
    wide = DifferencesByComponent(summary_of(study_of(("a", "b", "c")), components=[f"part_{i}" for i in range(20)]))
    assert len(wide.draw().axes[0].get_xticklabels()) == 16
    assert len(wide.draw().axes[0].texts) == 0
    assert "16 columns are drawn; the table has all" in wide.description
    assert wide.frame()["component"].nunique() == 21


def test_repeats_are_drawn_by_comparison_from_the_reference_to_the_arm(results_of, study_of):
    summary = summarise(results_of(study_of(("a", "b", "c"), repeats=6), effects={"b": 0.3, "c": -0.3}))
    figure = ScoresByRepeat(summary).draw()
    plots = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in plots] == ["b", "c"]
    assert [axes.get_xlabel() for axes in plots] == ["6 of 6", "0 of 6"]
    rising = [[y[1] > y[0] for line in axes.lines if len(y := list(line.get_ydata())) == 2] for axes in plots]
    assert rising == [[True] * 6, [False] * 6]
    dashes = [{line.get_linestyle() for line in axes.lines if len(list(line.get_ydata())) == 2} for axes in plots]
    assert dashes == [{"-"}, {"--"}]
    lower = ScoresByRepeat(summarise(results_of(study_of(("a", "b"), repeats=6, metric="loss"), effects={"b": 0.3})))
    assert {line.get_linestyle() for line in lower.draw().axes[0].lines if len(list(line.get_ydata())) == 2} == {"-"}


def test_repeats_of_many_comparisons_and_of_none_can_be_drawn(results_of, study_of):
    names = ("a", *(f"b{i}" for i in range(30)))
    many = ScoresByRepeat(summarise(results_of(study_of(names, repeats=3))))
    assert "The first 24 of 30 comparisons are drawn" in many.description
    assert len([axes for axes in many.draw().axes if axes.axison]) == 24
    none = ScoresByRepeat(summarise(results_of(study_of(names[:3], pairs=(), repeats=3))))
    assert "no comparison" in none.description
    assert [t.get_text() for t in none.draw().axes[0].get_xticklabels()] == ["a", "b0", "b1"]


def test_the_front_is_what_no_other_beats():
    assert pareto([1, 2, 3], [1, 2, 3]) == [True, True, True]
    assert pareto([1, 2, 3], [3, 2, 1]) == [True, False, False]
    assert pareto([1, 1, 2], [1, 1, 1]) == [True, True, False]
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs, gains = rng.integers(0, 6, (2, 12)).tolist()
        front = pareto(costs, gains)
        assert any(front)
        for i, on in enumerate(front):
            beaten = [j for j in range(12) if costs[j] <= costs[i] and gains[j] >= gains[i]
                      and (costs[j] < costs[i] or gains[j] > gains[i])]  # fmt: skip
            assert on == (not beaten)


def test_costs_are_drawn_where_arms_differ_in_them(summary_of, study_of):
    summary = summary_of(study_of(("a", "b", "c")))
    assert CostAgainstScore(costly(summary, [100, 101, 102])).frame().empty
    figure = CostAgainstScore(costly(summary, [100, 200, 300], [0.5, 0.4, 0.6]))
    frame = figure.frame()
    assert set(frame["kind"]) == {"parameters"}
    assert frame["front"].tolist() == [True, False, True]
    assert frame["low"].tolist() == [a.score.low for a in summary.arms]
    assert "Not drawn, because equal or unknown: FLOPs of a forward pass and seconds a run." in figure.description
    axes = figure.draw().axes[0]
    faces = [to_hex(marks.get_facecolor()[0]) for marks in axes.collections if isinstance(marks, PathCollection)]
    assert [face == PAPER for face in faces] == [False, True, False]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        ([0.2, 0.25, 0.3], {"0.2", "0.25", "0.3"}),
        ([0.01, 0.3, 4], {"0.02", "0.1", "2"}),
        ([900, 5000, 7200], {"1,500", "7,500"}),
    ],
)
def test_the_axis_of_seconds_has_seconds_at_every_size(summary_of, study_of, seconds, labels):
    summary = summary_of(study_of(("a", "b", "c")))
    arms = tuple(replace(arm, seconds=s) for arm, s in zip(summary.arms, seconds, strict=True))
    figure = CostAgainstScore(replace(summary, arms=arms))
    assert set(figure.frame()["kind"]) == {"seconds"}
    drawing = figure.draw()
    drawing.canvas.draw()
    shown = [label.get_text() for label in drawing.axes[0].get_xticklabels()]
    assert labels <= set(shown)
    assert not any(text[-1].isalpha() for text in shown if text)


@pytest.mark.parametrize(
    "seconds",
    [
        [0.18522156433469034, 3.494861895450317],
        [0.04253669502104604, 0.41863001241752806],
        [0.030858549573972383, 0.35395528396436354],
        [0.10239486349996696, 1.2397445050000897],
    ],
)
def test_an_axis_by_orders_of_magnitude_holds_all_its_marks(summary_of, study_of, seconds):
    """Matplotlib takes one mark after the other, and rounding made both limits of the first one's axis the same."""
    summary = summary_of(study_of(("a", "b")))
    arms = tuple(
        replace(arm, seconds=s, score=replace(arm.score, mean=mean, low=-1.2, high=1.3))
        for arm, s, mean in zip(summary.arms, seconds, (0.05, -0.04), strict=True)
    )
    (axes,) = CostAgainstScore(replace(summary, arms=arms)).draw().axes
    low, high = axes.get_xlim()
    assert low < min(seconds) < max(seconds) < high


def test_low_scores_can_be_the_better_ones_of_a_front(summary_of, study_of):
    summary = summary_of(study_of(("a", "b", "c"), metric="loss"))
    frame = CostAgainstScore(costly(summary, [100, 200, 300], [0.5, 0.6, 0.4])).frame()
    assert frame["front"].tolist() == [True, False, True]


def test_of_many_arms_those_on_the_front_are_named(summary_of, study_of):
    names = tuple(f"arm_{i}" for i in range(19))
    scores = [0.5 + (0.01 * i if i % 6 == 0 else -0.1) for i in range(19)]
    figure = CostAgainstScore(costly(summary_of(study_of(names, repeats=3)), [100 * 2**i for i in range(19)], scores))
    legend = [text.get_text() for text in figure.draw().legends[0].get_texts()]
    assert legend == ["arm_0", "arm_6", "arm_12", "arm_18"]
    assert len(figure.frame()) == 19
    assert "Of 19 arms those on a front are named" in figure.description
    unknown = CostAgainstScore(costly(summary_of(study_of(names[:3])), [None, 200, None]))
    assert unknown.frame().empty
