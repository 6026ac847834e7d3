"""Reports on scores that mmstudy did not make: nothing is filled in, and what is not known is said."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import foreign

from mmcore.config import ForeignConfig
from mmcore.language import speaking
from mmcore.measures import MEASURES
from reports.checks.rules import RULES
from reports.output.render import write_report
from reports.output.text import as_json, as_text
from reports.records.foreign import own_measure
from reports.summary.build import summarise

ARMS = {"mlp": 0.80, "cnn": 0.83, "transformer": 0.83}


def check(summary, code):
    return next(c for c in summary.checks if c.code == code)


def test_a_measure_of_the_users_is_judged_in_its_own_direction():
    up, down = (summarise(foreign.results(foreign.scores(ARMS), higher=higher)) for higher in (True, False))
    assert [v.verdict for v in up.verdicts] == ["better", "better"]
    assert [v.verdict for v in down.verdicts] == ["worse", "worse"]
    assert up.metric.title == "my score"


def test_a_measure_that_is_called_like_one_of_ours_is_not_ours():
    """The user's skill may be negative throughout: no check and no word may take it for the skill of a forecast."""
    frame = foreign.scores({"a": -3.0, "b": -2.0})
    results = foreign.results(frame)
    mine = own_measure("skill", True)
    study = results.study.__class__(**{**vars(results.study), "metric": type(results.study.metric)(mine, None)})
    results = type(results)(**{**{f: getattr(results, f) for f in results.__dataclass_fields__}, "study": study})
    results = type(results)(
        **{
            **{f: getattr(results, f) for f in results.__dataclass_fields__},
            "scores": results.scores.assign(metric="skill"),
        }
    )
    summary = summarise(results)
    assert check(summary, "ABL022").outcome == "not applicable"
    assert not any(c.without_skill for c in summary.comparisons)
    assert summary.metric.meaning != MEASURES["skill"].meaning


def test_what_only_our_training_knows_is_said_to_be_unknown():
    summary = summarise(foreign.results(foreign.scores(ARMS)))
    about_models = [rule.code for rule in RULES if rule.about == "models"]
    assert {check(summary, code).outcome for code in about_models} == {"not applicable"}
    assert {check(summary, code).text for code in about_models} == {"Not known for these scores."}
    assert check(summary, "ABL002").text == "Not known for these scores."
    # What scores alone show is looked at.
    assert check(summary, "ABL004").outcome == "passed"
    assert check(summary, "ABL043").outcome == "passed"


def test_runs_that_mmstudy_started_are_counted():
    summary = summarise(foreign.results(foreign.scores(ARMS), ran=True, called="this runner"))
    assert check(summary, "ABL002").outcome == "passed"
    assert check(summary, "ABL001").text == "Not known for this runner."
    assert check(summary, "ABL043").outcome == "not applicable"


def test_settings_of_arms_are_compared_where_they_are_known():
    settings = {"mlp": {"lr": 0.1, "depth": 2}, "cnn": {"lr": 0.2, "depth": 3}, "transformer": {"lr": 0.2, "depth": 2}}
    summary = summarise(foreign.results(foreign.scores(ARMS), settings=settings, ran=True))
    found = check(summary, "ABL013")
    assert found.outcome == "warning"
    assert "'cnn' against 'mlp' differ in 2 (depth and lr)" in found.text
    assert summary.provenance.configs["cnn"] == {"lr": 0.2, "depth": 3}


def test_the_config_of_an_arm_holds_what_the_user_gave_and_nothing_of_ours():
    results = foreign.results(foreign.scores(ARMS), settings={"mlp": {"lr": 0.1}})
    assert results.study.arm("mlp").config == ForeignConfig(settings={"lr": 0.1})
    assert results.study.arm("cnn").config == ForeignConfig()
    assert not results.study.native
    with pytest.raises(TypeError, match="not mmstudy's own"):
        _ = results.own_study


