import copy
import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from factories.records import changed

from mmcore.errors import RecordError
from mmcore.facts import Failure
from mmcore.scores import ItemLoss, Outcome
from reports.records.frame import RUN_COLUMNS, runs_table, tidy
from reports.records.long import OUTCOME_COLUMNS


def test_one_row_per_run_score_baseline_and_epoch(study_of, records_of):
    study = study_of(repeats=3)
    results = tidy(study, records_of(study, failures=[("multimodal", 1)]))
    assert [(run.arm, run.repeat, run.status) for run in results.runs] == [
        ("track_only", 0, "done"), ("track_only", 1, "done"), ("track_only", 2, "done"),
        ("multimodal", 0, "done"), ("multimodal", 1, "failed"), ("multimodal", 2, "done"),
    ]  # fmt: skip
    assert len(results.done) == 5
    table = runs_table(results)
    assert tuple(table.columns) == RUN_COLUMNS
    assert table["failure"].dropna().tolist() == ["TrainingDiverged: loss must be finite"]
    assert len(results.history) == 5 * 6 + 2
    assert set(results.scores["arm"]) == {"track_only", "multimodal"}
    # Baselines do not depend on the arm: once per repeat, predictor, measure and component.
    assert not results.baselines.duplicated(["repeat", "baseline", "items", "metric", "component"]).any()
    assert results.components == ("active", "scale", "position")


def test_order_of_records_does_not_matter(study_of, records_of):
    study = study_of(repeats=3)
    records = records_of(study)
    forth, back = tidy(study, records), tidy(study, records[::-1])
    assert forth.runs == back.runs
    assert forth.scores.equals(back.scores)
    assert forth.baselines.equals(back.baselines)


def test_a_score_without_a_value_is_nan(study_of, records_of):
    study = study_of(repeats=2)
    table = tidy(study, records_of(study, nothing=["scale"])).table("skill", "scale")
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
    splits = [replace(record.split, drawn=None, given=given) for record in records_of(study)]
    records = [replace(r, split=split) for r, split in zip(records_of(study), splits, strict=True)]
    results = tidy(study, records)
    assert results.overlap == pytest.approx(overlap)
    assert results.drawn == drawn


def test_no_records_give_empty_tables(study_of):
    results = tidy(study_of(), [])
    assert results.runs == ()
    assert runs_table(results).empty
    assert results.table("skill", None).columns.tolist() == ["track_only", "multimodal"]


SCORED = (
    ItemLoss("one", "one", True, "active", loss=0.6, count=40, naive_loss=0.7),
    ItemLoss("one", "one", True, "scale", loss=0.6, count=0, naive_loss=math.nan),
)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("corpus.content", "0" * 32, "their corpora differ"),
        ("corpus.task", "reconstruct", "their tasks differ"),
        ("config.task.horizon", 5, "their tasks differ"),
        ("numerics", 2, "their numerics differ"),
        ("split.test.items", 9, "their test items differ"),
        ("split.train.items", 9, "their train items differ"),
        ("split.validation.groups", 3, "their validation items differ"),
        ("items.0.item", "other", "their test items differ"),
        ("items.1.component", "crop", "their test items differ"),
        ("items.0.count", 39, "their targets differ; expected 40 targets of item 'one', component 'active'"),
        ("items.0.naive_loss", 0.7001, "their targets differ; expected naive loss 0.7 of item 'one'"),
        ("items.1.naive_loss", 0.5, "naive loss none of item 'one', component 'scale'"),
    ],
)
def test_runs_that_cannot_be_mixed_are_refused_by_name(study_of, records_of, path, value, words):
    study = study_of(repeats=2)
    records = [replace(record, items=SCORED) for record in records_of(study)]
    records[3] = changed(records[3], path, value)
    with pytest.raises(RecordError, match=words) as caught:
        tidy(study, records)
    assert "arm 'multimodal', repeat 1" in caught.value.message
    assert re.search(r"arm 'track_only', repeat [01]", caught.value.message)
    assert caught.value.next_step
    if path.partition(".")[0] in ("items", "split"):
        assert "arm 'track_only', repeat 1" in caught.value.message
        assert "data alignment or split" in caught.value.next_step


def test_rounding_unknown_losses_and_training_windows_may_differ(study_of, records_of):
    study = study_of(repeats=1)
    records = [replace(record, items=SCORED) for record in records_of(study)]
    records[1] = changed(records[1], "items.0.naive_loss", 0.7 * (1 + 1e-12))
    records[1] = changed(replace(records[1], items=records[1].items[::-1]), "split.train.windows", 950)
    assert len(tidy(study, records).runs) == 2


