"""The section on gates, from answers made up so that what must be said is known."""

from dataclasses import replace

import numpy as np
import pytest
from factories.answers import NAMES, changed, gates_answer, scores_of_skill
from matplotlib.text import Text

from mmcore.answers.gates import Condition, GateName, Opening
from mmcore.measures import MEASURES
from reports.model.section import Section
from reports.sections.gates import section as gates
from reports.sections.gates.belief import believe
from reports.sections.gates.estimates import Gating
from reports.sections.gates.figures import figures
from reports.sections.gates.figures_dots import GateComponents, GateConditions, GateFaithfulness
from reports.sections.gates.figures_lines import GateDistribution, GateDrift, GatesAround
from reports.sections.gates.figures_timeline import GateTimeline
from reports.sections.yardstick import Yardstick


def held_at(results, skill, gate="audio"):
    """The same answers with another score where a gate (None: all) is held at its mean; skill: of the repeat."""

    def other(one):
        rows = one.result.clamping.held
        held = [
            changed(row, scores=scores_of_skill(skill(one.repeat))) if (row.gate, row.held) == (gate, "mean") else row
            for row in rows
        ]
        return replace(one, result=changed(one.result, clamping=changed(one.result.clamping, held=held)))

    return replace(results, analyses=tuple(map(other, results.analyses)))


def answered(results_of, arms=("multimodal",), repeats=6, **options):
    results = results_of()
    analyses = tuple(gates_answer(arm, repeat, **options) for arm in arms for repeat in range(repeats))
    history = results.history.copy()
    for m in NAMES:
        history[f"gate/{m}"] = (0.5 + 0.01 * history["epoch"]).where(history["arm"].isin(arms))
    return replace(results, analyses=analyses, history=history)


def section_of(results) -> Section:
    found = gates.section(results)
    assert found is not None
    return found


def test_without_answers_there_is_no_section_and_nothing_to_draw(results_of):
    assert gates.section(results_of()) is None
    for figure in figures(results_of()):
        assert figure.frame().dropna(subset=[figure.value]).empty


def test_each_gate_gets_the_word_that_its_correlations_earn(results_of):
    section = section_of(answered(results_of))
    labels = [f.label for f in section.findings[:4]]
    assert labels == ["faithful", "weakly faithful", "not faithful", "not faithful"]
    audio, visual, track, together = section.findings[:4]
    assert "wider at steps with speech (0.604) than at others (0.504)" in audio.text
    assert "the more the model loses there without audio" in audio.text
    assert "With it held at its mean, the same model scores worse by 0.104 (" in audio.text, "effect beside correlation"
    assert "weak sign" in visual.text
    assert "follows the embedding norm; the gate" in track.text
    assert "cannot be compared" in together.text
    assert "ρ = 0.704, 95 % interval" in audio.evidence
    assert "6 repeats" in audio.evidence
    assert "stuck open or shut in 40 % of its values" in audio.text


def test_what_rests_on_gates_that_move_is_told(results_of):
    moving, repeats = section_of(answered(results_of)).findings[4:]
    assert moving.text.startswith(
        "It matters that gates move. With all gates of 'multimodal' held at their means, the same"
    )
    assert "scores worse by 0.204 (" in moving.text
    assert moving.text.endswith("The gate of track costs most (0.304 alone).")
    assert repeats.text == (
        "Repeats of 'multimodal' agree on how far each gate opens and agree on when it opens wider."
    )


def test_a_study_of_labels_has_label_changes_and_no_edits(results_of):
    results = answered(results_of)

    def of_labels(task):
        def other(one):
            rows = one.result.conditions
            return replace(one, result=changed(one.result, conditions=[changed(r, condition="an edit") for r in rows]))

        facts = replace(results.corpus, task=task)
        return replace(results, corpus=facts, analyses=tuple(map(other, results.analyses)))

    section, drawn = section_of(of_labels("label")), figures(of_labels("label"))
    assert "wider at steps with a label change (0.604) than at others" in section.findings[0].text
    assert "Label changes are close together" in section.limits
    said = [section, *((f.title, f.description, f.frame().to_csv()) for f in drawn)]
    assert "edit" not in str(said)
    texts = [text.get_text() for text in GatesAround(of_labels("label")).draw().findobj(Text)]
    assert [text for text in texts if "change" in text] == ["time from a label change (s)"]
    assert "at steps with an edit" in section_of(of_labels("forecast")).findings[0].text


