"""Errors in a report: ratios and gains by hand, items as the records have them, pictures of cases."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reports.analyses.conditions import gains, ratios
from reports.analyses.errors import figures, section
from reports.figures.errors_case import ErrorCase
from reports.figures.errors_conditions import ErrorConditions
from reports.figures.svg import inline, to_svg
from reports.render import as_html
from reports.statistics.comparisons import compare
from reports.statistics.intervals import estimate
from reports.statistics.verdicts import decide
from reports.summary import summarise
from reports.tables import tables

COMPONENTS = ("active", "scale", "position")
SPEECH = {"track_only": 1.0, "multimodal": 0.5}
"""Loss in speech ÷ loss in silence."""


def answer(arm, repeat, noise, *, start=10, gates=True, cases=True):
    rng = np.random.default_rng(repeat)

    def group(name, factor):
        return {
            "group": name,
            "count": dict.fromkeys(COMPONENTS, 20),
            "loss": {"active": 0.8 * factor * noise, "scale": 0.8 * noise, "position": None},
            "naive": {"active": 1.0, "scale": 1.0, "position": None},
        }

    def case(component, why):
        truth = [round(float(v), 3) if i % 4 else None for i, v in enumerate(rng.standard_normal(20))]
        kind = "binary" if component == "active" else "continuous"
        return {
            "component": component, "why": why, "item": "video_0", "start": start, "step": 0.1, "span": [5, 12],
            "loss": 1.5, "naive": 2.0, "events": [3, 9],
            "lines": [
                {"track": k, "parameter": component, "kind": kind, "unit": "px", "true": truth, "predicted": truth}
                for k in range(2)
            ],
            "features": [
                {"modality": "audio", "feature": "level", "unit": "", "values": [0.1 * i for i in range(20)]},
                {"modality": "visual", "feature": "motion", "unit": "", "values": [None] * 20},
            ],
            "gates": {"audio": [0.5] * 20, "track": [None] * 20} if gates else {},
            "attention": {"place": 9, "row": [0.05] * 20} if gates else None,
        }  # fmt: skip

    spans = {"worst": [{"item": "video_0", "start": 5, "steps": 20, "loss": 2.0, "naive": None}], "best": []}
    return {
        "arm": arm, "repeat": repeat, "fingerprint": f"{arm}{repeat}", "kind": "errors", "settings": {"cases": 2},
        "seconds": 1.0,
        "result": {
            "naive": dict.fromkeys(COMPONENTS, "constant"),
            "conditions": [
                {"name": "speech", "groups": [group(None, 3.0), group("no", 1.0), group("yes", SPEECH[arm])]},
                {"name": "audio", "groups": [group("present", 1.0), group("absent", 1.0)]},
                {"name": "visual", "groups": [group("present", 1.0)]},
            ],
            "items": {c: {"worst": [], "best": []} for c in COMPONENTS},
            "spans": dict.fromkeys(COMPONENTS, spans),
            "cases": [case(c, why) for c in COMPONENTS[:2] for why in ("hardest", "worst", "best")] if cases else [],
        },
    }  # fmt: skip


def asked(results, **options):
    rng = np.random.default_rng(0)
    made = [
        answer(arm.name, repeat, 1 + 0.05 * rng.random(), **options)
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
    assert found["multimodal", "speech: yes", "scale"].decision.verdict == "undecided"
    assert found["multimodal", "speech: yes", "active"].decision.verdict == "better"
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
            one = answer(arm.name, repeat, 1.0)
            one["result"]["conditions"][0]["groups"][2]["loss"]["active"] = 0.8 * losses[repeat]
            made.append(one)
    results = replace(plain, analyses=tuple(made))
    found = next(r for r in ratios(results) if (r.arm, r.place.group, r.component) == ("multimodal", "yes", "active"))
    expected = estimate(np.log(losses), 0.95, results.overlap)
    assert (found.ratio, found.low, found.high) == pytest.approx(
        tuple(np.exp([expected.mean, expected.low, expected.high]))
    )
    family = [
        compare(np.log(losses), np.zeros(8), overlap=results.overlap, higher_is_better=False),
        compare(np.zeros(8), np.zeros(8), overlap=results.overlap, higher_is_better=False),
    ]
    assert found.decision.p_holm == pytest.approx(decide(family, higher_is_better=False)[0].p_holm)
    assert found.decision.family == 2


def test_a_gain_is_a_difference_of_skill_and_is_told_where_it_differs(results):
    found = {(g.place.label, g.component): g for g in gains(results)}
    gain = found["speech: yes", "active"]
    assert (gain.arm, gain.reference) == ("multimodal", "track_only")
    # In silence both lose 0.8 of the naive loss, in speech one of them 0.4.
    assert gain.base.mean == pytest.approx(0.0, abs=0.03)
    assert gain.group.mean == pytest.approx(0.4, abs=0.05)
    assert gain.paired.difference.mean == pytest.approx(0.41, abs=0.02)
    assert gain.decision.verdict == "better"
    assert found["audio: absent", "active"].decision.verdict == "undecided"


def test_findings_tell_what_was_decided_and_nothing_else(results):
    told = section(results)
    assert [finding.label for finding in told.findings] == ["easier", "gains more"]
    assert told.findings[0].text.startswith("Where “speech: yes”, the loss of 'multimodal' is 0.500 times that of “no”")
    assert "gains more on 'track_only' in active" in told.findings[1].text


def test_conditions_that_always_come_together_are_told_once(results_of):
    plain = results_of(items=6)
    made = [answer(a.name, r, 1.0) for a in plain.study.arms for r in range(8)]
    for one in made:
        twin = dict(one["result"]["conditions"][0], name="talk")
        one["result"]["conditions"].append(twin)
    told = section(replace(plain, analyses=tuple(made)))
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


def test_the_hardest_case_shows_both_arms_and_the_worst_the_best_one(results):
    hardest, worst = ErrorCase(results, 0, "hardest"), ErrorCase(results, 0, "worst")
    assert list(hardest.cases) == ["track_only", "multimodal"]
    assert list(worst.cases) == ["multimodal"]
    assert worst.title == "Worst span of multimodal: active"
    frame = hardest.frame()
    assert set(frame["series"]) == {"truth", "prediction", "feature", "edit", "gate", "attention"}
    assert frame.query("series == 'edit'")["time"].tolist() == pytest.approx([1.3, 1.9])
    assert (frame.query("series == 'truth'").groupby("name").size() == 20).all()


def test_cases_of_another_window_are_not_laid_over_one_another(results):
    moved = [
        a if a["arm"] == "track_only" else answer("multimodal", a["repeat"], 1.0, start=99) for a in results.analyses
    ]
    assert list(ErrorCase(replace(results, analyses=tuple(moved)), 0, "hardest").cases) == ["track_only"]


@pytest.mark.parametrize("gates", [True, False])
def test_every_case_can_be_drawn(results_of, gates):
    results = asked(results_of(items=6), gates=gates)
    figure = ErrorCase(results, 0, "hardest" if gates else "worst")
    drawing = figure.draw()
    assert len(drawing.axes) == (6 if gates else 4)
    assert "absent" in inline(to_svg(drawing), figure.name, figure.title, figure.description)


def test_the_conditions_are_drawn_for_the_reference_and_the_best(results):
    figure = ErrorConditions(results)
    assert len(figure.frame()) == len(ratios(results))
    labels = [text.get_text() for text in figure.draw().legends[0].get_texts()]
    assert labels == ["track_only", "multimodal", "naive predictors"]


def test_an_infinitely_easy_group_has_no_ratio(results_of):
    plain = results_of(items=6)
    made = [answer(a.name, r, 1.0) for a in plain.study.arms for r in range(8)]
    for one in made:
        one["result"]["conditions"][0]["groups"][2]["loss"]["active"] = 0.0
    found = ratios(replace(plain, analyses=tuple(made)))
    assert not [r for r in found if (r.place.label, r.component) == ("speech: yes", "active")]
    assert all(math.isfinite(r.ratio) for r in found)


def test_the_page_holds_the_section_and_its_tables(results):
    summary = summarise(results)
    text = as_html(summary)
    assert 'id="section-errors"' in text
    assert "gains more on" in text
    written = tables(summary, results)
    assert all(len(written[f"errors_{name}"]) > 3 for name in ("conditions", "gains", "items", "spans"))


def test_every_component_has_its_pictures_and_the_section_names_them(results):
    made = {figure.name: figure for figure in figures(results)}
    assert set(section(results).figures) == set(made)
    drawn = {figure.title for figure in made.values() if not figure.frame().dropna(subset=[figure.value]).empty}
    assert {"Loss by condition", "Hardest span: active", "Worst span of multimodal: scale"} <= drawn
    assert "Hardest span: position" not in drawn
