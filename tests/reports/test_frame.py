import copy
import json
import math
import re

import pytest

from mmcore.errors import RecordError
from reports.records.frame import OUTCOME_COLUMNS, tidy


def test_one_row_per_run_score_baseline_and_epoch(study_of, records_of):
    study = study_of(repeats=3)
    results = tidy(study, records_of(study, failures=[("multimodal", 1)]))
    assert results.runs[["arm", "repeat", "status"]].values.tolist() == [
        ["track_only", 0, "done"], ["track_only", 1, "done"], ["track_only", 2, "done"],
        ["multimodal", 0, "done"], ["multimodal", 1, "failed"], ["multimodal", 2, "done"],
    ]  # fmt: skip
    assert results.runs["failure"].notna().sum() == 1
    assert len(results.history) == 5 * 6 + 2
    assert set(results.scores["arm"]) == {"track_only", "multimodal"}
    # Baselines do not depend on the arm: once per repeat, predictor, measure and component.
    assert not results.baselines.duplicated(["repeat", "baseline", "items", "metric", "component"]).any()
    assert results.components == ("active", "scale", "position")


def test_order_of_records_does_not_matter(study_of, records_of):
    study = study_of(repeats=3)
    records = records_of(study)
    forth, back = tidy(study, records), tidy(study, records[::-1])
    assert forth.runs.equals(back.runs)
    assert forth.scores.equals(back.scores)
    assert forth.baselines.equals(back.baselines)


def test_null_of_json_is_nan(study_of, records_of):
    study = study_of(repeats=2)
    records = json.loads(json.dumps(records_of(study, nothing=["scale"])).replace("NaN", "null"))
    table = tidy(study, records).table("skill", "scale")
    assert table.shape == (2, 2)
    assert table.isna().all(axis=None)


def test_table_is_repeats_by_arms_with_gaps_for_failures(study_of, records_of):
    study = study_of(repeats=3)
    results = tidy(study, records_of(study, failures=[("multimodal", 1)], absent=[("track_only", 2)]))
    table = results.table("skill", None)
    assert table.index.tolist() == [0, 1, 2]
    assert math.isnan(table.at[1, "multimodal"])
    assert math.isnan(table.at[2, "track_only"])
    assert results.table("skill", None, "nowhere").empty


def test_a_component_without_its_own_error_gets_the_mean_over_its_parameters(study_of, records_of):
    study = study_of(repeats=2)
    results = tidy(study, records_of(study))
    whole = results.table("mae", "position")
    parts = [results.table("mae", "position", "all", p) for p in ("x", "y")]
    assert whole.to_numpy() == pytest.approx((parts[0] + parts[1]).to_numpy() / 2)


def test_overlap_is_test_over_training_groups_and_zero_for_a_given_split(study_of, records_of):
    study = study_of(repeats=2)
    assert tidy(study, records_of(study)).overlap == pytest.approx(8 / 24)
    assert tidy(study, records_of(study, drawn="corpus")).overlap == 0.0
    assert tidy(study, []).overlap == 0.0


@pytest.mark.parametrize(("given", "overlap", "drawn"), [(False, 8 / 24, "each_repeat"), (True, 0.0, "corpus")])
def test_records_from_before_test_sides_could_be_drawn_once_are_read_as_they_were_meant(
    study_of, records_of, given, overlap, drawn
):
    study = study_of(repeats=2)
    records = records_of(study)
    for record in records:
        del record["split"]["drawn"]
        record["split"]["given"] = given
    results = tidy(study, records)
    assert results.overlap == pytest.approx(overlap)
    assert results.drawn == drawn