def test_the_report_is_whole_and_shows_nothing_that_is_not_known(tmp_path):
    results = foreign.results(foreign.scores(ARMS), paired=False, pairing="Nothing pairs them.", covers="Seeds only.")
    summary = summarise(results)
    page = write_report(summary, results, tmp_path).read_text(encoding="utf-8")
    for absent in ("parameters</th>", "FLOPs</th>", "complete items</th>", "Quality of the data", "fingerprint is"):
        assert absent not in page.replace('<a class="term"', "</th>")[: page.index("What the words mean")], absent
    assert "Seeds only." in page
    assert "unpaired. Nothing pairs them." in page
    assert re.search(r"permutation p after Holm", page)
    assert "sign-flip p after Holm" not in page
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {c["paired"] for c in told["comparisons"]} == {False}
    assert all(c["p_sign_flip"] is None and c["p_permutation"] is not None for c in told["comparisons"])
    table = pd.read_csv(tmp_path / "tables" / "comparisons.csv")
    assert table["paired"].tolist() == [False, False]
    assert table["n_arm"].tolist() == [8, 8]
    # The test has its own name in both files: no program takes one p for the other.
    assert table[["p_sign_flip", "p_sign_flip_holm"]].isna().all(axis=None)
    for column in ("p_permutation", "p_permutation_holm"):
        assert table[column].tolist() == pytest.approx([c[column] for c in told["comparisons"]], rel=1e-12)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "permutation p after Holm" in text
    assert "Welch" in (tmp_path / "report.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("lang", "name", "said"),
    [
        ("en", "mean IoU", "the mean IoU is 0."),
        ("en", "meaningfulness", "the mean meaningfulness is 0."),
        ("ja", "平均精度", "の平均精度は"),
    ],
)
def test_the_mean_of_a_mean_is_said_once(lang, name, said):
    results = foreign.results(foreign.scores({"a": 0.8, "b": 0.9}))
    measure = own_measure(name, True)
    study = replace(results.study, metric=replace(results.study.metric, measure=measure))
    frame = results.scores.assign(metric=measure.name)
    with speaking(lang):
        (verdict,) = summarise(replace(results, study=study, scores=frame)).verdicts
    assert said in verdict.evidence


def test_unpaired_verdicts_say_so_and_count_couples():
    frame = foreign.scores({"a": 0.8, "b": 0.9}, repeats=8)
    frame = frame[~((frame["arm"] == "b") & (frame["repeat"] > 5))]
    summary = summarise(foreign.results(frame, paired=False))
    (verdict,) = summary.verdicts
    assert "Over 6 repeats of 'b' and 8 of 'a', which are not paired" in verdict.evidence
    assert "ahead in 48 of 48 couples" in verdict.evidence
    assert not summary.paired


def test_too_few_unpaired_repeats_say_how_many_each_arm_needs():
    summary = summarise(foreign.results(foreign.scores({"a": 0.1, "b": 0.9}, repeats=3), paired=False))
    (verdict,) = summary.verdicts
    assert verdict.verdict == "too few repeats"
    assert "With 3 and 3 repeats, no p can be below 0.1," in verdict.not_shown
    assert "at least 4 repeats of each arm: 1 more" in verdict.not_shown
    assert check(summary, "ABL004").outcome == "warning"


def with_items(effect, items, repeats=8, spread=0.05, seed=0):
    """Scores by item: each item favours an arm by an amount of its own."""
    rng = np.random.default_rng(seed)
    gain = effect + spread * rng.normal(size=items)
    rows = [
        (arm, r, f"clip{i}", 0.5 + (arm == "b") * gain[i] + 0.005 * rng.normal())
        for arm in "ab"
        for r in range(repeats)
        for i in range(items)
    ]
    return pd.DataFrame(rows, columns=["arm", "repeat", "item", "value"])


