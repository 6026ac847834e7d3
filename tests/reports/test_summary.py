import math
from dataclasses import replace

import pytest
from factories.records import changed

from mmcore.errors import RecordError
from mmcore.quality import QualityRow
from mmcore.scores import Score
from reports.records.frame import tidy
from reports.statistics.comparisons import compare
from reports.summary.build import summarise


def by_component(summary):
    return {c.component: c.verdict for c in summary.comparisons}


def test_effects_that_are_there_are_found_and_no_others(summary_of):
    summary = summary_of(effects={"multimodal": {"active": 0.2, "position": -0.2}}, noise=0.01)
    assert by_component(summary) | {None: ""} == {
        None: "", "active": "better", "scale": "undecided", "position": "worse",
    }  # fmt: skip


def test_numbers_are_those_of_the_statistics(results_of):
    results = results_of()
    summary = summarise(results)
    table = results.table("skill", None)
    expected = compare(table["multimodal"].to_numpy(), table["track_only"].to_numpy(), overlap=8 / 24)
    assert summary.primary[0].paired == expected
    assert summary.arms[0].score.mean == pytest.approx(table["track_only"].mean())
    assert summary.arms[0].reference
    assert not summary.arms[1].reference


def test_verdict_sentence_says_the_numbers_and_what_is_not_shown(summary_of):
    verdict = summary_of().verdicts[0]
    assert verdict.headline == "'multimodal' is better than 'track_only'."
    assert verdict.evidence.startswith("Over 8 paired repeats, the mean skill is 0.")
    for part in ("higher", "95 % interval of the difference", "ahead in 8 of 8 repeats", "p = 0.0078", "effect size"):
        assert part in verdict.evidence
    assert verdict.not_shown.startswith("Not shown: that the same holds on another corpus")
    assert verdict.parts == "By component: better on active and position; undecided on scale."


def test_the_two_families_are_corrected_apart(summary_of, study_of):
    summary = summary_of(study_of(("a", "b", "c"), repeats=12), effects={})
    assert [c.decision.family for c in summary.primary] == [2, 2]
    assert {c.decision.family for c in summary.by_component} == {6}
    assert summary.families.startswith("2 comparisons on skill and 6 comparisons by component are two families")


def test_too_few_repeats_says_how_many_are_needed(summary_of, study_of):
    summary = summary_of(study_of(repeats=4))
    assert summary.verdicts[0].verdict == "too few repeats"
    assert "no p can be below 0.125" in summary.verdicts[0].not_shown
    assert "needs at least 6 repeats: 2 more." in summary.verdicts[0].not_shown
    assert "ABL004" in {c.code for c in summary.warnings}


def test_undecided_says_how_many_more_repeats(summary_of, study_of):
    summary = summary_of(study_of(), effects={"multimodal": 0.012}, drawn="corpus", seed=2)
    verdict, decision = summary.verdicts[0], summary.primary[0].decision
    assert verdict.verdict == "undecided"
    assert decision.more is not None
    assert f"About {decision.more} more repeat" in verdict.not_shown
    assert verdict.not_shown.startswith("It is not shown that one is better, nor that both are equal.")


def test_undecided_says_what_stands_in_the_way(study_of, records_of):
    study = study_of(("a", "b"), repeats=8)
    records = records_of(study, {"b": 0.03}, noise=0.025, seed=1)
    overlapping = summarise(tidy(study, records))
    assert overlapping.primary[0].decision.p_flip <= 0.05 < overlapping.primary[0].decision.p_holm
    assert "The sign-flip test speaks for a difference (p = " in overlapping.verdicts[0].not_shown
    assert "accounts for the training data that repeats share" in overlapping.verdicts[0].not_shown
    records = [changed(record, "split.drawn", "corpus") for record in records]
    assert summarise(tidy(study, records)).verdicts[0].verdict == "better on these items"


def test_equivalent_names_the_margin(summary_of, study_of):
    summary = summary_of(study_of(margin=0.05), effects={}, noise=0.01, drawn="corpus", items=9)
    assert summary.verdicts[0].verdict == "equivalent"
    assert summary.verdicts[0].headline == "'multimodal' is as good as 'track_only'."
    assert "±0.050" in summary.verdicts[0].not_shown


def test_a_margin_in_loss_says_nothing_about_one_component(summary_of, study_of):
    # The loss is a sum of components: what is negligible for the sum need not be for one of them.
    summary = summary_of(study_of(metric="loss", margin=0.5), effects={}, drawn="corpus", items=9)
    assert summary.verdicts[0].verdict == "equivalent"
    assert "equivalent" not in {c.verdict for c in summary.by_component}


def test_a_margin_in_one_unit_says_nothing_about_components_in_others(study_of, records_of):
    study = study_of(metric="active/mae", margin=0.5)
    records = records_of(study, effects={})
    for at, record in enumerate(records):
        loss = {s.component: s.value for s in record.scores if s.metric == "loss"}
        more = (Score("test", "all", "mae", c, 0.1 * loss[c]) for c in ("active", "scale"))
        records[at] = replace(record, scores=(*record.scores, *more))
    summary = summarise(tidy(study, records))
    assert summary.verdicts[0].verdict == "equivalent"
    assert [(c.component, c.margin) for c in summary.comparisons] == [(None, 0.5), ("scale", None)]
    assert "equivalent" not in {c.verdict for c in summary.by_component}


def test_a_margin_in_skill_means_the_same_for_every_component(summary_of, study_of):
    summary = summary_of(study_of(margin=0.5), effects={}, drawn="corpus", items=9)
    assert {(c.margin, c.verdict) for c in summary.comparisons} == {(0.5, "equivalent")}


