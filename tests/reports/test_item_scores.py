"""What records say of other test items: measures on resamples of groups, and the verdicts that rest on them."""

from dataclasses import replace

import numpy as np
import pytest
from factories.records import each

from mmcore.scores import Outcome
from reports.numbers import interval
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.statistics.new_items import times_drawn
from reports.summary.build import summarise
from reports.verdicts import item_scores
from reports.verdicts.item_scores import ItemScores

SHARED = {"drawn": "once", "items": 9}


def with_outcomes(records, seed=0):
    """Every item gets outcomes of a binary and a continuous parameter, and the scores that follow from all of them."""
    rng = np.random.default_rng(seed)
    return [replace(record, outcomes=tuple(_outcomes(record, rng))) for record in records]


def _outcomes(record, rng):
    for item in dict.fromkeys(row.item for row in record.items):
        counts = rng.integers(1, 20, (2, 2))
        told = tuple((t, p, int(counts[t, p])) for t in (0, 1) for p in (0, 1))
        base = {"item": item, "count": int(counts.sum()), "loss": float(rng.random()), "naive_loss": 0.7}
        yield Outcome(**base, parameter="active", component="active", error=None, cells=told)
        yield Outcome(**base, parameter="x", component="position", error=float(rng.random()), cells=None)


def expected_scores(record):
    """Those that follow from the outcomes of all items, by ``COMPONENT/MEASURE`` or measure."""
    cells = np.zeros((2, 2))
    for row in record.outcomes:
        for true, predicted, count in row.cells or ():
            cells[true, predicted] += count
    right = np.diag(cells)
    true, predicted = cells.sum(1), cells.sum(0)
    values = {
        "accuracy": right.sum() / cells.sum(),
        "balanced_accuracy": (right / true).mean(),
        "macro_f1": (2 * right / (true + predicted)).mean(),
        "f1": 2 * right[1] / (true[1] + predicted[1]),
    }
    for component, of in (("active", "active"), ("position", "x")):
        rows = [row for row in record.outcomes if row.parameter == of]
        weights = [row.count for row in rows]
        loss = np.average([row.loss for row in rows], weights=weights)
        values[f"{component}/loss"] = loss
        values[f"{component}/relative_skill"] = 1 - loss / 0.7
        if of == "x":
            values["position/mae"] = np.average([row.error for row in rows], weights=weights)
    return values


@pytest.fixture
def one_resample(monkeypatch):
    """A resample in which every group is drawn once: the run's own score must come out."""
    monkeypatch.setattr(item_scores, "times_drawn", lambda groups: np.ones((1, groups)))