def test_one_repeat_shows_nothing(results_of):
    section = section_of(answered(results_of, repeats=1))
    assert {f.label for f in section.findings[:4]} == {"not shown"}
    assert section.findings[-1].text == "It is not known whether repeats of 'multimodal' would agree."


def test_labels_of_items_are_judged_by_item(results_of):
    section = section_of(answered(results_of, by_item=True, edits=False))
    assert [f.label for f in section.findings[:4]] == ["faithful", "weakly faithful", "not faithful", "not faithful"]
    assert "in an item" in section.findings[0].text
    assert "8 of 12 test items" in section.lead
    assert {row[2] for row in section.tables[0].table.rows} == {"item"}


def test_tables_have_every_arm_and_as_many_cells_as_columns(results_of):
    results = answered(results_of, arms=("track_only", "multimodal"))
    section = section_of(results)
    assert {t.name for t in section.tables} == {"faithfulness", "distribution", "clamping", "conditions", "components"}
    for one in section.tables:
        assert {row[0] for row in one.table.rows} == {"track_only", "multimodal"}
        assert all(len(row) == len(one.table.columns) for row in one.table.rows)
    clamping = next(t.table for t in section.tables if t.name == "clamping")
    assert [row[1:3] for row in clamping.rows[:3]] == [("audio", "shut"), ("audio", "mean"), ("audio", "open")]
    assert clamping.rows[9][:4] == ("track_only", "all", "mean", pytest.approx(0.204))


def test_figures_hold_the_numbers_of_the_answers(results_of):
    results = answered(results_of)
    faithful = GateFaithfulness(results).frame()
    row = faithful.query("gate == 'visual' and shown == 'opening'").iloc[0]
    assert row["mean"] == pytest.approx(0.404, abs=1e-4), "the mean on Fisher's scale of alike numbers"
    assert (row["label"], row["n"]) == ("weakly faithful", 6)
    share = GateDistribution(results).frame().query("gate == 'audio'")
    assert share["share"].sum() * 0.04 / 0.1 == pytest.approx(1.0)
    around = GatesAround(results).frame().query("gate == 'track'")
    assert around["mean"].tolist() == pytest.approx([-0.02, -0.02, 0.08, -0.02, -0.02])
    assert around["time"].tolist() == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.2])
    condition = GateConditions(results).frame().query("gate == 'audio'").iloc[0]
    assert (condition["condition"], condition["mean"]) == ("speech", pytest.approx(0.1))
    drift = GateDrift(results).frame().query("gate == 'audio' and epoch == 3").iloc[0]
    assert (drift["mean"], drift["n"]) == (pytest.approx(0.53), 8)
    assert len(GateComponents(results).frame()) == 3 * 3 * 2
    line = GateTimeline(results, 1).frame()
    assert line.query("lane == 'gates' and name == 'audio'")["time"].tolist() == pytest.approx([0.3, 0.4, 0.5, 0.6])
    assert line.query("lane == 'edits'")["time"].tolist() == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize("options", [
    {}, {"arms": ("track_only", "multimodal")}, {"repeats": 1}, {"by_item": True, "edits": False},
    {"names": ("audio", "track")},
])  # fmt: skip
def test_every_figure_with_numbers_can_be_drawn(results_of, options):
    results = answered(results_of, **options)
    drawn = [f.name for f in figures(results) if not f.frame().dropna(subset=[f.value]).empty and f.draw()]
    assert set(drawn) <= set(section_of(results).figures)
    assert len(drawn) == 8 - ("edits" in options)
    assert all(f.description.endswith(".") for f in figures(results))


def test_gates_are_drawn_by_how_far_they_are_open(results_of):
    drawing = GateDistribution(answered(results_of)).draw()
    drawing.draw_without_rendering()
    ticks = [label.get_text() for label in drawing.axes[0].get_xticklabels()]
    assert [float(text) for text in ticks] == sorted({float(text) for text in ticks})