def test_only_finished_runs_are_compared_by_target(study_of, records_of):
    study = study_of(repeats=1)
    records = records_of(study, failures=[("multimodal", 0)])
    records = [replace(records[0], items=SCORED), replace(records[1], items=SCORED[:1])]
    assert len(tidy(study, records).runs) == 2


def test_what_an_arm_reads_may_differ(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    records[2:] = [changed(record, "config.task.content_lookahead", 0) for record in records[2:]]
    assert len(tidy(study, records).runs) == 4


@pytest.mark.parametrize(("path", "value"), [("arm", "unknown"), ("repeat", 7)])
def test_records_of_something_else_are_refused(study_of, records_of, path, value):
    study = study_of(repeats=2)
    records = records_of(study)
    with pytest.raises(RecordError, match="belongs to no run"):
        tidy(study, [changed(records[0], path, value), *records[1:]])


def test_two_records_of_one_run_are_refused(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    with pytest.raises(RecordError, match="two records"):
        tidy(study, [*records, records[0]])


def test_outcomes_are_a_table_of_their_own_and_empty_for_records_from_before_them(study_of, records_of):
    study = study_of(repeats=2)
    records = records_of(study)
    assert not any(record.outcomes for record in records)
    old = tidy(study, records).outcomes
    assert list(old.columns) == list(OUTCOME_COLUMNS)
    assert old.empty

    cells = ((0, 1, 2), (1, 1, 1))
    classes = Outcome("v1", "active", "active", 3, math.nan, 1.5, error=None, cells=cells)
    number = Outcome("v1", "x", "position", 3, math.nan, 1.5, error=0.25, cells=None)
    records[0] = replace(records[0], outcomes=(classes, number))
    found = tidy(study, records).outcomes
    assert found[["arm", "repeat"]].to_numpy().tolist() == [[records[0].arm, records[0].repeat]] * 2
    assert found["cells"].tolist()[0] == cells
    assert found["cells"].tolist()[1] is None
    assert found["loss"].isna().all()
    assert math.isnan(found["error"].iloc[0])
    assert found["error"].iloc[1] == 0.25


def test_records_that_come_one_after_the_other_give_the_same_tables(study_of, records_of):
    study = study_of(["a", "b", "c"], repeats=3)
    records = records_of(study, {"b": 0.1}, components=("one", "two"), epochs=3, items=4, calibrated=True)
    broken = replace(records[4], status="failed", failure=Failure("TrainingDiverged", "NaN"), scores=(), items=())
    records[4] = replace(broken, outcomes=(), calibration=(), history=broken.history[:1])
    at_once = tidy(study, records)
    order = sorted(records, key=lambda r: (["a", "b", "c"].index(r.arm), r.repeat))
    in_parts = tidy(study, iter(order))
    assert at_once.runs == in_parts.runs
    for name in ("scores", "baselines", "history", "items", "outcomes", "calibration", "naive_classes"):
        pd.testing.assert_frame_equal(getattr(at_once, name), getattr(in_parts, name))
    assert len(at_once.scores) > 20
    with pytest.raises(AssertionError):
        tidy(study, iter(order[::-1]))


def test_runs_share_the_parts_that_are_equal(study_of, records_of):
    study = study_of(["a", "b"], repeats=2)
    # As read from disk: nothing is the same object.
    records = [copy.deepcopy(record) for record in records_of(study)]
    (a0, a1, b0, _) = tidy(study, iter(records)).runs
    assert a0.split is b0.split
    assert a0.environment is a1.environment is b0.environment
    assert a0.config.data is a1.config.data
    assert (a0.config.repeat, a1.config.repeat) == (0, 1)
    assert [a0, a1] == [record.run for record in records[:2]]


def test_epochs_that_lack_a_number_have_nan_there(study_of, records_of):
    study = study_of(["a", "b"], repeats=1)
    one, two = records_of(study, epochs=2)
    short = {name: value for name, value in two.history[1].items() if name != "train/loss"}
    found = tidy(study, [one, replace(two, history=(two.history[0], {**short, "own": 1.0}))]).history
    assert found["train/loss"].isna().tolist() == [False, False, False, True]
    assert found["own"].isna().tolist() == [True, True, True, False]
    assert found["epoch"].tolist() == [1, 2, 1, 2]