@pytest.mark.parametrize(
    ("measure", "component"),
    [
        ("accuracy", "active"), ("balanced_accuracy", "active"), ("macro_f1", "active"), ("f1", "active"),
        ("loss", "active"), ("loss", "position"), ("relative_skill", "position"), ("mae", "position"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("one_resample")
def test_all_groups_drawn_once_give_the_score_of_all_items(study_of, records_of, measure, component):
    study = study_of()
    records = with_outcomes(records_of(study, **SHARED))
    scores = ItemScores(tidy(study, records))
    assert scores.groups == 9
    for record in records:
        values = expected_scores(record)
        expected = values.get(f"{component}/{measure}", values.get(measure))
        found = scores.resampled(measure, component, record.arm)
        assert found[record.repeat, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.usefixtures("one_resample")
def test_the_whole_is_put_together_as_in_a_run(study_of, records_of):
    study = study_of()
    scores = ItemScores(tidy(study, with_outcomes(records_of(study, **SHARED))))
    arm = study.arms[0].name
    parts = [scores.resampled("skill", c, arm) for c in ("active", "position")]
    assert scores.resampled("skill", None, arm) == pytest.approx(np.mean(parts, axis=0))
    parts = [scores.resampled("loss", c, arm) for c in ("active", "position")]
    assert scores.resampled("loss", None, arm) == pytest.approx(np.sum(parts, axis=0))
    assert scores.resampled("average_precision", "active", arm) is None
    assert scores.resampled("mae", "active", arm) is None
    assert scores.resampled("skill", None, "nobody") is None


def test_a_resample_weighs_groups_as_often_as_they_were_drawn(study_of, records_of):
    study = study_of()
    records = with_outcomes(records_of(study, **SHARED))
    scores = ItemScores(tidy(study, records))
    record = records[3]
    rows = [row for row in record.outcomes if row.parameter == "x"]
    order = sorted(rows, key=lambda row: row.item)
    times_G = times_drawn(9)[17]
    expected = np.average([r.error for r in order], weights=[r.count * t for r, t in zip(order, times_G, strict=True)])
    found = scores.resampled("mae", "position", record.arm)
    assert found[record.repeat, 17] == pytest.approx(expected)


def test_records_of_before_tell_skill_and_loss_by_item_and_nothing_else(study_of, records_of):
    study = study_of()
    scores = ItemScores(tidy(study, records_of(study, **SHARED)))
    assert np.isfinite(scores.resampled("skill", None, "multimodal")).all()
    assert scores.resampled("accuracy", "active", "multimodal") is None


def uneven(record, worse, arm="multimodal"):
    """An arm that gains on one video and loses on the others."""
    if record.arm != arm:
        return record
    return each(record, "items", lambda row: replace(row, loss=row.loss + (-2.0 if row.item == "video_0" else worse)))


def test_items_that_disagree_leave_a_verdict_for_these_items_alone(study_of, records_of):
    """The arm gains on the whole, and every repeat sees it; but it gains on one video and loses on the others."""
    study = study_of(repeats=10)
    records = records_of(study, effects={"multimodal": 0.1}, noise=0.005, **SHARED)
    records = [uneven(record, 0.2) for record in records]
    summary = summarise(tidy(study, records))
    verdict, row = summary.verdicts[0], summary.primary[0]
    assert verdict.verdict == "better on these items"
    assert verdict.headline == "'multimodal' is better than 'track_only' on these 9 test items."
    assert verdict.not_shown.startswith("Not shown: that the same holds for other items of this corpus.")
    assert "More test items would show more; more repeats would not." in verdict.not_shown
    assert "On new items of the corpus:" in verdict.evidence
    assert row.paired.difference.low > 0 > row.paired.claimed.low
    told = as_json(summary)["comparisons"][0]
    assert told["verdict"] == "better on these items"
    assert told["interval"] == [row.paired.claimed.low, row.paired.claimed.high]
    assert told["these_items"]["interval"] == [row.paired.difference.low, row.paired.difference.high]
    assert told["p_holm"] <= 0.05 < told["p_new_items"]
    assert told["these_items"]["groups"] == 9
    assert "on these 9 test items." in as_text(summary)
    assert next(c for c in summary.checks if c.code == "ABL033").outcome == "warning"


def test_items_that_agree_bear_a_verdict_about_new_ones(study_of, records_of):
    study = study_of(repeats=10)
    summary = summarise(tidy(study, records_of(study, effects={"multimodal": 0.2}, noise=0.005, **SHARED)))
    verdict, told = summary.verdicts[0], as_json(summary)["comparisons"][0]
    assert verdict.headline == "'multimodal' is better than 'track_only'."
    assert told["p_holm"] == max(told["p_sign_flip_holm"], told["p_interval"], told["p_new_items"]) <= 0.05
    assert next(c for c in summary.checks if c.code == "ABL033").outcome == "passed"


def test_repeats_with_their_own_items_need_no_second_witness(summary_of):
    told = as_json(summary_of())["comparisons"][0]
    assert told["these_items"] is None
    assert told["p_new_items"] is None


def test_a_component_that_neither_arm_can_predict_says_so_in_the_same_breath(study_of, records_of):
    study = study_of(repeats=12)
    records = records_of(study, effects={"multimodal": {"scale": -0.05}}, noise=0.004)

    def lower(score):
        mine = (score.metric, score.component, score.baseline) == ("skill", "scale", None)
        return replace(score, value=score.value - 0.5) if mine else score

    records = [each(record, "scores", lower) for record in records]
    summary = summarise(tidy(study, records))
    scale = next(c for c in summary.by_component if c.component == "scale")
    assert scale.verdict == "worse"
    assert scale.without_skill
    assert "worse on scale (where neither beats the naive prediction)" in summary.verdicts[0].parts
    told = next(c for c in as_json(summary)["comparisons"] if c["component"] == "scale")
    assert told["sentence"].endswith("on scale, where neither beats the naive prediction.")
    active = next(c for c in summary.by_component if c.component == "active")
    assert not active.without_skill


# What a measure rests on -----------------------------------------------------------------------------------------
def sparse(records, of, component="active"):
    """Only some videos hold targets of the component; every video holds those of the others."""
    return [
        each(r, "items", lambda row: row if row.component != component or int(row.item.split("_")[1]) < of else None)
        for r in records
    ]


@pytest.mark.parametrize(("of", "groups"), [(1, 1.0), (2, 1.8), (9, 9.0)])
def test_a_component_rests_on_the_groups_that_hold_its_targets(study_of, records_of, of, groups):
    study = study_of()
    scores = ItemScores(tidy(study, sparse(records_of(study, **SHARED), of)))
    assert scores.groups == 9
    assert scores.groups_of("skill", "active", "multimodal") == pytest.approx(groups, abs=0.25)
    assert scores.groups_of("skill", None, "multimodal") == pytest.approx(groups, abs=0.25)
    assert scores.groups_of("skill", "scale", "multimodal") == pytest.approx(9.0)


def test_a_class_that_few_groups_hold_bears_few_groups(study_of, records_of):
    study = study_of()
    records = with_outcomes(records_of(study, **SHARED))

    def one_class(row):
        if row.cells is None or row.item in ("video_1", "video_2"):
            return row
        return replace(row, cells=tuple(cell for cell in row.cells if cell[0] == 0))

    records = [each(record, "outcomes", one_class) for record in records]
    scores = ItemScores(tidy(study, records))
    assert scores.groups_of("balanced_accuracy", "active", "multimodal") <= 2.0
    assert scores.groups_of("accuracy", "active", "multimodal") > 4


def test_what_one_group_shows_is_no_verdict_about_new_items(study_of, records_of):
    study = study_of(repeats=10, metric="active/skill")
    records = sparse(records_of(study, effects={"multimodal": 0.2}, noise=0.005, **SHARED), 1)
    summary = summarise(tidy(study, records))
    assert summary.verdicts[0].verdict == "better on these items"
    assert "nearly all of what is measured lies in one group" in summary.verdicts[0].not_shown
    assert "Nothing is known about new items." in summary.verdicts[0].evidence


def test_advice_does_not_sell_verdicts_about_the_tested_items(study_of, records_of):
    study = study_of(repeats=8)
    records = records_of(study, effects={"multimodal": 0.006}, noise=0.02, **SHARED)
    records = [uneven(record, 0.25) for record in records]
    summary = summarise(tidy(study, records))
    verdict, row = summary.verdicts[0], summary.primary[0]
    assert verdict.verdict == "undecided"
    assert row.decision.would_be.endswith("on these items")
    assert (
        "More test items would show more about other items of the corpus; more repeats would not." in verdict.not_shown
    )
    assert verdict.cost == ""


def test_a_shared_study_without_items_names_no_number_of_them(study_of, records_of):
    study = study_of()
    summary = summarise(tidy(study, records_of(study, effects={"multimodal": 0.3}, drawn="once")))
    assert summary.verdicts[0].headline == "'multimodal' is better than 'track_only' on these test items."


def test_interval_and_p_of_a_row_belong_to_its_verdict(study_of, records_of):
    study = study_of([f"arm {i}" for i in range(9)], repeats=10)
    records = records_of(study, effects={"arm 1": 0.1}, noise=0.005, **SHARED)
    records = [uneven(record, 0.2, "arm 1") for record in records]
    summary = summarise(tidy(study, records))
    row = summary.primary[0]
    assert row.decision.only_these_items
    assert row.shown == row.paired.difference
    assert all(c.shown == c.paired.claimed for c in summary.primary if not c.decision.only_these_items)
    line = next(text for text in as_text(summary).splitlines() if "'arm 1' is better" in text)
    assert interval(row.paired.difference.low, row.paired.difference.high) in line