def test_arms_may_read_different_modalities(results_of):
    results = results_of()
    told = [gates_answer("track_only", r, names=("visual", "track")) for r in range(3)]
    told += [gates_answer("multimodal", r) for r in range(3)]
    results = replace(results, analyses=tuple(told))
    gating = Gating.of(results)
    assert gating is not None
    assert gating.all_gates == NAMES
    assert gating.gates("track_only") == ("visual", "track")
    assert section_of(results)
    assert all(f.draw() for f in figures(results) if len(f.frame()))


@pytest.mark.parametrize(("passing", "opening", "label"), [
    ([0.8, 0.82, 0.81], [0.6, 0.62, 0.61], "faithful"),
    ([0.8, 0.82, 0.81], [0.4, 0.41, 0.42], "faithful"),
    ([0.4, 0.41, 0.42], [0.8, 0.82, 0.81], "weakly faithful"),
    ([0.8, 0.82, 0.81], [0.0, 0.0, 0.0], "not faithful"),
    ([0.8, 0.82, 0.81], [-0.6, -0.62, -0.61], "not faithful"),
    ([0.8, 0.82, 0.81], [-0.9, 0.9, 0.5], "not shown"),
    ([0.1, 0.12, 0.11], [0.8, 0.82, 0.81], "not faithful"),
    ([], [], "not shown"),
    ([0.9, None, float("nan")], [0.9, 0.9, 0.9], "not shown"),
])  # fmt: skip
def test_both_correlations_make_the_word(passing, opening, label):
    assert believe(passing, opening, cost=[0.1, 0.11, 0.12]).label == label


@pytest.mark.parametrize(("cost", "margin", "kind", "label"), [
    ([0.1, 0.11, 0.12], None, "costs", "faithful"),
    ([0.1, 0.11, 0.12], 0.02, "costs", "faithful"),
    ([0.01, 0.011, 0.012], 0.02, "none", "correlates, without effect"),
    ([0.0, 0.0, 0.0], 0.02, "none", "correlates, without effect"),
    ([-0.1, -0.11, -0.12], 0.02, "helps", "correlates, without effect"),
    ([0.0, 0.0, 0.0], None, "open", "correlates, effect not shown"),
    ([0.2, -0.2, 0.1], 0.02, "open", "correlates, effect not shown"),
    ([], 0.02, "open", "correlates, effect not shown"),
    ([0.3], 0.02, "open", "correlates, effect not shown"),
])  # fmt: skip
def test_a_gate_that_can_be_held_at_its_mean_for_nothing_is_not_believed(cost, margin, kind, label):
    for passing, best in (([0.8, 0.82, 0.81], "faithful"), ([0.4, 0.41, 0.42], "weakly faithful")):
        found = believe(passing, [0.6, 0.62, 0.61], cost=cost, margin=margin)
        assert (found.effect.kind, found.label) == (kind, best if label == "faithful" else label)
    # Without a correlation the experiment changes no word.
    assert believe([0.0, 0.02, 0.01], [0.0, 0.02, 0.01], cost=cost, margin=margin).label == "not faithful"


@pytest.mark.parametrize(("skill", "margin", "label", "said"), [
    (lambda r: 0.5 + 0.001 * (r % 2), 0.02, "correlates, without effect", "changes by no more than the margin"),
    (lambda r: 0.6 + 0.001 * (r % 2), None, "correlates, without effect", "the same model scores better by 0.10"),
    (lambda r: 0.5 + 0.1 * (-1) ** r, 0.02, "correlates, effect not shown", "is not shown to change"),
])  # fmt: skip
def test_the_section_never_calls_a_gate_without_effect_faithful(results_of, study_of, skill, margin, label, said):
    plain = results_of(study_of(margin=margin))
    analyses = tuple(gates_answer("multimodal", repeat) for repeat in range(6))
    results = held_at(replace(plain, analyses=analyses), skill)
    audio, visual, *_ = section_of(results).findings
    assert (audio.label, visual.label) == (label, "weakly faithful")
    assert "can be believed" not in audio.text
    assert "Where it lets more pass, the model loses more without audio; but" in audio.text
    assert said in audio.text
    table = section_of(results).tables[0].table
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["gate"], row["label"]) == ("audio", label)
    assert row["cost of holding"] == pytest.approx(np.mean([0.5 - skill(r) for r in range(6)]))


