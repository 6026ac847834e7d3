"""Where one component decides for all, or components disagree, the verdict says so before its numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mmcore.measures import parse_metric
from reports.output.render import as_html, as_markdown
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.summary.build import summarise
from reports.verdicts.dominance import dominance, dominance_text, is_dominated, sign_of

FLAT = np.zeros(8)


def parts(**mean):
    """Differences of 8 repeats around each component's mean, all varying alike but out of step."""
    steps = np.linspace(-1, 1, 8)
    return {c: m + 0.01 * np.roll(steps, 3 * i) for i, (c, m) in enumerate(mean.items())}


@pytest.mark.parametrize(
    ("means", "component"),
    [
        ({"a": 0.1, "b": 0.1, "c": 0.1}, None),
        ({"a": 0.39, "b": 0.1, "c": 0.1}, None),
        ({"a": 0.41, "b": 0.1, "c": 0.1}, "a"),
        ({"a": 0.1, "b": -0.5, "c": 0.1}, "b"),  # it turns the whole round
        ({"a": 0.8, "b": 0.1}, None),  # of two one always has half or more
        ({"a": 0.95, "b": 0.1}, "a"),
        ({"a": 0.5}, None),  # the only one is the whole
        ({}, None),
    ],
)
def test_who_makes_most_of_a_difference(means, component):
    assert dominance(parts(**means), {}).component == component
    assert is_dominated(parts(**means), {}) == (component is not None)


def test_shares_are_of_the_absolute_differences():
    found = dominance(parts(a=0.6, b=-0.1, c=0.1), {})
    assert found.share == pytest.approx(0.75)
    assert dominance_text(found) == "Most of this difference comes from component a (75 %)."


def test_components_disagree_only_where_both_signs_are_shown():
    known = parts(active=0.2, x=-0.2, scale=0.2)
    assert is_dominated(known, {"active": 1, "x": -1})
    assert not is_dominated(known, {"active": 1, "scale": 1})
    assert not is_dominated(known, {"x": -1})
    found = dominance(known, {"active": 1, "scale": 1, "x": -1})
    assert dominance_text(found) == "Components disagree: better on active and scale, worse on x."


def test_most_of_the_variation_is_told_and_says_nothing_against_the_whole():
    known = {c: 0.1 + part for c, part in parts(a=0.0, b=0.0, c=0.0).items()} | {"a": 0.1 + np.linspace(-1, 1, 8)}
    found = dominance(known, {})
    assert (found.noisy, found.dominated) == ("a", False)
    assert dominance_text(found) == "Most of the variation between repeats comes from component a (100 %)."
    few = {c: d_R[:5] for c, d_R in known.items()}
    assert dominance(few, {}).noisy is None


def test_what_is_not_known_takes_no_part():
    known = parts(a=0.5, b=0.1, c=0.1)
    with_gap = {**known, "b": np.where(np.arange(8) == 2, np.nan, known["b"]), "d": np.full(8, np.nan)}
    found = dominance(with_gap, {"d": -1, "a": 1})
    assert found.component == "a"
    assert not found.disagree
    for nothing in ({}, {"a": np.full(8, np.nan)}, {"a": FLAT, "b": FLAT}):
        found = dominance(nothing, {})
        assert (found.component, found.noisy, found.dominated) == (None, None, False)
        assert math.isnan(found.share)
        assert dominance_text(found) == ""
    # No repeat has both.
    apart = {"a": np.array([1.0, np.nan]), "b": np.array([np.nan, 1.0])}
    assert dominance(apart, {}).component is None


@pytest.mark.parametrize(
    ("verdict", "sign"),
    [("better", 1), ("better on these items", 1), ("worse", -1), ("equivalent", 0), ("undecided", 0)],
)
def test_signs_of_verdicts(verdict, sign):
    assert sign_of(verdict) == sign


# In a report ---------------------------------------------------------------------------------------------------------
def summary_of(study_of, records_of, effect, **options):
    study = study_of(repeats=8)
    return summarise(tidy(study, records_of(study, effects={"multimodal": effect}, **options)))


def check(summary):
    return next(c for c in summary.checks if c.code == "ABL032")


def test_a_verdict_opens_with_the_component_that_makes_it(study_of, records_of):
    summary = summary_of(study_of, records_of, {"active": 0.5})
    verdict = summary.verdicts[0]
    assert verdict.verdict.startswith("better")
    assert verdict.lead.startswith("Most of this difference comes from component active (9")
    assert check(summary).outcome == "warning"
    assert verdict.lead in check(summary).text
    for text in (as_text(summary), as_markdown(summary), as_html(summary)):
        flat = " ".join(text.replace("\u00a0", " ").split())
        assert flat.index("Most of this difference comes from component active") < flat.index("paired repeats")
    told = as_json(summary)["comparisons"]
    assert [c["lead"] for c in told if c["component"] is None] == [verdict.lead]
    assert all(c["lead"] is None for c in told if c["component"] is not None)


def test_disagreement_is_told_also_where_the_whole_is_undecided(study_of, records_of):
    summary = summary_of(study_of, records_of, {"active": 0.3, "position": -0.3})
    assert summary.verdicts[0].verdict == "undecided"
    assert summary.verdicts[0].lead.startswith("Components disagree: better on active, worse on position.")
    assert "Most of this difference" not in summary.verdicts[0].lead


def test_it_is_silent_where_all_components_share_in_it(study_of, records_of):
    summary = summary_of(study_of, records_of, 0.2)
    assert summary.verdicts[0].lead == ""
    assert check(summary).outcome == "passed"


def test_a_metric_of_one_component_has_no_whole(study_of, records_of):
    study = replace(study_of(repeats=8), metric=parse_metric("active/f1"))
    summary = summarise(tidy(study, records_of(study, effects={"multimodal": {"active": 0.5}})))
    assert summary.verdicts[0].lead == ""
    assert check(summary).outcome == "not applicable"
