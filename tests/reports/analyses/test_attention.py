"""The section about attention says what the answers say, and its figures draw the same numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.answers import changed

from mmcore.answers.attention import Layer, Uniform
from reports.figures.svg import to_svg
from reports.records.frame import StudyResults
from reports.sections.attention.estimates import Attending, layer_value
from reports.sections.attention.figures_faithfulness import AttentionFaithfulness
from reports.sections.attention.figures_flow import AttentionFlow
from reports.sections.attention.figures_heads import AttentionHeads
from reports.sections.attention.figures_maps import AttentionMaps
from reports.sections.attention.figures_reach import AttentionReach
from reports.sections.attention.section import section
from reports.statistics.agreement import icc
from reports.statistics.bounded import estimate_correlation

FIGURES = (AttentionFaithfulness, AttentionReach, AttentionMaps, AttentionHeads, AttentionFlow)
FUSIONS = ("gated", "attention", "cross_modal", "bottleneck", "hierarchical", "decision")
Build = Callable[..., StudyResults]


def told(results: StudyResults) -> Any:
    found = section(results)
    assert found is not None
    return found


# Words -------------------------------------------------------------------------------------------------------------
def test_without_answers_there_is_no_section(results_of: Build) -> None:
    assert section(results_of()) is None
    assert all(figure(results_of()).frame().empty for figure in FIGURES)


@pytest.mark.parametrize(
    ("rho", "label"), [(0.8, "faithful"), (0.4, "weakly faithful"), (0.0, "not faithful"), (-0.5, "not faithful")]
)
def test_the_label_is_that_of_the_correlation_with_occlusion(attended: Build, rho: float, label: str) -> None:
    found = told(attended(rho=rho))
    first = found.findings[0]
    assert first.label == label
    assert "track_only" in first.text, "the reference comes first"
    assert re.search(rf"ρ = {rho:.2f}".replace("-", "−")[:7], first.evidence)
    assert "8 repeats" in first.evidence
    (table,) = [t.table for t in found.tables if t.name == "faithfulness"]
    assert {row[1] for row in table.rows} == {label}


def test_a_picture_that_says_no_more_than_nearness_is_told(attended: Build) -> None:
    said = "But it is not shown to say more than that near steps matter most."
    assert said in told(attended(beyond=0.0)).findings[0].text
    assert said not in told(attended(beyond=0.5)).findings[0].text
    assert said not in told(attended(beyond=0.0, nearness=-0.2)).findings[0].text, "nearness itself is wrong there"


def test_a_study_of_labels_has_label_changes_and_no_edits(attended: Build) -> None:
    results = attended()
    of_labels = replace(results, corpus=replace(results.corpus, task="label"))
    said = str([told(of_labels), *((f.title, f.description) for f in (each(of_labels) for each in FIGURES))])
    assert "Steps with a label change get more than their share." in said
    assert "edit" not in said
    assert "Steps with an edit get more than their share." in str(told(results))


def test_edits_are_not_said_to_get_their_share_where_that_is_only_not_refuted(attended: Build) -> None:
    texts = [finding.text for finding in told(attended(noise=0.5)).findings]
    assert any("Steps with an edit are not shown to get more or less than their share." in text for text in texts)


@pytest.mark.parametrize(
    ("options", "ranked", "lead"),
    [
        ({}, "earlier steps", "the earlier spans were ranked"),
        ({"causal": False}, "other steps", "the other spans were ranked"),
        ({"nearness": None}, "steps", "all spans were ranked"),
    ],
)
def test_words_are_of_the_steps_that_were_ranked(
    attended: Build, options: Mapping[str, object], ranked: str, lead: str
) -> None:
    results = attended(**options)
    found = told(results)
    assert found.findings[0].text.split(" uses: ")[1].startswith(f"{ranked} to which")
    assert lead in found.lead
    assert ("The step itself is left out" in found.lead) == (ranked != "steps")
    assert f"over {ranked}, of the weight" in AttentionFaithfulness(results).description
    words = " ".join([found.lead, *(f.text for f in found.findings), AttentionFaithfulness(results).description])
    assert ("earlier" in words) == (ranked == "earlier steps")
    assert ("just before an output" in AttentionReach(results).description) == (ranked == "earlier steps")


def test_arms_that_look_both_ways_are_told_beside_those_that_do_not(attended: Build) -> None:
    results = attended(by_arm={"multimodal": {"causal": False}})
    found = Attending.of(results)
    assert found is not None
    assert (found.ranked("track_only"), found.ranked("multimodal")) == ("earlier steps", "other steps")
    assert "other spans (earlier ones where a model cannot look ahead) were ranked" in told(results).lead
    texts = [finding.text for finding in told(results).findings]
    assert any("overstates the past of track_only" in text for text in texts)
    assert any("overstates the other steps of multimodal" in text for text in texts)


def test_intervals_of_correlations_and_shares_are_possible(attended: Build, study_of: Any) -> None:
    found = told(attended(study_of(FUSIONS, repeats=2), noise=0.15))
    for name, ends in (("faithfulness", -1.0), ("flow", 0.0)):
        (table,) = [t.table for t in found.tables if t.name == name]
        for at in [i for i, column in enumerate(table.columns) if column in ("low", "high")]:
            told_of = [row[at] for row in table.rows if row[0] in ("attention", "gated")]
            assert all(isinstance(edge, float) and ends <= edge <= 1 for edge in told_of if edge is not None)


def test_what_rollout_overstates_is_told(attended: Build) -> None:
    texts = [finding.text for finding in told(attended()).findings]
    assert any("overstates the past of track_only: it gives 70 %" in text for text in texts)


def test_the_other_arms_are_told_in_one_sentence(attended: Build, study_of: Any) -> None:
    study = study_of(["gated", "add", "concat", "best"], repeats=4)
    found = told(attended(study, noise=0.0, by_arm={"add": {"rho": 0.0}}))
    (one,) = [finding.text for finding in found.findings if "other arms" in finding.text]
    assert one == "The other arms (ρ in brackets): add (0.000): not faithful; concat (0.800): faithful."


def test_an_arm_that_attends_to_nothing_over_time(attended: Build) -> None:
    found = told(attended(by_arm={"track_only": {"places": [], "rho": None}}))
    assert found.findings[0].label == "not shown"
    assert "track_only" in found.findings[0].text
    (table,) = [t.table for t in found.tables if t.name == "layers"]
    assert {row[0] for row in table.rows} == {"multimodal"}


def test_arms_that_look_further_are_told_apart(attended: Build) -> None:
    found = told(attended(by_arm={"multimodal": {"distance": 6.0}}))
    (differs,) = [finding for finding in found.findings if finding.label == "differs"]
    assert differs.text == "Arms differ from track_only in how far attention looks: multimodal +0.200 s."
    assert "ICC 0.99" in differs.evidence or "ICC 1.00" in differs.evidence
    (table,) = [t.table for t in found.tables if t.name == "differences"]
    assert [row[8] for row in table.rows if row[2] == "how far attention looks"] == ["higher"]


def test_equal_arms_and_few_repeats_show_nothing(attended: Build, study_of: Any) -> None:
    (same,) = [f for f in told(attended(noise=0.05)).findings if "No difference" in f.text]
    assert (same.label, same.tone) == ("not shown", "open")
    few = told(attended(study_of(repeats=2), by_arm={"multimodal": {"distance": 6.0}}))
    assert any("too few repeats" in finding.text for finding in few.findings)


def test_one_repeat_has_no_interval_and_no_claim(attended: Build, study_of: Any) -> None:
    found = told(attended(study_of(repeats=1)))
    assert found.findings[0].label == "not shown"
    assert not any("overstates" in finding.text for finding in found.findings)


def test_flow_is_told_of_each_arm_that_has_some(attended: Build, study_of: Any) -> None:
    found = told(attended(study_of(FUSIONS)))
    texts = [finding.text for finding in found.findings if "most flows" in finding.text]
    assert len(texts) == 5
    assert texts[0].startswith("In attention, most flows from track to what is fused (40 %) and least from audio")
    assert "from the bottleneck to track" in texts[2], "what is read of the tokens, once they hold something"
    (table,) = [t.table for t in found.tables if t.name == "flow"]
    assert len(table.rows) == 3 + 6 + 12 + 4 + 3
    assert not any(t.name == "flow" for t in told(attended()).tables)


# Numbers -----------------------------------------------------------------------------------------------------------
def test_numbers_are_means_over_repeats_with_the_studys_interval(attended: Build) -> None:
    results = attended()
    found = Attending.of(results)
    assert found is not None
    rho = [answer.result.faithfulness.occlusion for answer in results.analyses if answer.arm == "multimodal"]
    assert found.correlated("multimodal", "occlusion") == estimate_correlation(rho, 0.95, results.overlap)
    frame = AttentionFaithfulness(results).frame()
    row = frame[(frame["arm"] == "multimodal") & (frame["measure"] == "removing steps")].iloc[0]
    assert row["rho"] == pytest.approx(np.mean(rho), abs=1e-3), "the mean on Fisher's scale of alike numbers"
    assert row["n"] == 8
    both = np.array([found.measure(arm, "entropy") for arm in found.arms])
    assert found.agreement("entropy") == pytest.approx(icc(both))


def test_a_layers_numbers_are_means_over_its_heads() -> None:
    row = Layer(
        place="encoder", layer=0, rows=9, entropy=(0.2, 0.4), distance=(3.0, 5.0), own=(0.1, 0.2), past=(0.9, 0.8),
        events=(0.5, 0.7), apart=((0.0, 0.3, 0.6), (0.3, 0.0, 0.9), (0.6, 0.9, 0.0)),
        uniform=Uniform(distance=1.0, own=0.1, past=0.9, events=0.4),
    )  # fmt: skip
    assert layer_value(row, "entropy", 0.1) == pytest.approx(0.3)
    assert layer_value(row, "past", 0.1) == pytest.approx(0.85)
    assert layer_value(row, "distance", 0.1) == pytest.approx(0.4)
    assert layer_value(row, "events", 0.1) == pytest.approx(0.2)
    assert layer_value(row, "apart", 0.1) == pytest.approx(0.6)
    assert math.isnan(layer_value(changed(row, apart=((0.0,),)), "apart", 0.1)), "one head is apart from nobody"


def test_repeats_that_are_missing_are_left_out(attended: Build) -> None:
    results = attended()
    kept = tuple(a for a in results.analyses if (a.arm, a.repeat) != ("multimodal", 3))
    found = Attending.of(type(results)(**{**results.__dict__, "analyses": kept}))
    assert found is not None
    assert np.isnan(found.rho("multimodal", "occlusion")).tolist() == [r == 3 for r in range(8)]
    assert {d.test.estimate.n for d in found.differences} == {7}


# Figures -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def fusions(attended: Build, study_of: Any) -> StudyResults:
    places = [("audio←visual", 0), ("track←audio", 0), ("encoder", 0), ("encoder", 1)]
    by_arm = {"cross_modal": {"places": places}, "decision": {"places": [], "rho": None}}
    return attended(study_of(FUSIONS, repeats=4), by_arm=by_arm)


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_drawn_small_legible_and_alike_twice(fusions: StudyResults, figure: Any) -> None:
    svg = to_svg(figure(fusions).draw())
    assert svg == to_svg(figure(fusions).draw())
    assert len(svg) < 120_000
    assert "<image" not in svg, "the page's policy lets no pictures in"
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\w+ )?([\d.]+)px", svg)]
    assert min(sizes) >= 9


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("options", [{"noise": 0.0}, {"rho": None}, {"maps": 0}, {"repeats": 1}])
def test_odd_answers_can_be_drawn(attended: Build, study_of: Any, figure: Any, options: dict[str, Any]) -> None:
    study = study_of(["gated", "cross_modal"], repeats=options.pop("repeats", 3))
    drawn = figure(attended(study, **options))
    if not drawn.frame().empty:
        assert "<svg" in to_svg(drawn.draw())
    assert drawn.description


def test_figures_say_which_arms_are_left_out(attended: Build, study_of: Any) -> None:
    results = attended(study_of([f"arm_{i}" for i in range(10)], repeats=2))
    for figure in (AttentionFaithfulness, AttentionReach, AttentionHeads):
        assert "The first 8 of 10 arms are drawn" in figure(results).description
        assert "arm_9" in set(figure(results).frame()["arm"])
    maps = AttentionMaps(results)
    assert "The first 3 of 10 arms are drawn" in maps.description
    assert "arm_3" not in to_svg(maps.draw())


def test_maps_show_cells_and_edits_in_seconds(fusions: StudyResults) -> None:
    maps = AttentionMaps(fusions)
    frame = maps.frame()
    assert set(frame["repeat"]) == {0}
    assert list(dict.fromkeys(frame.query("arm == 'cross_modal'")["map"])) == ["layer 1", "layer 2", "rollout"]
    last = frame.query("arm == 'gated' and map == 'rollout' and query == 11")
    assert last["weight"].tolist() == [0.083] * 12
    axes = maps.draw().axes[0]
    assert axes.get_xlim() == pytest.approx((0, 1.2))
    (edits,) = axes.collections
    assert edits.get_offsets()[:, 0].tolist() == pytest.approx([0.25, 0.75])


def test_lines_of_all_arms_lie_within_the_plots(attended: Build, study_of: Any) -> None:
    drawing = AttentionReach(attended(study_of(["gated", "add", "concat"], repeats=4), noise=0.02)).draw()
    for axes in drawing.axes[:3]:
        low, high = axes.get_ylim()
        assert low == 0
        assert all(y <= high for curve in axes.lines for y in curve.get_ydata())


def test_flow_has_a_line_for_each_share(fusions: StudyResults) -> None:
    figure = AttentionFlow(fusions)
    bottleneck = figure.frame().query("arm == 'bottleneck'")
    assert len(bottleneck) == 6
    assert set(bottleneck["layers"]) == {2}
    drawing = figure.draw()
    titles = [axes.get_title(loc="left") for axes in drawing.axes]
    assert titles[:5] == list(FUSIONS[1:])
    words = [text.get_text() for text in drawing.axes[titles.index("hierarchical")].texts]
    assert words.count("fused") == 1
    assert {"audio", "visual", "track", "audio|visual"} <= set(words)


def test_the_page_shows_all_of_it(fusions: StudyResults) -> None:
    from reports.sections.build import figures

    names = {figure.name for figure in figures(fusions)}
    assert set(told(fusions).figures) <= names
