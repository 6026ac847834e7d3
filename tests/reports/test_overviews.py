"""Sections and figures made of records alone: all arms against all, gains by item, calibration."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from factories.records import each

from reports.figures.svg import to_svg
from reports.records.frame import tidy
from reports.sections.arms.figures import AverageRanks
from reports.sections.items.estimates import item_overall
from reports.sections.items.figures import ItemDifferences
from reports.sections.reliability.figures import Reliability
from reports.sections.reliability.section import calibration_by_run
from reports.sections.standard import overview_figures
from reports.statistics.multiplicity import holm
from reports.summary.build import summarise

ARMS = ("track_only", "multimodal", "audio", "visual")


@pytest.fixture(scope="module")
def results(results_of, study_of):
    """Four arms, ten repeats; one arm is clearly the best; forty items; one component has classes."""
    return results_of(study_of(ARMS, repeats=10), effects={"multimodal": 0.2}, items=40, calibrated=True)


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results)


def section(summary, key):
    return next(s for s in summary.sections if s.key == key)


def keys(summary):
    return [s.key for s in summary.sections]


def test_each_has_its_section_with_a_figure_that_exists(results, summary):
    assert keys(summary) == ["all_arms", "by_item", "calibration"]
    drawable = {f.name for f in overview_figures(results, summary.metric)}
    for s in summary.sections:
        assert s.question.endswith("?")
        assert s.findings
        assert set(s.figures) <= drawable
        assert s.limits


def test_two_arms_without_items_or_classes_have_none(summary_of):
    assert summary_of().sections == ()


def test_the_best_arm_is_named_and_told_apart(summary):
    found = section(summary, "all_arms")
    assert found.findings[0].text == "'multimodal' ranks first with 1.000 on average."
    alike = [f.text for f in found.findings[1:]]
    assert len(alike) == 1
    assert "multimodal" not in alike[0]
    table = found.tables[0].table
    assert table.rows[0] == ("multimodal", 1.0)
    pairs = {(row[0], row[1]): row[-1] for row in found.tables[1].table.rows}
    assert len(pairs) == len(ARMS) * (len(ARMS) - 1) // 2
    assert all(verdict in ("better", "worse") for pair, verdict in pairs.items() if "multimodal" in pair)


def test_arms_are_not_told_apart_by_repeats_that_share_their_test_items(results_of, study_of):
    """Ten repeats on the same items agree on an order that other items need not share."""
    found = section(summarise(results_of(study_of(ARMS, repeats=10), drawn="corpus")), "all_arms")
    assert found.findings[-1].text == "No two arms are shown to differ on new items of the corpus."
    verdicts = {row[-1] for row in found.tables[1].table.rows}
    assert verdicts & {"better on these items", "worse on these items"}


def test_arms_without_a_score_are_left_out_of_the_ranks_and_named(results_of, study_of):
    results = results_of(study_of(ARMS, repeats=6), absent=[("audio", r) for r in range(6)] + [("visual", 0)])
    found = section(summarise(results), "all_arms")
    assert "left out: audio" in found.limits
    assert "has a score count, of 6 repeats" in found.limits
    figure = AverageRanks(results, summarise(results).metric)
    assert sorted(figure.frame()["arm"]) == ["multimodal", "track_only", "visual"]


def test_arms_that_always_tie_are_not_ranked(results_of, study_of):
    found = section(summarise(results_of(study_of(ARMS, repeats=6), effects={}, noise=0.0)), "all_arms")
    assert found.findings[0].label == "tied"


def test_two_arms_have_no_ranks_to_draw(results_of, summary_of):
    figure = AverageRanks(results_of(), summary_of().metric)
    assert figure.frame().empty


@pytest.mark.parametrize("arms", [3, 7, 60])
def test_any_number_of_arms_is_drawn(results_of, study_of, arms):
    results = results_of(study_of([f"arm {i}" for i in range(arms)], repeats=4, pairs=[("arm 1", "arm 0")]), effects={})
    figure = AverageRanks(results, summarise(results).metric)
    frame = figure.frame()
    assert len(frame) == arms
    assert frame["average_rank"].is_monotonic_increasing
    assert frame["average_rank"].mean() == pytest.approx((arms + 1) / 2)
    assert len(to_svg(figure.draw())) < 200_000
    assert ("are drawn" in figure.description) == (arms > 40)


def test_bars_join_just_those_that_are_alike(results, summary):
    figure = AverageRanks(results, summary.metric)
    arms = list(figure.frame()["arm"])
    bars = [bar for lane in figure._lanes(arms) for bar in lane]
    assert sorted(tuple(arms[a : b + 1]) for a, b in bars) == sorted(figure.ranks.alike)
    for lane in figure._lanes(arms):
        assert all(one[1] < two[0] for one, two in pairwise(lane))


def test_items_are_sorted_from_gain_to_loss(results):
    figure = ItemDifferences(results)
    frame = figure.frame()
    assert len(frame) == 3 * 40
    for _, mine in frame.groupby("arm"):
        assert mine["difference"].is_monotonic_increasing
    # In a study of skill, with losses below the naive ones: in units of these, and the mean over the three.
    rows = results.items.drop_duplicates(["item", "repeat", "component"])
    sums = (rows["naive_loss"] * rows["count"]).groupby(rows["component"]).sum()
    naive = results.items["component"].map(sums / rows.groupby("component")["count"].sum())
    scaled = results.items.assign(loss=results.items["loss"] / naive / 3)
    losses = scaled.pivot_table(index=["item", "repeat"], columns="arm", values="loss", aggfunc="sum")
    truth = (losses["multimodal"] - losses["track_only"]).groupby("item").mean()
    mine = frame[frame["arm"] == "multimodal"].set_index("item")["difference"]
    assert mine.to_dict() == pytest.approx(truth.to_dict())


def test_items_that_gain_and_lose_are_named(results, summary):
    found = section(summary, "by_item")
    frame = ItemDifferences(results).frame()
    best = frame[frame["arm"] == "multimodal"].iloc[0]
    finding = found.findings[0]
    assert (finding.label, finding.tone) == ("lower loss", "plain")
    assert finding.text == "'multimodal' has the lower loss on 40 of 40 items against 'track_only'."
    assert f"gains most on {best['item']} (" in finding.evidence
    assert "loses most" not in finding.evidence
    assert "95 % interval" in finding.evidence
    rows = found.tables[0].table.rows
    assert {row[2] for row in rows} == {"all", "active", "scale", "position"}


def test_a_single_component_stands_for_the_whole(results_of, study_of):
    results = results_of(study_of(repeats=6), components=("active",), effects={"multimodal": 0.1}, items=6)
    assert len(ItemDifferences(results).frame()) == 6
    assert section(summarise(results), "by_item").findings[0].label == "lower loss"


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_items_say_nothing_where_the_study_has_too_few_repeats(results_of, study_of, repeats):
    summary = summarise(results_of(study_of(repeats=repeats), effects={"multimodal": 0.1}, items=40))
    assert {v.verdict for v in summary.verdicts} == {"too few repeats"}
    found = section(summary, "by_item")
    assert [finding.label for finding in found.findings] == [""]
    assert re.search(r"(\d+) of \1 items", found.findings[0].text)
    assert "Fewer than 6 repeats" in found.limits


def test_items_are_corrected_for_the_number_of_comparisons(results_of, study_of):
    study = study_of(("a", *(f"b{i}" for i in range(7))), repeats=9)
    results = results_of(study, effects={"b0": 0.1, "b1": -0.1}, items=12, noise=0.05)
    labels = {f.text.split("'")[1]: f.label for f in section(summarise(results), "by_item").findings}
    assert (labels["b0"], labels["b1"]) == ("lower loss", "higher loss")
    overall = item_overall(results)
    whole = overall[overall["component"].isna()]
    assert whole["p_holm"].tolist() == pytest.approx(holm(whole["p"].tolist()))
    parts = overall[overall["component"].notna()]
    assert parts["p_holm"].tolist() == pytest.approx(holm(parts["p"].tolist()))
    assert {labels[arm] for arm, p in zip(whole["arm"], whole["p_holm"], strict=True) if p > 0.05} == {"not told apart"}


def test_shared_training_items_are_a_limit_of_the_interval_over_items(results_of, study_of):
    told = {
        drawn: section(summarise(results_of(study_of(repeats=6), items=6, drawn=drawn)), "by_item").limits
        for drawn in ("each_repeat", "corpus")
    }
    assert "training items that repeats share" in told["each_repeat"]
    assert "training items that repeats share" not in told["corpus"]


@pytest.mark.parametrize("items", [2, 17, 18, 400])
def test_any_number_of_items_is_drawn(results_of, study_of, items):
    results = results_of(study_of(repeats=3), effects={}, components=("active",), items=items)
    figure = ItemDifferences(results)
    assert len(figure.frame()) == items
    svg = to_svg(figure.draw())
    assert len(svg) < 120_000
    assert ("between" in svg) == (items > 17)


def test_calibration_agrees_with_its_definition(results):
    rows = results.calibration
    for run in calibration_by_run(results)[:5]:
        mine = rows[(rows["arm"] == run.arm) & (rows["repeat"] == run.repeat) & (rows["component"] == run.component)]
        share = mine["count"] / mine["count"].sum()
        assert run.error == pytest.approx(float((share * (mine["accuracy"] - mine["confidence"]).abs()).sum()))
        assert run.accuracy == pytest.approx(float((share * mine["accuracy"]).sum()))
        assert run.count == mine["count"].sum()


def test_a_model_that_is_too_sure_is_called_so(results, summary):
    found = section(summary, "calibration")
    assert len(found.findings) == 1
    assert "is too sure" in found.findings[0].evidence
    table = found.tables[0].table
    assert [row[1] for row in table.rows] == list(ARMS)
    assert all(row[2] == pytest.approx(0.105) for row in table.rows)
    assert all(row[3] <= row[2] <= row[4] for row in table.rows)


def test_records_of_before_calibration_was_measured_have_no_section(study_of, records_of):
    study = study_of(repeats=3)
    records = records_of(study, items=5, calibrated=True)
    results = tidy(study, [replace(record, calibration=()) for record in records])
    assert "calibration" not in keys(summarise(results))
    assert Reliability(results).frame().empty


def test_reliability_is_over_all_repeats_with_their_range(results):
    figure = Reliability(results)
    frame = figure.frame()
    assert list(frame["bin"].unique()) == list(range(7, 15))
    assert ((frame["low"] <= frame["accuracy"]) & (frame["accuracy"] <= frame["high"])).all()
    assert np.allclose(frame["confidence"] - frame["accuracy"], 0.105)
    assert np.allclose(frame["ece"], 0.105)
    assert len(to_svg(figure.draw())) < 200_000


def test_one_repeat_has_no_interval_but_is_told(results_of, study_of):
    results = results_of(study_of(ARMS, repeats=1), items=5, calibrated=True)
    found = section(summarise(results), "calibration")
    assert "interval" not in found.findings[0].evidence
    assert found.tables[0].table.rows[0][3] is None
    assert keys(summarise(results)) == ["by_item", "calibration"]
    assert section(summarise(results), "by_item").findings[0].label == ""


def test_bins_of_few_predictions_are_in_the_table_alone(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study, calibrated=True)
    records = [each(r, "calibration", lambda row: replace(row, count=9 if row.bin < 10 else 10)) for r in records]
    figure = Reliability(tidy(study, records))
    assert len(figure.frame()) == 2 * 8
    lines = [line for line in figure.draw().axes[0].get_lines() if "track_only" in str(line.get_label())]
    assert len(lines[0].get_xdata()) == 5
