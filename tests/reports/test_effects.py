"""What a comparison comes to in original units, what deciding it would cost, and which variation is covered."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from mmcore.scores import Score
from reports.output.render import as_html, as_markdown, write_report
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.statistics.bootstrap import bca, interquartile_mean
from reports.summary.build import summarise
from reports.summary.effects import cost_to_decide, in_original_units, seconds_to_decide


@pytest.fixture(scope="module")
def undecided(results_of, study_of):
    """A small difference over ten repeats that test items of their own, so that more repeats would decide it."""
    return results_of(study_of(repeats=10), effects={"multimodal": 0.024})


def test_the_arms_stand_against_each_other_in_the_units_of_the_data(undecided):
    text = in_original_units(undecided, "multimodal", "track_only")
    x = undecided.table("mae", "position", parameter="x").mean()
    assert text.startswith(f"Mean absolute error: x {x['multimodal']:.2f} px against {x['track_only']:.2f} px, y ")
    summary = summarise(undecided)
    assert summary.verdicts[0].units == text
    for page in (as_html(summary), as_text(summary).replace("\n  ", " ")):
        assert text in page
    assert "Mean absolute error: x " in as_markdown(summary)


def test_no_measure_in_units_no_sentence(results_of):
    assert in_original_units(results_of(components=("scale",)), "multimodal", "track_only") == ""


def test_an_arm_that_never_finished_is_left_out(results_of):
    results = results_of(absent=[("multimodal", r) for r in range(8)])
    assert in_original_units(results, "multimodal", "track_only") == ""


def test_many_parameters_are_counted_not_listed(study_of, records_of):
    records = records_of(study_of(repeats=2))
    more = tuple(Score("test", "all", "mae", "position", 1.0, f"p{i}") for i in range(9))
    records = [replace(record, scores=record.scores + more) for record in records]
    text = in_original_units(tidy(study_of(repeats=2), records), "multimodal", "track_only")
    assert text.count("against") == 6
    assert text.endswith("and 5 more in the table of measures.")


def test_what_is_undecided_has_a_price(undecided):
    summary = summarise(undecided)
    row = summary.primary[0]
    assert (row.verdict, row.decision.more is None) == ("undecided", False)
    seconds = {arm.name: arm.seconds for arm in summary.arms}
    # 12.5 s and one more for each repeat, the mean of ten.
    assert seconds == pytest.approx({"track_only": 17.0, "multimodal": 17.0})
    assert seconds_to_decide(row, seconds) == pytest.approx(row.decision.more * 34.0)
    cost = cost_to_decide(row, seconds)
    assert f"{2 * row.decision.more} runs of 'multimodal' and 'track_only'" in cost
    assert summary.verdicts[0].cost == cost
    assert cost.replace(" %", "\N{NO-BREAK SPACE}%") in as_html(summary).replace("&#39;", "'")
    assert as_json(summary)["comparisons"][0]["more_seconds"] == pytest.approx(row.decision.more * 34.0)


def test_what_is_decided_or_without_times_has_none(summary_of, undecided):
    decided = summary_of()
    assert decided.primary[0].verdict == "better"
    assert decided.verdicts[0].cost == ""
    assert as_json(decided)["comparisons"][0]["more_seconds"] is None
    row = summarise(undecided).primary[0]
    assert seconds_to_decide(row, {"track_only": math.nan, "multimodal": 1.0}) is None


def test_every_arm_has_its_deviation_and_interquartile_mean(undecided, tmp_path):
    summary = summarise(undecided)
    scores = undecided.table("skill", None)["multimodal"].to_numpy()
    arm = summary.arms[1]
    assert arm.robust.middle == pytest.approx(float(interquartile_mean(scores)))
    assert (arm.robust.low, arm.robust.high) == bca(scores, 0.95, undecided.overlap)
    assert (arm.robust.middle_low, arm.robust.middle_high) == bca(scores, 0.95, undecided.overlap, interquartile_mean)
    html = as_html(summary)
    part = html[html.index('id="details-arms"') : html.index('id="details-comparisons"')]
    assert f'data-value="{arm.robust.middle:.9g}"' in part
    assert f'data-value="{arm.score.deviation:.9g}"' in part
    written = pd.read_csv(write_report(summary, undecided, tmp_path).parent / "tables" / "arms.csv")
    assert written["interquartile_mean"].tolist() == pytest.approx([a.robust.middle for a in summary.arms])


def test_an_arm_without_scores_has_no_spread(summary_of):
    summary = summary_of(absent=[("multimodal", r) for r in range(8)])
    assert math.isnan(summary.arms[1].robust.middle)
    assert 'id="details-arms"' in as_html(summary)


@pytest.mark.parametrize("drawn", ["each_repeat", "once", "corpus"])
def test_the_page_says_which_variation_the_intervals_cover_and_which_not(results_of, study_of, drawn):
    summary = summarise(results_of(study_of(repeats=6), items=12, drawn=drawn))
    html = as_html(summary)
    for text in (html, as_markdown(summary)):
        if drawn == "once":
            assert "The test items are drawn once, so every repeat tested the same ones." in text
            assert "holds for the tested items alone" in text
        elif drawn == "corpus":
            assert "The corpus fixes its training and test items, so every repeat tested the same ones." in text
            assert "holds for the tested items alone" in text
        else:
            assert "Verdicts are about new items of this corpus" in text
            assert "intervals cover the draw of the split and the initialisation" in text
            assert "Nadeau–Bengio" in text
        assert "another corpus" in text
        # The one interval that is for other items says so where it stands.
        assert "covers both other items and other repeats" in text


def test_names_of_arms_lead_to_their_runs_wherever_their_numbers_stand(summary_of):
    html = as_html(summary_of())
    for part in ("verdicts", "arms", "details-arms", "details-comparisons"):
        start = html.index(f'id="{part}"')
        assert '<a href="#runs-1">multimodal</a>' in html[start : start + 6000], part
