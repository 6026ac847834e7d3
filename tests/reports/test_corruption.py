"""Damaged inputs in a report: areas and crossings by hand, verdicts as the statistics give them, pictures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories.answers import FALLS, changed, corruption_answer

from mmcore.config import DataConfig
from reports.figures.svg import inline, to_svg
from reports.output.render import as_html
from reports.output.tables import tables
from reports.sections.arms.shown import shown_arms
from reports.sections.corruption.estimates import KIND_WORDS, Curve, Robustness, crossing
from reports.sections.corruption.falls import fall, questions_of
from reports.sections.corruption.figures_curves import CorruptionCurves
from reports.sections.corruption.section import section
from reports.statistics.comparisons import compare
from reports.summary.build import summarise


def asked(results, **options):
    rng = np.random.default_rng(0)
    made = [
        corruption_answer(arm.name, repeat, noise=0.01 * rng.standard_normal(), **options)
        for arm in results.study.arms
        for repeat in range(results.study.repeats)
    ]
    return replace(results, analyses=tuple(made))


@pytest.fixture(scope="module")
def results(results_of):
    return asked(results_of())


def test_without_answers_there_is_no_section(results_of):
    assert section(results_of()) is None
    assert CorruptionCurves(results_of()).frame().empty


@pytest.mark.parametrize(
    ("skill", "at"),
    [([0.5, 0.1, -0.1], 1.5), ([0.5, 0.1, 0.0], math.inf), ([-0.1, 0.4, -0.1], 0.0), ([0.2, -0.2, 0.3], 0.5)],
)
def test_a_crossing_lies_on_the_line_between_two_levels(skill, at):
    assert crossing([0.0, 1.0, 2.0], np.array(skill)) == pytest.approx(at)


def test_a_crossing_is_not_known_where_a_skill_is_not():
    assert math.isnan(crossing([0.0, 1.0], np.array([0.2, math.nan])))


def test_areas_are_mean_skill_over_the_range_whatever_its_unit(results):
    found = Robustness.of(results)
    for curve in found.curves:
        fall = FALLS[curve.arm] if curve.reads else 0.0
        assert curve.area_R == pytest.approx(curve.score_RL[:, 0] - fall / 2)
        assert curve.cost_R == pytest.approx(np.full(8, fall / 2))
    noise = next(c for c in found.curves if c.arm == "track_only" and c.kind == "noise" and c.reads)
    assert noise.crossing == pytest.approx(2 * noise.score_RL[:, 0].mean() / 0.6)
    assert [c.unit for c in found.curves if c.kind == "delay"] == ["seconds"] * 4


def test_who_does_not_read_a_modality_keeps_its_score(results):
    found = Robustness.of(results)
    flat = next(c for c in found.curves if c.arm == "track_only" and c.modality == "audio" and c.kind == "gap")
    assert not flat.reads
    assert np.ptp(flat.score_RL, axis=1) == pytest.approx(0.0)
    assert found.modalities == ("audio", "track")


def test_all_comparisons_are_judged_together(results):
    found = Robustness.of(results)
    asked = 2 * 2 * len(KIND_WORDS)
    assert {(c.area.family, c.cost.family) for c in found.comparisons} == {(asked, asked)}
    areas = {(c.arm, c.modality, c.kind): c.area_R for c in found.curves}
    rows = [areas["multimodal", m, k] - areas["track_only", m, k] for k in KIND_WORDS for m in ("audio", "track")]
    pairs = [compare(row, np.zeros(8), overlap=results.overlap) for row in rows]
    for c, pair in zip(found.comparisons, pairs, strict=True):
        assert c.area.estimate.mean == pytest.approx(pair.difference.mean)
        assert c.area.p >= 2 * pair.p_t, "the section has two families"
    for kind in KIND_WORDS:
        mine = [c for c in found.comparisons if c.kind == kind]
        # The damage to audio costs 0.1, and that to the tracks 0.2 less than it costs the other arm.
        assert [c.cost.estimate.mean for c in mine] == pytest.approx([0.1, -0.2])
        assert [c.cost.outcome for c in mine] == ["above", "below"]


@pytest.mark.parametrize("metric", ["loss", "active/f1"])
def test_scores_are_the_studys_metric_with_its_sign_and_margin(results_of, study_of, metric):
    results = asked(results_of(study_of(metric=metric, margin=0.01)))
    found = Robustness.of(results)
    mixed = {c.kind: c for c in found.comparisons if c.modality == "track"}["noise"]
    scale = {"loss": 1.0, "active/f1": 0.5}[metric]
    assert mixed.area.estimate.mean == pytest.approx(0.2 * scale, abs=0.02), "better whatever the measure's direction"
    assert mixed.cost.estimate.mean == pytest.approx(-0.2 * scale)
    assert mixed.area.margin == 0.01
    assert {float(v) for c in found.curves for v in c.naive_R} == {{"loss": 1.0, "active/f1": 0.5}[metric]}
    told = section(results)
    assert [finding.label for finding in told.findings] == ["falls below", "holds", "mixed"], "as in skill"
    assert {"loss": "loss (lower", "active/f1": "F1 of active"}[metric] in told.lead
    assert "The best naive predictor scores" in told.lead
    assert CorruptionCurves(results).draw()


def test_runs_on_another_sample_are_left_out_and_told(results_of):
    plain = asked(results_of())
    others = [replace(a, result=changed(a.result, sample=changed(a.result.sample, digest="b"))) for a in plain.analyses]
    mixed = [b if a.arm == "multimodal" and a.repeat < 3 else a for a, b in zip(plain.analyses, others, strict=True)]
    found = Robustness.of(replace(plain, analyses=tuple(mixed)))
    assert found.excluded == 3
    assert {c.area.estimate.n for c in found.comparisons} == {5}
    assert "3 runs" in section(replace(plain, analyses=tuple(mixed))).limits


def test_findings_say_what_the_numbers_say(results):
    told = section(results)
    assert [finding.label for finding in told.findings] == ["falls below", "holds", "mixed"]
    assert "dropped steps of track (at 100 % of the steps)" in told.findings[0].text
    assert "0.100 on average" in told.findings[1].evidence
    assert "keeps a better score than 'track_only' with noise (track)" in told.findings[2].text
    assert "keeps a worse one than 'track_only' with noise (audio)" in told.findings[2].text
    assert "Damage costs it less with noise (track), " in told.findings[2].text


def test_told_are_the_reference_and_the_best(results_of, study_of):
    study = study_of(["reference", "middling", "best"])
    results = results_of(study, effects={"middling": 0.05, "best": 0.3})
    assert shown_arms(results, {"reference", "middling", "best"}) == ("reference", "best")
    assert shown_arms(results, {"middling", "reference"}) == ("reference", "middling")
    assert shown_arms(results, {"best"}) == ("best",)
    assert shown_arms(results, {}) == ()
    worse = results_of(study, effects={"middling": -0.3, "best": -0.3})
    assert shown_arms(worse, {"reference", "best"}) == ("reference",)
    control = study.arm("best").config.model_copy(update={"data": DataConfig(placebo=("audio",))})
    arms = tuple(replace(arm, config=control) if arm.name == "best" else arm for arm in study.arms)
    controlled = replace(results, study=replace(study, arms=arms))
    assert shown_arms(controlled, {"reference", "middling", "best"}) == ("reference", "middling")
    assert shown_arms(controlled, {"best"}) == ("best",)


def test_the_page_holds_the_section_and_its_tables(results):
    summary = summarise(results)
    text = as_html(summary)
    assert 'id="section-corruption"' in text
    assert "falls below the naive predictors with" in text
    written = tables(summary, results)
    assert all(len(written[f"corruption_{name}"]) > 5 for name in ("areas", "comparisons", "curves"))


def test_many_arms_and_modalities_are_drawn_as_far_as_they_can_be_told_apart(results_of, study_of):
    arms = [f"arm_{i}" for i in range(10)]
    results = results_of(study_of(arms, repeats=2), effects={})
    reads = tuple(f"modality_{i}" for i in range(5))
    many = asked(results, fall=0.3, reads=reads, unit=None)
    figure = CorruptionCurves(many)
    drawing = figure.draw()
    assert len(drawing.axes) == len(KIND_WORDS) * 4
    assert "first 4 of 5 modalities" in figure.description
    assert "first 8 of 10 arms" in figure.description
    assert set(figure.frame()["arm"]) == set(arms)
    assert inline(to_svg(drawing), "corruption", "t", "d").count("<path") > 100
    assert section(many).findings[-1].text == "The table has the other 5 of 9 comparisons."
    assert len(section(many).tables[2].table.rows) == 10 * 5 * 5 * 2 * 3


def test_one_run_alone_gives_a_curve_and_no_verdict(results_of, study_of):
    results = results_of(study_of(["alone"], repeats=1), effects={})
    told = section(asked(results, fall=0.5, reads=("track",)))
    assert [finding.label for finding in told.findings] == ["not shown"], "one repeat has no interval"
    assert told.tables[1].table.rows == ()


# Above and below ------------------------------------------------------------------------------------------------------
LINE = (0.0, 0.1, 0.2, 0.3)


def curve(*skills, kind="noise", unit="training standard deviations", noise=0.01, repeats=8):
    """Skill at the levels of LINE, by turns above and below these means by ``noise``; None: no answer."""
    rows = [[math.nan if s is None else s + noise * (-1) ** r for s in skills] for r in range(repeats)]
    return Curve("all", "audio", kind, unit, True, LINE[: len(skills)], np.array(rows), np.zeros(repeats), 1, {})


def told_of(*curves):
    return fall("all", curves, 0.95, 0.25)


def test_without_a_number_nothing_holds():
    found = told_of(curve(None, None, None), curve(None, None, None, kind="gap", unit="share of the window"))
    assert (found.label, found.tone) == ("not known", "open")
    assert "stays above" not in found.text
    some = told_of(curve(None, None, None), curve(0.5, 0.4, 0.3, kind="gap", unit="share of the window"))
    assert some.label == "holds"
    assert "noise" not in some.evidence


def test_who_is_below_undamaged_does_not_fall():
    found = told_of(curve(-0.2, -0.3, -0.4), curve(-0.2, -0.1, 0.2, kind="gap", unit="share of the window"))
    assert (found.label, found.text) == ("below undamaged", "'all' is below the naive predictors even without damage.")
    assert "Undamaged: −0.200 (−0.2" in found.evidence


@pytest.mark.parametrize(
    ("skills", "where"),
    [
        ((0.2, 0.1, -0.1, -0.2), "(from 0.20 training standard deviations on)"),
        ((0.2, -0.1, 0.1, -0.1), "(at 0.30 training standard deviations)"),
    ],
)
def test_from_a_level_on_only_where_it_stays_below(skills, where):
    found = told_of(curve(*skills))
    assert found.label == "falls below"
    assert found.text == f"'all' falls below the naive predictors with noise of audio {where}."


def test_a_dip_that_the_strongest_damage_does_not_share_is_no_claim():
    """Levels are tested from the strongest one down, for else each of them would be a question of its own."""
    found = told_of(curve(0.2, -0.1, -0.1, 0.2))
    assert (found.label, found.tone) == ("not shown", "open")


def test_words_are_corrected_for_the_number_of_curves():
    some = [curve(0.4, 0.3, 0.2, 0.012, noise=0.013), curve(0.4, 0.4, 0.4, 0.4, kind="gap", unit="share of the window")]
    assert fall("all", some, 0.95, 0.0).label == "holds"
    assert questions_of({"all": some, "two": some[:1]}, 2) == 2 * (3 + 2)
    assert fall("all", some, 0.95, 0.0, 10).label == "not shown"


def test_what_intervals_leave_open_is_not_shown():
    spread = told_of(curve(0.4, 0.2, 0.01, -0.01, noise=0.1))
    assert (spread.label, spread.tone) == ("not shown", "open")
    assert spread.text.startswith(
        "It is not shown that 'all' falls below the naive predictors, nor that it stays above."
    )
    two = told_of(curve(0.4, 0.2, 0.1, -0.05, noise=0.05, repeats=2))
    assert two.label == "not shown"
    even = told_of(curve(0.0, 0.0, -0.3, -0.4))
    assert even.text == (
        "'all' is not shown to be above the naive predictors, even without damage. 'all' is below the naive predictors "
        "with noise of audio (from 0.20 training standard deviations on)."
    )
    mixed = told_of(
        curve(0.4, 0.2, 0.1, -0.3), curve(0.4, 0.3, 0.3, 0.3, kind="gap", unit="share of the window"),
        curve(0.4, 0.3, 0.0, 0.0, noise=0.05, kind="drop", unit="share of the steps"),
    )  # fmt: skip
    assert mixed.text.endswith("It stays above with one gap. Not shown either way: dropped steps.")


def test_levels_between_which_nothing_lies_are_named_as_they_were_tested():
    late = curve(0.3, -0.2, -0.3, kind="delay", unit="seconds")
    assert late.crossing == 0.1
    assert set(late.crossing_R) == {0.1}
    assert "from 0.10 seconds on" in told_of(late).text
    assert curve(0.3, -0.2, -0.3).crossing == pytest.approx(0.06, abs=0.01)
