"""Errors in a report: ratios and gains by hand, items as the records have them, pictures of cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories.answers import COMPONENTS, changed
from factories.answers_of_errors import SPEECH, attended, errors_answer, with_cases

from reports.figures.svg import inline, to_svg
from reports.output.render import as_html
from reports.output.tables import tables
from reports.sections.error_analysis.estimates import gains, ratios
from reports.sections.error_analysis.figures import figures
from reports.sections.error_analysis.figures_case import ErrorCase, ErrorEnds
from reports.sections.error_analysis.figures_conditions import ErrorConditions
from reports.sections.error_analysis.figures_timeline import cropped
from reports.sections.error_analysis.section import section
from reports.statistics.comparisons import compare
from reports.statistics.intervals import estimate
from reports.summary.build import summarise


def asked(results, **options):
    rng = np.random.default_rng(0)
    made = [
        errors_answer(arm.name, repeat, 1 + 0.05 * rng.random(), **options)
        for arm in results.study.arms
        for repeat in range(results.study.repeats)
    ]
    return replace(results, analyses=tuple(made))


@pytest.fixture(scope="module")
def results(results_of):
    return asked(results_of(items=6))


def test_without_answers_there_is_no_section(results_of):
    assert section(results_of()) is None
    assert all(figure.frame().dropna(subset=[figure.value]).empty for figure in figures(results_of()))


def test_a_ratio_is_the_geometric_mean_over_repeats(results):
    found = {(r.arm, r.place.label, r.component): r for r in ratios(results)}
    assert found["multimodal", "speech: yes", "active"].ratio == pytest.approx(0.5)
    assert found["track_only", "speech: yes", "active"].ratio == pytest.approx(1.0)
    assert found["multimodal", "speech: yes", "active"].naive == pytest.approx(1.0)
    assert found["multimodal", "speech: yes", "scale"].test.outcome == "none"
    assert found["multimodal", "speech: yes", "active"].test.outcome == "below"
    # What has no loss, and a condition with one group only, has no ratio.
    assert {component for _, _, component in found} == {"active", "scale"}
    assert {label for _, label, _ in found} == {"speech: yes", "audio: absent"}


def test_intervals_and_families_are_those_of_the_statistics(results_of):
    plain = results_of(items=6)
    rng = np.random.default_rng(1)
    losses = 0.5 * np.exp(0.1 * rng.standard_normal(8))
    made = []
    for arm in plain.study.arms:
        for repeat in range(8):
            made.append(errors_answer(arm.name, repeat, 1.0, speech=losses[repeat]))
    results = replace(plain, analyses=tuple(made))
    found = next(r for r in ratios(results) if (r.arm, r.place.group, r.component) == ("multimodal", "yes", "active"))
    expected = estimate(np.log(losses), 0.95, results.overlap)
    assert (found.ratio, found.low, found.high) == pytest.approx(
        tuple(np.exp([expected.mean, expected.low, expected.high]))
    )
    # Two arms, two components, two places; and the gains of one pair.
    assert found.test.family == 2 * 2 * 2 + 2 * 2
    t_test = 12 * compare(np.log(losses), np.zeros(8), overlap=results.overlap).p_t
    assert found.test.p == 2 / 2**8 > t_test, "the larger of two, and no fewer repeats can give less"


def test_a_gain_is_a_difference_of_skill_and_is_told_where_it_differs(results):
    found = {(g.place.label, g.component): g for g in gains(results)}
    gain = found["speech: yes", "active"]
    assert (gain.arm, gain.reference) == ("multimodal", "track_only")
    # In silence both lose 0.8 of the naive loss, in speech one of them 0.4.
    assert gain.base.mean == pytest.approx(0.0, abs=0.03)
    assert gain.group.mean == pytest.approx(0.4, abs=0.05)
    assert gain.test.estimate.mean == pytest.approx(0.41, abs=0.02)
    assert gain.test.outcome == "above"
    assert found["audio: absent", "active"].test.outcome == "open", "the study sets no margin"


@pytest.mark.parametrize(
    ("metric", "margin", "least"), [("skill", 0.5, 0.5), ("skill", None, None), ("loss", 0.5, 0.02)]
)
def test_a_gain_counts_beyond_the_studys_margin_or_one_of_skill(results_of, study_of, metric, margin, least):
    results = asked(results_of(study_of(metric=metric, margin=margin), items=6))
    (gain,) = [g for g in gains(results) if (g.place.label, g.component) == ("speech: yes", "active")]
    assert gain.test.margin == least
    assert gain.test.outcome == ("none" if least == 0.5 else "above")
    told = section(results)
    assert ("gains that differ by no more than" in told.lead) == (least is not None)
    assert ("gains more" in [f.label for f in told.findings]) == (least != 0.5)


def test_a_loss_that_is_a_little_higher_is_equal(results_of):
    plain = results_of(items=6)
    made = [errors_answer(a.name, r, 1 + 0.001 * r) for a in plain.study.arms for r in range(8)]
    for one in made:
        loss = one.result.conditions[0].groups[2].loss
        loss["active"] = loss["scale"] * 1.05
    found = {(r.place.label, r.component): r for r in ratios(replace(plain, analyses=tuple(made)))}
    ratio = found["speech: yes", "active"]
    assert (ratio.test.side, ratio.test.outcome) == (1, "none"), "shown to be higher, and by how little"


def test_findings_tell_what_was_decided_and_nothing_else(results):
    told = section(results)
    assert [finding.label for finding in told.findings] == ["easier", "gains more"]
    assert told.findings[0].text.startswith("Where “speech: yes”, the loss of 'multimodal' is 0.500 times that of “no”")
    assert "gains more over 'track_only' in active" in told.findings[1].text


def test_conditions_that_always_come_together_are_told_once(results_of):
    plain = results_of(items=6)
    made = [errors_answer(a.name, r, 1.0) for a in plain.study.arms for r in range(8)]
    twins = []
    for one in made:
        conditions = (*one.result.conditions, changed(one.result.conditions[0], name="talk"))
        twins.append(replace(one, result=changed(one.result, conditions=conditions)))
    told = section(replace(plain, analyses=tuple(twins)))
    assert told.findings[0].text.startswith("Where “speech: yes” and “talk: yes”")
    assert len(told.findings) == 2


def test_items_are_those_of_the_records(results):
    items = results.items.query("component == 'active' and arm == 'multimodal'")
    means = items.groupby("item")["loss"].mean()
    rows = [row for row in section(results).tables[2].table.rows if row[0] == "active" and row[2] == "multimodal"]
    worst = [row for row in rows if row[1] == "worst" and row[5] == "multimodal"]
    assert [row[4] for row in worst] == sorted(means.index, key=lambda name: (-means[name], name))[:2]
    assert worst[0][6] == pytest.approx(means.max())
    # The other arm's loss stands beside it, on the same item.
    assert {row[5] for row in rows} == {"track_only", "multimodal"}


def test_the_hardest_case_shows_both_arms(results):
    hardest = ErrorCase(results, 0)
    assert list(hardest.cases) == ["track_only", "multimodal"]
    frame = hardest.frame()
    assert set(frame["series"]) == {"truth", "prediction", "feature", "edit", "gate", "attention"}
    assert frame.query("series == 'edit'")["time"].tolist() == pytest.approx([1.3, 1.9])
    assert (frame.query("series == 'truth'").groupby("name").size() == 20).all()
    assert set(frame["item"]) == {"video_0"}


@pytest.mark.parametrize(("place", "arm"), [(0, "track_only"), (1, "multimodal")])
def test_the_reference_and_the_best_arm_have_their_own_worst_and_best_span(results, place, arm):
    ends = ErrorEnds(results, 1, place)
    assert ends.title == f"Worst and best span of {arm}: scale"
    assert list(ends.cases) == ["worst", "best"]
    frame = ends.frame()
    assert set(frame.query("series == 'prediction'")["arm"]) == {arm}
    assert frame.groupby("end").size().index.tolist() == ["best", "worst"]
    labels = [axes.get_title(loc="left") for axes in ends.draw().axes[:2]]
    assert labels == [f"{end}: loss 1.500\ntrack 0 scale (px)" for end in ("worst", "best")]


def test_the_best_span_is_the_best(results_of):
    plain = results_of(items=6)
    losses = {"hardest": 1.5, "worst": 3.0, "best": 0.25}
    made = [
        with_cases(errors_answer(a.name, r, 1.0), lambda case, r=r: changed(case, loss=losses[case.why] + r))
        for a in plain.study.arms
        for r in range(8)
    ]
    ends = ErrorEnds(replace(plain, analyses=tuple(made)), 0, 1)
    assert (ends.repeat, ends.cases["worst"].loss, ends.cases["best"].loss) == (0, 3.0, 0.25)
    assert "loss 3.000" in ends.description
    assert "loss 0.250" in ends.description


def test_both_ends_are_of_a_repeat_that_both_arms_have(results_of):
    plain = results_of(items=6)
    made = [
        errors_answer(a.name, r, 1.0, cases=(a.name, r) != ("track_only", 0))
        for a in plain.study.arms
        for r in range(3)
    ]
    results = replace(plain, analyses=tuple(made))
    assert [ErrorEnds(results, 0, place).repeat for place in (0, 1)] == [1, 1]
    alone = replace(results, analyses=tuple(a for a in made if a.repeat == 0))
    assert [ErrorEnds(alone, 0, place).repeat for place in (0, 1)] == [None, 0]


def test_a_span_is_cropped_with_all_that_belongs_to_it(results):
    case = ErrorCase(results, 0).cases["multimodal"]
    short = cropped(case, 2)
    assert short.span == (2, 9)
    assert short.start == case.start + 3
    assert short.events == (0, 6)
    assert short.attention.at == 6
    assert short.attention.rows[0].row == case.attention.rows[0].row[3:14]
    np.testing.assert_array_equal(short.lines[0].true, case.lines[0].true[3:14])
    assert short.features[0].values == case.features[0].values[3:14]
    assert short.gates["audio"] == case.gates["audio"][3:14]
    assert cropped(case, 100).model_dump_json() == case.model_dump_json()


def test_cases_of_another_window_are_not_laid_over_one_another(results):
    moved = [
        a if a.arm == "track_only" else errors_answer("multimodal", a.repeat, 1.0, start=99) for a in results.analyses
    ]
    assert list(ErrorCase(replace(results, analyses=tuple(moved)), 0).cases) == ["track_only"]


@pytest.mark.parametrize("gates", [True, False])
def test_every_case_can_be_drawn(results_of, gates):
    results = asked(results_of(items=6), gates=gates)
    for figure, columns in ((ErrorCase(results, 0), 1), (ErrorEnds(results, 0, 1), 2)):
        drawing = figure.draw()
        assert len(drawing.axes) == columns * (6 if gates else 4)
        assert "absent" in inline(to_svg(drawing), figure.name, figure.title, figure.description)


def test_attention_is_drawn_and_told_of_the_layer_that_it_comes_from(results_of):
    def told(*places, of=None):
        figure = ErrorCase(asked(results_of(items=6), attention=attended(*places, of=of)), 0)
        axes = figure.draw().axes[-1]
        return axes.get_ylabel(), figure.description, axes.get_legend()

    label, words, legend = told("encoder")
    assert (label, legend) == ("attention\nencoder layer 2", None)
    assert "of the encoder, layer 2, mean over heads, from the step" in words
    label, words, legend = told("before/audio", "before/track")
    assert label == "attention\nbefore layer 2"
    assert [text.get_text() for text in legend.get_texts()] == ["audio", "track"]
    assert "of the layers before fusion, layer 2" in words
    label, words, legend = told("audio←track", "track←audio", of=9)
    assert label == "attention\nfusion layer 2"
    assert [text.get_text() for text in legend.get_texts()] == ["audio←track", "track←audio"]
    assert "(the first 2 of 9)" in words
    assert "Shares: what the fusion of 'multimodal' gives each modality." in words


def test_gates_that_are_not_known_in_a_span_are_said_to_be_none(results_of):
    plain = results_of(items=6)

    def shut(case):
        return changed(case, gates={"audio": (math.nan if case.why == "worst" else 0.5,) * 20})

    made = [with_cases(errors_answer(a.name, 0, 1.0), shut) for a in plain.study.arms]
    axes = ErrorEnds(replace(plain, analyses=tuple(made)), 0, 1).draw().axes[-4:-2]
    assert [[text.get_text() for text in one.texts] for one in axes] == [["none"], []]


def test_an_end_whose_attention_is_not_known_keeps_the_colours_of_the_other(results_of):
    plain = results_of(items=6)
    gates = {"worst": {"b": (0.1,) * 20}, "best": {"a": (0.2,) * 20, "b": (0.3,) * 20}}

    def half_known(case):
        seen = attended("encoder/b") if case.why == "best" else None
        return changed(case, attention=seen, gates=gates.get(case.why, {}))

    made = [with_cases(errors_answer(a.name, 0, 1.0), half_known) for a in plain.study.arms]
    *_, left, right = ErrorEnds(replace(plain, analyses=tuple(made)), 0, 1).draw().axes
    assert left.texts[0].get_text() == "none"
    assert left.get_ylabel() == "attention\nencoder layer 2"
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["b"]
    assert not right.texts
    gates = ErrorEnds(replace(plain, analyses=tuple(made)), 0, 1).draw().axes[-4:-2]
    colours = [
        {float(one.get_ydata()[0]): one.get_color() for one in axes.lines if len(one.get_xdata())} for axes in gates
    ]
    assert colours[0][0.1] == colours[1][0.3] != colours[1][0.2]


def test_the_conditions_are_drawn_for_the_reference_and_the_best(results):
    figure = ErrorConditions(results)
    assert len(figure.frame()) == len(ratios(results))
    labels = [text.get_text() for text in figure.draw().legends[0].get_texts()]
    assert labels == ["track_only", "multimodal", "naive predictors"]


def test_an_infinitely_easy_group_has_no_ratio(results_of):
    plain = results_of(items=6)
    made = [errors_answer(a.name, r, 1.0) for a in plain.study.arms for r in range(8)]
    for one in made:
        one.result.conditions[0].groups[2].loss["active"] = 0.0
    found = ratios(replace(plain, analyses=tuple(made)))
    assert not [r for r in found if (r.place.label, r.component) == ("speech: yes", "active")]
    assert all(math.isfinite(r.ratio) for r in found)


def test_the_page_holds_the_section_and_its_tables(results):
    summary = summarise(results)
    text = as_html(summary)
    assert 'id="section-errors"' in text
    assert "gains more over" in text
    written = tables(summary, results)
    assert all(len(written[f"errors_{name}"]) > 3 for name in ("conditions", "gains", "items", "spans"))


def test_every_component_has_its_pictures_and_the_section_names_them(results):
    made = {figure.name: figure for figure in figures(results)}
    assert set(section(results).figures) == set(made)
    drawn = {figure.title for figure in made.values() if not figure.frame().dropna(subset=[figure.value]).empty}
    ends = {f"Worst and best span of {arm}: {c}" for arm in SPEECH for c in COMPONENTS[:2]}
    assert drawn == {"Loss by condition", *(f"Hardest span: {c}" for c in COMPONENTS[:2]), *ends}


def test_a_large_study_has_few_pictures_and_says_what_has_none(results_of, study_of, monkeypatch):
    from reports.sections.error_analysis import section as errors

    arms = tuple(f"arm{i}" for i in range(8))
    monkeypatch.setattr(errors, "MOST_DRAWN", 2)
    plain = results_of(study_of(arms), items=6)
    told = [replace(errors_answer("track_only", repeat, 1.0), arm=arm) for arm in arms for repeat in range(8)]
    results = replace(plain, analyses=tuple(told))
    drawn = [figure for figure in figures(results) if not figure.frame().dropna(subset=[figure.value]).empty]
    assert len(drawn) <= 1 + 2 * 3
    limits = section(results).limits
    assert "Not drawn: 6 more arms and 1 component (position)." in limits
    # What is not drawn stands in the tables: every arm, both ends, and the spans that all arms share.
    spans = next(t.table for t in section(results).tables if t.name == "spans")
    assert {(row[0], row[3]) for row in spans.rows} == {(arm, end) for arm in arms for end in ("hardest", "worst")}


def test_a_small_study_leaves_nothing_out(results):
    assert "Not drawn" not in section(results).limits