def test_a_split_that_was_drawn_in_an_unknown_way_is_refused(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    records[0]["split"]["drawn"] = "by lot"
    with pytest.raises(RecordError, match="drawn"):
        tidy(study, records)


def test_no_records_give_empty_tables(study_of):
    results = tidy(study_of(), [])
    assert results.runs.empty
    assert results.table("skill", None).columns.tolist() == ["track_only", "multimodal"]


def change(record, path, value):
    changed = copy.deepcopy(record)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def scored_items():
    row = {"item": "one", "group": "one", "complete": True, "loss": 0.6}
    return [
        {**row, "component": "active", "count": 40, "naive_loss": 0.7},
        {**row, "component": "scale", "count": 0, "naive_loss": None},
    ]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("corpus", "content"), "0" * 32, "their corpora differ"),
        (("corpus", "task"), "reconstruct", "their tasks differ"),
        (("config", "task", "horizon"), 5, "their tasks differ"),
        (("numerics",), 2, "their numerics differ"),
        (("split", "test", "items"), 9, "their test items differ"),
        (("split", "train", "items"), 9, "their train items differ"),
        (("split", "validation", "groups"), 3, "their validation items differ"),
        (("items", 0, "item"), "other", "their test items differ"),
        (("items", 1, "component"), "crop", "their test items differ"),
        (("items", 0, "count"), 39, "their targets differ; expected 40 targets of item 'one', component 'active'"),
        (("items", 0, "naive_loss"), 0.7001, "their targets differ; expected naive loss 0.7 of item 'one'"),
        (("items", 1, "naive_loss"), 0.5, "naive loss none of item 'one', component 'scale'"),
    ],
)
def test_runs_that_cannot_be_mixed_are_refused_by_name(study_of, records_of, path, value, words):
    study = study_of(repeats=2)
    records = records_of(study)
    for record in records:
        record["items"] = scored_items()
    records[3] = change(records[3], path, value)
    with pytest.raises(RecordError, match=words) as caught:
        tidy(study, records)
    assert "arm 'multimodal', repeat 1" in caught.value.message
    assert re.search(r"arm 'track_only', repeat [01]", caught.value.message)
    assert caught.value.next_step
    if path[0] in ("items", "split"):
        assert "arm 'track_only', repeat 1" in caught.value.message
        assert "data alignment or split" in caught.value.next_step


def test_rounding_unknown_losses_and_training_windows_may_differ(study_of, records_of):
    study = study_of(repeats=1)
    records = records_of(study)
    for record in records:
        record["items"] = scored_items()
    records[1]["items"].reverse()
    records[1]["items"][1]["naive_loss"] *= 1 + 1e-12
    records[1]["items"][0]["naive_loss"] = math.nan
    records[1]["split"]["train"]["windows"] = 950
    assert len(tidy(study, records).runs) == 2


def test_only_finished_runs_are_compared_by_target(study_of, records_of):
    study = study_of(repeats=1)
    records = records_of(study, failures=[("multimodal", 0)])
    records[0]["items"] = scored_items()
    records[1]["items"] = scored_items()[:1]
    assert len(tidy(study, records).runs) == 2


def test_what_an_arm_reads_may_differ(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    for record in records[2:]:
        record["config"]["task"]["content_lookahead"] = 0
    assert len(tidy(study, records).runs) == 4


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [(("arm",), "unknown", "belongs to no run"), (("repeat",), 7, "belongs to no run"), (("format",), 2, "format")],
)
def test_records_of_something_else_are_refused(study_of, records_of, path, value, words):
    study = study_of(repeats=2)
    records = records_of(study)
    with pytest.raises(RecordError, match=words):
        tidy(study, [change(records[0], path, value), *records[1:]])


def test_two_records_of_one_run_are_refused(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    with pytest.raises(RecordError, match="two records"):
        tidy(study, [*records, records[0]])


def test_outcomes_are_a_table_of_their_own_and_empty_for_records_from_before_them(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    assert all("outcomes" not in record for record in records)
    old = tidy(study, records).outcomes
    assert list(old.columns) == list(OUTCOME_COLUMNS)
    assert old.empty

    counts = {"item": "v1", "count": 3, "loss": None, "naive_loss": 1.5}
    classes = {**counts, "parameter": "active", "component": "active", "error": None, "cells": [[0, 1, 2], [1, 1, 1]]}
    number = {**counts, "parameter": "x", "component": "position", "error": 0.25, "cells": None}
    records[0]["outcomes"] = [classes, number]
    found = tidy(study, records).outcomes
    assert found[["arm", "repeat"]].to_numpy().tolist() == [[records[0]["arm"], records[0]["repeat"]]] * 2
    assert found["cells"].tolist()[0] == [[0, 1, 2], [1, 1, 1]]
    assert found["cells"].tolist()[1] is None
    assert found["loss"].isna().all()  # null of JSON
    assert math.isnan(found["error"].iloc[0])
    assert found["error"].iloc[1] == 0.25