def test_lower_is_better_turns_the_sense(summary_of, study_of):
    summary = summary_of(study_of(metric="loss"))
    assert summary.verdicts[0].verdict == "better"
    assert summary.primary[0].paired.difference.mean < 0
    assert "lower" in summary.verdicts[0].evidence


def test_a_component_as_metric(summary_of, study_of):
    summary = summary_of(study_of(metric="active/f1"))
    assert summary.metric.title == "F1 of active"
    assert [c.component for c in summary.comparisons] == [None]
    assert "mean F1 of active" in summary.verdicts[0].evidence


def test_a_single_component_is_not_asked_twice(summary_of):
    summary = summary_of(components=["active"], effects={"multimodal": 0.2})
    assert [c.component for c in summary.comparisons] == [None]
    assert summary.components == ("active",)


def test_failures_are_counted_and_only_common_repeats_are_paired(summary_of):
    summary = summary_of(failures=[("multimodal", 2)], absent=[("track_only", 5)])
    reference, arm = summary.arms
    assert (reference.n, reference.failed, reference.missing) == (7, 0, 1)
    assert (arm.n, arm.failed, arm.missing) == (7, 1, 0)
    assert summary.primary[0].paired.n == 6
    assert "Over 6 paired repeats of 8" in summary.verdicts[0].evidence
    warnings = {c.code: c.text for c in summary.warnings}
    assert "1 run failed (1 of 'multimodal')" in warnings["ABL002"]
    assert "TrainingDiverged" in warnings["ABL002"]
    assert "7 of 'track_only' and 7 of 'multimodal'" in warnings["ABL003"]


def test_nothing_to_predict_is_said_and_not_compared(summary_of):
    summary = summary_of(nothing=["scale"])
    assert summary.components == ("active", "scale", "position")
    assert summary.nothing_to_predict == ("scale",)
    assert [c.component for c in summary.comparisons] == [None, "active", "position"]
    assert summary.verdicts[0].parts.endswith("nothing to predict in scale.")
    assert "ABL009" in {c.code for c in summary.warnings}


def test_all_runs_failed_and_no_runs_at_all_are_reports_too(study_of, records_of):
    study = study_of(repeats=2)
    every = [(a.name, r) for a in study.arms for r in range(2)]
    for records in (records_of(study, failures=every), []):
        summary = summarise(tidy(study, records))
        assert summary.verdicts[0].verdict == "too few repeats"
        assert summary.verdicts[0].evidence == "No repeat has a score for both arms (0 of 2)."
        assert math.isnan(summary.arms[0].score.mean)


def test_baselines_are_rows_in_a_fixed_order(summary_of):
    assert [b.name for b in summary_of().baselines] == ["persistence", "constant"]
    assert summary_of().baselines[1].score == pytest.approx(-0.4)


def test_every_measure_has_a_row_and_none_twice(summary_of):
    rows = [(m.measure, m.component, m.parameter) for m in summary_of().measures]
    assert len(rows) == len(set(rows))
    assert ("mae", "position", "x") in rows
    assert ("mae", "position", None) not in rows
    assert ("f1", "active", None) in rows
    assert next(m.unit for m in summary_of().measures if m.parameter == "x") == "px"


def test_a_metric_that_no_run_has_is_refused_with_those_there_are(study_of, records_of):
    study = study_of(metric="scale/f1")
    with pytest.raises(RecordError, match="no run has a score") as caught:
        summarise(tidy(study, records_of(study)))
    assert "active/f1" in caught.value.message


def test_a_metric_over_parameters_of_different_units_is_refused(study_of, records_of):
    study = study_of(metric="position/mae")
    with pytest.raises(RecordError, match="different units"):
        summarise(tidy(study, records_of(study)))
    records = records_of(study, {"multimodal": 0.2})
    records = [changed(record, "corpus.units", {"x": "px", "y": "px"}) for record in records]
    assert summarise(tidy(study, records)).verdicts[0].verdict == "better"


def test_quality_is_drawn_together_per_modality(study_of, records_of):
    study = study_of(repeats=2)
    columns = ("item", "modality", "missing", "steps", "coverage", "nan", "largest_gap", "warnings")
    rows = [
        ("a", "audio", False, 100, 1.0, 3, 0.5, ("a gap",)),
        ("b", "audio", False, 300, 0.6, 4, 2.0, ()),
        ("c", "audio", True, 50, 0.0, 0, 0.0, ()),
    ]
    quality = [QualityRow(**dict(zip(columns, row, strict=True))) for row in rows]
    table = summarise(tidy(study, records_of(study), quality)).quality_by_modality
    (row,) = (dict(zip(table.columns, line, strict=True)) for line in table.rows)
    assert {name: row[name] for name in ("modality", "items", "missing", "largest_gap", "nan", "warnings")} == {
        "modality": "audio", "items": 3, "missing": 1, "largest_gap": 2.0, "nan": 7, "warnings": 1,
    }  # fmt: skip
    assert row["coverage"] == pytest.approx(0.7)
    assert "loud" not in row, "nobody looked for loud cells"


def test_intervals_say_what_they_cover(summary_of):
    assert "Nadeau–Bengio correction with n_test/n_train = 0.333" in summary_of().covers
    given = summary_of(drawn="corpus").covers
    assert "every repeat tested the same ones" in given
    assert "“on these items” holds for the tested items alone" in given
    assert "Verdicts are about new items of this corpus" in summary_of().covers
    assert "Nadeau" not in given