def comparable(one):
    """The same answer with gates that are faithful together."""
    faithfulness, odd = one.result.faithfulness, 0.01 * (one.repeat % 2)
    together = changed(faithfulness.steps.together, passing=0.7 + odd, opening=0.6 + odd)
    steps = changed(faithfulness.steps, together=together)
    return replace(one, result=changed(one.result, faithfulness=changed(faithfulness, steps=steps)))


def test_all_gates_that_can_be_held_for_nothing_cannot_be_compared(results_of, study_of):
    results = results_of(study_of(margin=0.02))
    analyses = tuple(gates_answer("multimodal", repeat) for repeat in range(6))
    results = held_at(replace(results, analyses=tuple(map(comparable, analyses))), lambda r: 0.5, None)
    together, moving = section_of(results).findings[3:5]
    assert (together.label, together.tone) == ("correlates, without effect", "bad")
    assert "cannot be compared" in together.text
    assert moving.text == (
        "With all gates of 'multimodal' held at their means, the score of the same model changes by no more than the "
        "margin: 0.000."
    )


def test_what_holding_costs_is_told_in_the_studys_metric(results_of, study_of):
    results = results_of(study_of(metric="loss"))
    results = replace(results, analyses=tuple(gates_answer("multimodal", repeat) for repeat in range(6)))
    section = section_of(results)
    assert "With it held at its mean, the same model scores worse by 0.104 (" in section.findings[0].text
    assert "loss (lower is better)" in section.lead
    half = results_of(study_of(metric="active/f1"))
    half = replace(half, analyses=results.analyses)
    assert "scores worse by 0.052 (" in section_of(half).findings[0].text
    clamping = next(t for t in section_of(half).tables if t.name == "clamping")
    assert "F1 of active" in clamping.caption
    assert clamping.table.columns[3:] == ("cost", "low", "high", "scale", "position", "repeats")


def test_a_gate_that_goes_along_a_little_is_not_said_to_have_no_part():
    some, none = believe([0.6, 0.62, 0.61], [0.2, 0.21, 0.19]), believe([0.6, 0.62, 0.61], [0.0, 0.02, -0.01])
    assert (some.label, none.label) == ("not faithful", "not faithful")
    assert (some.gate_has_no_part, none.gate_has_no_part) == (False, True)
    told = [gates._judgement(belief, "track", "steps") for belief in (some, none)]
    assert [text.split("; the gate ")[1] for text in told] == ["contributes little.", "does not contribute."]


@pytest.mark.parametrize(("present", "said"), [
    (0, "track is at no test step."),
    (40, "at none of the 240 test steps with track is there anything of audio and visual."),
])  # fmt: skip
def test_a_modality_that_is_never_there_is_not_said_to_be_alone(results_of, present, said):
    results = answered(results_of)
    for one in results.analyses:
        one.result.distribution["track"] = Opening(steps=0, present=present)
    (text,) = [f.text for f in section_of(results).findings if "never has a choice" in f.text]
    assert text == f"The gate of track in 'multimodal' never has a choice: {said}"


def in_pairs(one):
    """An answer as a tree of pairs gives it: audio and visual first, what became of them and the track next."""
    inner, told = "(audio|visual)", one.result
    audio, visual, track = told.gates
    for by_gate in (
        told.shares.passing,
        told.around.mean,
        told.faithfulness.steps.gates,
        told.faithfulness.by_component,
        *(t.gates for t in told.timelines),
        *(t.passing for t in told.timelines),
    ):
        by_gate[inner] = by_gate["audio"]
    told.distribution[inner] = changed(told.distribution["audio"], follows=None)

    def and_inner(rows):
        return (*rows, *(changed(row, gate=inner) for row in rows if row.gate == "audio"))

    return replace(
        one,
        result=changed(
            told,
            gates=(audio, visual, GateName(name=inner, modalities=("audio", "visual")), track),
            places=(("audio", "visual"), (inner, "track")),
            conditions=and_inner(told.conditions),
            clamping=changed(told.clamping, held=and_inner(told.clamping.held)),
        ),
    )