def test_scores_by_item_are_a_second_witness():
    """Repeats agree perfectly in both; whether items do decides what the verdict is about."""
    agree = summarise(foreign.results(with_items(0.2, 30), shared=True))
    few = summarise(foreign.results(with_items(0.02, 5, spread=0.1, seed=4), shared=True))
    assert agree.verdicts[0].verdict == "better"
    assert few.verdicts[0].verdict.endswith("on these items")
    assert "30 test items" in agree.comparisons[0].tested


def test_a_score_by_item_is_the_mean_of_its_items_and_a_gap_is_a_gap():
    frame = with_items(0.2, 4, repeats=2)
    results = foreign.results(frame, shared=True)
    table = results.table("my_score", None)
    own = frame[(frame["arm"] == "a") & (frame["repeat"] == 0)]["value"].mean()
    assert table.loc[0, "a"] == pytest.approx(own)
    frame.loc[0, "value"] = math.nan
    assert math.isnan(foreign.results(frame, shared=True).table("my_score", None).loc[0, "a"])


PARTS = tuple(f"set{i}" for i in range(7))


def by_part(frame, **options):
    return foreign.results(frame, part="data set", **options)


def test_each_data_set_has_a_verdict_and_a_pair_is_one_family():
    summary = summarise(by_part(foreign.scores({"a": 0.5, "b": 0.6, "c": 0.5}, repeats=12, parts=PARTS)))
    assert summary.verdicts == ()
    assert len(summary.comparisons) == 14
    assert {c.decision.family for c in summary.comparisons} == {7}
    of_b = [c for c in summary.comparisons if c.arm == "b"]
    assert {c.verdict for c in of_b} == {"better"}
    assert [c.component for c in of_b] == list(PARTS)


def test_the_summary_over_data_sets_counts_verdicts_and_signs():
    summary = summarise(by_part(foreign.scores({"a": 0.5, "b": 0.6, "c": 0.5}, repeats=12, parts=PARTS)))
    assert summary.across is not None
    counts = summary.across.tables[0].table
    rows = {row[0]: dict(zip(counts.columns, row, strict=True)) for row in counts.rows}
    assert (rows["b"]["better"], rows["b"]["mean ahead"], rows["b"]["sign p"]) == (7, 7, pytest.approx(2 / 2**7))
    assert rows["c"]["undecided"] + rows["c"]["better"] + rows["c"]["worse"] == 7
    assert "'b' is better than 'a' on 7 of 7 data sets." in summary.across.findings[0].text
    assert summary.across.findings[0].label == "ahead"
    ranks = dict(summary.across.tables[1].table.rows)
    assert ranks["b"] == 1.0
    assert "Demšar 2006" in summary.across.limits


def test_a_sign_test_that_cannot_show_anything_says_so_beside_verdicts_that_agree():
    """Better on 3 of 3: that the sign test finds nothing in three data sets does not mean that the arms are alike."""
    few = summarise(by_part(foreign.scores({"a": 0.5, "b": 0.6}, repeats=12, parts=PARTS[:3])))
    assert few.across is not None
    assert "'b' is better than 'a' on 3 of 3 data sets." in few.across.findings[0].text
    assert few.across.findings[0].label == "too few for a sign test"
    frame = foreign.scores({"a": 0.5, "b": 0.6}, repeats=12, parts=PARTS)
    behind = (frame["arm"] == "b") & frame["component"].isin(PARTS[:2])
    frame.loc[behind, "value"] -= 0.2
    some = summarise(by_part(frame))
    assert some.across is not None
    assert some.across.findings[0].label == "sign test undecided"


def test_data_sets_without_an_arm_are_counted_and_named():
    frame = foreign.scores({"a": 0.5, "b": 0.6}, repeats=12, parts=PARTS)
    frame = frame[~((frame["arm"] == "b") & (frame["component"] == "set3"))]
    summary = summarise(by_part(frame))
    assert summary.across is not None
    assert "1 comparison without a score" in summary.across.limits
    assert "better than 'a' on 6 of 6 data sets" in summary.across.findings[0].text
    assert "No score at all: 'b' on 'set3'" in check(summary, "ABL043").text
    assert check(summary, "ABL004").outcome == "passed"


