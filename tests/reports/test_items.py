import math
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
from factories.records import each

from reports.output.tables import tables
from reports.records.frame import tidy
from reports.sections.items.estimates import DIFFERENCE_COLUMNS, OVERALL_COLUMNS, item_differences, item_overall
from reports.summary.build import summarise


def results(study_of, records_of, edit=None, metric="skill", **options):
    study = study_of(repeats=6, metric=metric)
    records = records_of(study, {"multimodal": {"active": 0.1, "scale": 0.0, "position": 0.0}}, items=5, **options)
    if edit:
        records = [each(record, "items", partial(edit, record)) for record in records]
    return tidy(study, records)


def test_the_frame_holds_every_row_of_every_finished_run(study_of, records_of):
    found = results(study_of, records_of, failures=[("multimodal", 2)])
    assert set(found.items["arm"]) == {"track_only", "multimodal"}
    assert 2 not in set(found.items.loc[found.items["arm"] == "multimodal", "repeat"])
    # Each repeat tests two of three items: 3 or 4 of 5.
    assert found.items.groupby(["arm", "repeat"])["item"].nunique().between(3, 4).all()
    assert found.items["loss"].dtype == float


def test_difference_is_the_mean_over_the_repeats_that_tested_the_item(study_of, records_of):
    found = results(study_of, records_of)
    table = item_differences(found)
    assert tuple(table.columns) == DIFFERENCE_COLUMNS
    row = table[(table["item"] == "video_0") & (table["component"] == "active")].iloc[0]
    loss = {
        (arm, repeat): value
        for arm, repeat, item, component, value in found.items[["arm", "repeat", "item", "component", "loss"]].values
        if (item, component) == ("video_0", "active")
    }
    tested = [r for r in range(6) if r % 3]
    expected = [loss["multimodal", r] - loss["track_only", r] for r in tested]
    assert row["n"] == len(tested) == 4
    assert row["difference"] == pytest.approx(sum(expected) / 4)
    assert row["low"] < row["difference"] < row["high"]
    assert row["won"] == sum(d < 0 for d in expected)


def test_the_whole_is_in_units_of_skill_where_the_study_is(study_of, records_of):
    # As with outliers in one component: its loss is thousands of times that of the others.
    def edit(record, row):
        if row.component != "scale":
            return row
        loss = row.loss * 1000.0 + (1.0 if record.arm == "multimodal" else 0.0)
        return replace(row, naive_loss=row.naive_loss * 1000.0, loss=loss)

    found = results(study_of, records_of, edit, noise=1e-4)
    table = item_differences(found)
    of = table.set_index([table["component"].fillna("whole"), "item"])["difference"]
    rows = found.items[found.items["arm"] == "track_only"]
    naive = {
        component: (part["naive_loss"] * part["count"]).sum() / part["count"].sum()
        for component, part in rows.groupby("component")
    }
    for item in (f"video_{i}" for i in range(5)):
        parts = [of[component, item] / naive[component] for component in ("active", "scale", "position")]
        assert of["whole", item] == pytest.approx(sum(parts) / 3)
        assert of["scale", item] > -of["active", item]  # the plain sum would say that the arm loses
        assert of["whole", item] < 0
    overall = item_overall(found)
    assert overall["high"][0] < 0


def test_a_component_that_the_naive_prediction_has_right_stays_out_of_skill(study_of, records_of):
    def edit(record, row):
        return replace(row, naive_loss=0.0) if row.component == "scale" else row

    table = item_differences(results(study_of, records_of, edit))
    assert table["difference"].notna().all()
    of = table.set_index([table["component"].fillna("whole"), "item"])["difference"]
    assert "scale" in set(table["component"].dropna())
    assert of["whole", "video_0"] < 0


def test_the_whole_sums_components_and_overall_counts_items(study_of, records_of):
    found = results(study_of, records_of, noise=1e-4, metric="loss")
    table, overall = item_differences(found), item_overall(found)
    assert tuple(overall.columns) == OVERALL_COLUMNS
    of = table.set_index([table["component"].fillna("whole"), "item"])["difference"]
    for item in (f"video_{i}" for i in range(5)):
        assert of["whole", item] == pytest.approx(sum(of[c, item] for c in ("active", "scale", "position")))
    active = overall[overall["component"] == "active"].iloc[0]
    assert (active["items"], active["groups"], active["repeats"], active["items_won"]) == (5, 5, 6, 5)
    assert active["high"] < 0
    # video_0's loss is twice the others', and so is what is gained on it.
    assert of["active", "video_0"] == pytest.approx(2 * of["active", "video_1"], rel=0.05)


def test_items_without_targets_of_a_component_stay_out_of_it_and_of_the_whole(study_of, records_of):
    def edit(record, row):
        without = (row.item, row.component) == ("video_1", "scale")
        return replace(row, loss=math.nan, count=0) if without else row

    table = item_differences(results(study_of, records_of, edit))
    of = table.groupby(table["component"].fillna("whole"))["item"].agg(set)
    assert "video_1" in of["active"]
    assert "video_1" not in of["scale"] | of["whole"]


def test_a_component_that_nobody_can_predict_does_not_empty_the_whole(study_of, records_of):
    table = item_differences(results(study_of, records_of, nothing=["scale"]))
    assert set(table["component"].dropna()) == {"active", "position"}
    assert table["component"].isna().sum() == 5


def test_records_without_items_give_empty_tables_with_their_columns(study_of, records_of):
    study = study_of(repeats=2)
    for records in ([], records_of(study)):
        found = tidy(study, records)
        assert found.items.empty
        assert tuple(item_differences(found).columns) == DIFFERENCE_COLUMNS
        assert item_overall(found).empty


def test_reports_write_items_and_ranks(study_of, records_of):
    found = results(study_of, records_of)
    written = tables(summarise(found), found)
    assert written["items"].equals(found.items)
    assert len(written["item_differences"]) == 5 * 4
    assert len(written["item_overall"]) == 4
    ranked = written["ranks"]
    assert ranked["arm"].tolist() == ["multimodal", "track_only"]
    assert ranked["average_rank"].tolist() == [1.0, 2.0]
    assert ranked["n"].unique().tolist() == [6]
    assert isinstance(written["ranks"], pd.DataFrame)


def test_items_bring_just_the_gain_in_skill_also_beyond_the_naive_loss(study_of, records_of):
    """On `scale` both arms are far worse than naive; in units of its naive loss it would outweigh all else."""

    def edit(record, row):
        if row.component != "scale":
            return row
        return replace(row, naive_loss=0.01, loss=0.08 if record.arm == "multimodal" else 0.05)

    found = results(study_of, records_of, edit, noise=1e-6)
    table = item_differences(found, whole=True)
    rows = found.items.assign(lost=found.items["loss"] * found.items["count"], naive=found.items["naive_loss"])
    rows = rows.assign(naive=rows["naive"] * rows["count"])
    sums = rows.groupby(["component", "arm"])[["lost", "naive", "count"]].sum()
    loss, naive = sums["lost"] / sums["count"], sums["naive"] / sums["count"]
    gains = []
    for component in ("active", "position", "scale"):
        arm, reference = (
            1 - loss[key] / naive[key] if loss[key] <= naive[key] else naive[key] / loss[key] - 1
            for key in ((component, "multimodal"), (component, "track_only"))
        )
        gains.append(arm - reference)
    brought = -(table["difference"] * table["n"]).sum() / table["n"].sum()
    assert brought == pytest.approx(sum(gains) / 3, rel=1e-6)
    # In units of its naive loss `scale` alone would bring −1 and turn the sign.
    assert brought > 0