def test_gates_of_pairs_are_told_with_what_is_behind_them(results_of):
    results = results_of()
    analyses = [gates_answer("track_only", r) for r in range(6)] + [
        in_pairs(gates_answer("multimodal", r)) for r in range(6)
    ]
    history = results.history.copy()
    for gate in (*NAMES, "(audio|visual)"):
        history[f"gate/{gate}"] = 0.5
    results = replace(results, analyses=tuple(analyses), history=history)
    section = section_of(results)
    assert "In 'multimodal', gates weigh two sides at a time: (audio|visual) stands for the result of" in section.lead
    (inner,) = [f for f in section.findings if f.text.startswith("The gate of (audio|visual) in 'multimodal'")]
    assert "the more the model loses there without audio and visual" in inner.text
    assert inner.label == "faithful"
    assert "correlates most with" not in inner.evidence
    assert any("The two of a pair share what passes" in f.evidence for f in section.findings)
    gating = Gating.of(results)
    assert gating is not None
    assert gating.all_gates == (*NAMES, "(audio|visual)")
    assert [row[1] for row in section.tables[0].table.rows if row[0] == "multimodal"][:5] == [
        "audio", "visual", "(audio|visual)", "track", "all"
    ]  # fmt: skip
    for figure in figures(results):
        assert figure.draw()
    lanes = GateTimeline(results, 0).frame()
    assert set(lanes.query("lane == 'gates'")["name"]) == {*NAMES, "(audio|visual)"}
    assert set(lanes.query("lane == 'features'")["name"]) == set(NAMES)


def test_gates_of_one_place_are_not_said_to_be_pairs(results_of):
    section = section_of(answered(results_of))
    assert "two sides" not in section.lead
    assert not any("of a pair" in f.evidence for f in section.findings)


def test_the_clearest_of_many_conditions_is_corrected_for_their_number(results_of):
    """Of 13 conditions of two gates without any effect, one is told of in at most 2.5 % of studies of 12 repeats."""
    rng, studies, names = np.random.default_rng(11), 400, [f"condition {i}" for i in range(13)]
    told = uncorrected = 0
    base = gates_answer("a", 0, names=NAMES[:2]).result
    for _ in range(studies):
        chance_GCR = rng.normal(0, 0.01, (2, 13, 12))
        rows = [
            changed(base, conditions=[
                Condition(condition=c, gate=gate, so=0.5 + chance_GCR[g, i, r], otherwise=0.5, steps=(1, 1))
                for g, gate in enumerate(NAMES[:2]) for i, c in enumerate(names)
            ]) for r in range(12)
        ]  # fmt: skip
        skill = Yardstick(MEASURES["skill"], None, None)
        gating = Gating(("a",), ("a",), {"a": dict(enumerate(rows))}, 0.0, 0.95, skill)
        found = [d for gate in NAMES[:2] for d in gating.differences("a", gate)]
        told += any(gating.clearest("a", gate) is not None for gate in NAMES[:2])
        uncorrected += any(d.difference.low > 0 or d.difference.high < 0 for d in found)
    assert told / studies <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / studies)
    assert uncorrected / studies > 0.3, "the same without correction"


def test_intervals_of_shares_and_correlations_are_possible(results_of):
    results = answered(results_of, repeats=2)
    for one in results.analyses:
        far, told = one.repeat == 1, one.result
        opening, points, by_component = (
            told.distribution, told.faithfulness.steps.gates, told.faithfulness.by_component["audio"],
        )  # fmt: skip
        opening["audio"] = changed(opening["audio"], mean=0.98 if far else 0.4, norm=9.0 if far else 1.0)
        points["audio"] = changed(points["audio"], passing=0.99 if far else -0.03)
        by_component["scale"] = changed(by_component["scale"], rho=0.9 if far else 0.1)
    results = replace(results, analyses=tuple(
        replace(one, result=changed(one.result, shares=changed(one.result.shares, entropy_passing=entropy)))
        for one, entropy in zip(results.analyses, (0.2, 0.9), strict=True)
    ))  # fmt: skip
    gating = Gating.of(results)
    assert gating is not None
    arm = "multimodal"
    shares = [gating.distribution(arm, "audio", "mean"), gating.entropy(arm)]
    assert [(e.low, e.high) for e in shares] == [(0.0, 1.0)] * 2
    norm = gating.distribution(arm, "audio", "norm")
    assert (norm.low, norm.high > 9) == (0.0, True)
    for rho in (gating.belief(arm, "audio").passing.correlation, gating.component_rho(arm, "audio", "scale")):
        assert -1 <= rho.low < rho.mean < rho.high <= 1