def test_the_page_of_data_sets_leads_with_the_summary(tmp_path):
    results = by_part(foreign.scores({"a": 0.5, "b": 0.6}, repeats=12, parts=PARTS))
    summary = summarise(results)
    page = write_report(summary, results, tmp_path).read_text(encoding="utf-8")
    assert page.index("On how many of the 7 data sets") < page.index('id="details"')
    assert 'id="figure-across"' in page
    assert (tmp_path / "tables" / "across_counts.csv").is_file()
    assert "Scores by data set" in page
    assert "is better than" in as_text(summary)
    assert as_json(summary)["across"]["key"] == "across"
    assert "On how many of the 7 data sets" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "component" not in page[: page.index('id="details-checks"')].lower()


def test_arms_with_other_numbers_of_repeats_are_named():
    frame = foreign.scores(ARMS)
    frame = frame[~((frame["arm"] == "cnn") & (frame["repeat"] == 3))]
    assert check(summarise(foreign.results(frame)), "ABL043").text == "Fewer repeats than others: 'cnn' has 7 of 8."
    apart = frame[~((frame["arm"] != "cnn") & (frame["repeat"] == 4))]
    text = check(summarise(foreign.results(apart)), "ABL043").text
    assert text == "Fewer repeats than others: arms lack different ones of 8 repeats."


def test_scores_that_never_vary_are_named():
    frame = foreign.scores(ARMS)
    frame.loc[frame["arm"] == "cnn", "value"] = 0.9
    found = check(summarise(foreign.results(frame)), "ABL044")
    assert (found.outcome, found.text) == ("warning", "The same score in every repeat: 'cnn' (0.9 in all 8).")
    assert check(summarise(foreign.results(foreign.scores(ARMS))), "ABL044").outcome == "passed"


def copied(arms, trained, copies, digits=None):
    """Scores whose repeats are copies of a few."""
    frame = foreign.scores(arms, repeats=trained)
    frame["value"] = frame["value"] if digits is None else frame["value"].round(digits)
    whole = [frame.assign(repeat=frame["repeat"] + trained * copy) for copy in range(copies)]
    return pd.concat(whole, ignore_index=True)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("digits", "unit"), [(None, 1), (4, 1), (None, 1e-9), (None, 1e9)])
def test_repeats_that_are_copies_of_others_are_named(paired, digits, unit):
    """Four trainings in twenty rows each would be judged as twenty, with a p a thousand times too small."""
    frame = copied(ARMS, 4, 5, digits)
    found = check(summarise(foreign.results(frame.assign(value=frame["value"] * unit), paired=paired)), "ABL044")
    assert found.outcome == "warning"
    start = "Every score stands in several repeats: 'mlp' (4 different ones in 20), 'cnn' (4 different ones in 20)"
    assert found.text.startswith(start)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_scores_with_few_possible_values_are_not_taken_for_copies(digits, seed):
    """Accuracies of few items, or rounded ones, are equal by chance."""
    frame = foreign.scores(ARMS, repeats=10, seed=seed, noise=0.1 if digits == 1 else 0.01)
    frame["value"] = frame["value"].round(digits)
    found = check(summarise(foreign.results(frame)), "ABL044")
    assert "several repeats" not in found.text


def test_two_arms_of_which_one_is_copied_are_named_as_such():
    frame = pd.concat([copied({"mlp": 0.8}, 4, 2), foreign.scores({"cnn": 0.83}, repeats=8, seed=3)])
    found = check(summarise(foreign.results(frame, paired=False)), "ABL044")
    assert found.text == "Every score stands in several repeats: 'mlp' (4 different ones in 8)."
