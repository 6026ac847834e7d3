"""The section on gates: how far they open, when, and whether that says what the model uses."""

from __future__ import annotations

import math

from reports.model.section import Finding, Section
from reports.numbers import counted, interval, listing, number, percent
from reports.records.frame import StudyResults
from reports.sections.faithfulness import RULE as THRESHOLDS
from reports.sections.gates.belief import NO_EFFECT, RULE, UNKNOWN_EFFECT, Belief, Effect
from reports.sections.gates.estimates import Gating
from reports.sections.gates.tables import gate_tables
from reports.statistics.intervals import Estimate

MUCH_SATURATED = 0.2
"""Share of gate values beyond 0.05 and 0.95 from which the text mentions it: a fifth hardly follows its input."""


def section(results: StudyResults) -> Section | None:
    """What gates show and how far that can be believed; None if gates were not analysed."""
    gating = Gating.of(results)
    if gating is None:
        return None
    findings = [finding for arm in gating.shown for finding in _findings(gating, arm)]
    return Section(
        key="gates",
        title="Gates",
        question="How far do gates open, when, and does this show what the model uses?",
        lead=_lead(gating),
        findings=tuple(findings),
        figures=(
            "gates_faithfulness", "gates_distribution", "gates_conditions", "gates_around", "gates_components",
            "gates_timeline_1", "gates_timeline_2", "gates_drift",
        ),
        tables=gate_tables(gating),
        limits=_limits(gating),
    )  # fmt: skip


def _lead(gating: Gating) -> str:
    sample = gating.first(gating.arms[0]).sample
    sampled = (
        "all test items"
        if sample.items == sample.of_items
        else f"{sample.items} of {sample.of_items} test items of each repeat, the same for all arms"
    )
    masked = (
        f"masked at single steps, every step once, on {sampled}, and gates are compared with what the prediction for "
        "that step lost"
        if gating.by(gating.arms[0]) == "steps"
        else f"masked in {sampled}, and gates are compared with what the prediction for that item lost"
    )
    return (
        "A gate is a number from 0 (nothing of the modality passes) to 1 (all of it passes), for each feature of its "
        "vector. It counts where it has a choice: at test steps where another modality is present, too. A wide gate "
        f"means nothing by itself: the vector behind it may be short. So each modality was {masked}. In addition, each "
        "gate was held at its mean in the trained model, to see whether its movement matters. "
        f"{gating.yardstick.sentence()}{_pairs(gating)}"
    )


def _pairs(gating: Gating) -> str:
    """What must be known of gates that weigh two sides at a time; empty where there are none."""
    arm = next((arm for arm in gating.arms if gating.in_pairs(arm)), None)
    if arm is None:
        return ""
    inner = next(gate for gate in gating.gates(arm) if gate.startswith("("))
    return (
        f" In '{arm}', gates weigh two sides at a time: {inner} stands for the result of {gating.behind(arm, inner)}, "
        "which are masked together to judge it. Such a gate says something about its own pair alone: what passes it "
        "then meets further gates."
    )


def _limits(gating: Gating) -> str:
    scope = f" Sentences are about {listing(list(gating.shown))}; the tables have all arms with gates."
    edits = (
        "Words are corrected for the number of tests (Holm): half of alpha is for whether gates can be believed "
        "and matter, half for the conditions under which they are wider; each half covers all gates and arms. Only the "
        "clearest condition under which a gate is wider is named. Edits are close together, so the steps "
        "around one include others, too. "
    )
    return (
        f"{THRESHOLDS} {RULE} The loss at a single step also depends on chance, which no gate can predict: ρ stays "
        f"below 1 even for gates that decide. {edits}These findings hold for this corpus."
        + (scope if len(gating.shown) < len(gating.arms) else "")
    )


# Findings -----------------------------------------------------------------------------------------------------------
def _findings(gating: Gating, arm: str) -> list[Finding]:
    found = [_gate(gating, arm, gate) for gate in gating.gates(arm)]
    return [*found, _together(gating, arm), _moving(gating, arm), _repeats(gating, arm)]


def _gate(gating: Gating, arm: str, gate: str) -> Finding:
    mean = gating.distribution(arm, gate, "mean")
    who, behind = f"The gate of {gate} in '{arm}'", gating.behind(arm, gate)
    if not mean.n:
        steps = gating.present(arm, gate)
        return Finding(
            f"{who} never has a choice: {behind} is at no test step."
            if steps == 0
            else f"{who} never has a choice: at none of the {counted(steps, 'test step')} with {behind} is there "
            f"anything of {listing(gating.beside(arm, gate))}.",
            "not shown",
            "open",
        )
    parts = [f"{who} is {number(mean.mean)} open on average"]
    clearest = gating.clearest(arm, gate)
    if clearest is not None:
        wider = "wider" if clearest.difference.mean > 0 else "less"
        parts.append(
            f"{wider} at steps with {clearest.condition} ({number(clearest.so.mean)}) than at others "
            f"({number(clearest.otherwise.mean)})"
        )
    stuck = gating.distribution(arm, gate, "shut").mean + gating.distribution(arm, gate, "open").mean
    if stuck >= MUCH_SATURATED:
        parts.append(f"and stuck open or shut in {percent(round(stuck, 2))} of its values")
    belief = gating.belief(arm, gate)
    text = f"{', '.join(parts)}. {_judgement(belief, behind, gating.by(arm))} {_effect(belief.effect, 'it')}"
    return Finding(text, belief.label, belief.tone, _evidence(gating, arm, gate, belief))


def _judgement(belief: Belief, behind: str, by: str) -> str:
    at = "at a step" if by == "steps" else "in an item"
    match belief.label:
        case "faithful":
            return f"It can be believed: the more it lets pass {at}, the more the model loses there without {behind}."
        case "weakly faithful":
            return f"It is a weak sign: where it lets more pass, the model tends to lose more without {behind}."
        case "correlates, without effect" | "correlates, effect not shown":
            shown = "it has no effect" if belief.label == NO_EFFECT else "it is not shown to have any effect"
            return f"Where it lets more pass, the model loses more without {behind}; but {shown}."
        case "not faithful" if belief.gate_is_silent:
            part = "does not contribute" if belief.gate_has_no_part else "contributes little"
            return (
                f"It does not say what the model uses: the loss {at} without {behind} follows the embedding norm; "
                f"the gate {part}."
            )
        case "not faithful":
            return (
                f"It does not say what the model uses: what passes does not correlate with the loss without {behind}."
            )
        case "not shown":
            return "It is not shown whether it says what the model uses."


def _effect(effect: Effect, what: str) -> str:
    """The effect of holding a gate at its mean, as a sentence; empty where it was not measured."""
    cost = effect.cost
    if not cost.n:
        return ""
    spread = f" ({interval(cost.low, cost.high)})" if cost.n > 1 else ""
    start = f"With {what} held at {'its mean' if what == 'it' else 'their means'}"
    match effect.kind:
        case "costs":
            return f"{start}, the same model scores worse by {number(cost.mean)}{spread}."
        case "helps":
            return f"{start}, the same model scores better by {number(-cost.mean)}{spread}."
        case "none":
            mean = number(0.0 - cost.mean, signed=True)
            return f"{start}, the score of the same model changes by no more than the margin: {mean}."
        case "open":
            mean = number(0.0 - cost.mean, signed=True)
            return f"{start}, the score of the same model is not shown to change: {mean}{_turned(cost)}."


def _turned(cost: Estimate) -> str:
    """The interval of a change, which is the cost with the other sign."""
    return f" ({interval(-cost.high, -cost.low)})" if cost.n > 1 else ""


def _evidence(gating: Gating, arm: str, gate: str | None, belief: Belief) -> str:
    text = f"Gate × norm: {belief.passing.evidence}; the gate alone: ρ = {_brief(belief.opening.correlation)}"
    text += f"; the norm alone: ρ = {number(belief.norm.mean)}"
    if gating.by(arm) == "steps":
        by_item = gating.belief(arm, gate, "items").passing.correlation
        if by_item.n:
            text += f"; gate × norm by item: ρ = {_brief(by_item)}"
    if gate is not None:
        follows = gating.follows(arm, gate)
        if follows is not None:
            name, r, times = follows
            text += f"; of all features the gate correlates most with {name} (r = {number(r)}, {times} of "
            text += f"{counted(len(gating.by_arm[arm]), 'repeat')})"
    return f"{text}."


def _together(gating: Gating, arm: str) -> Finding:
    belief = gating.belief(arm, None)
    what = {
        "faithful": "can be compared: where one passes more than another, it matters more",
        "weakly faithful": "can hardly be compared: that one passes more than another is a weak sign of its use",
        "not faithful": "cannot be compared: that one gate is wider than another does not say that it matters more",
        "not shown": "are not shown to be comparable",
        NO_EFFECT: "correlate with what is lost, but have no effect: they cannot be compared",
        UNKNOWN_EFFECT: "correlate with what is lost, but are not shown to have any effect: they cannot be compared",
    }[belief.label]
    return Finding(
        f"The gates of '{arm}' {what}.", belief.label, belief.tone,
        _evidence(gating, arm, None, belief),
    )  # fmt: skip


def _moving(gating: Gating, arm: str) -> Finding:
    """Whether anything rests on gates that move: all of them held at their means."""
    effect = gating.belief(arm, None).effect
    held = effect.cost
    dearest = max(gating.gates(arm), key=lambda name: _or_less(gating.clamping(arm, name, "mean").mean))
    one = gating.clamping(arm, dearest, "mean")
    all_of = f"all gates of '{arm}'"
    if held.n < 2:
        text = f"It is not shown whether it matters that the gates of '{arm}' move."
    elif effect.kind == "costs":
        text = (
            f"It matters that gates move. {_effect(effect, all_of)} The gate of {dearest} costs most "
            f"({number(one.mean)} alone)."
        )
    else:
        text = _effect(effect, all_of)
    return Finding(text, evidence=f"Cost in {gating.yardstick.title} {_brief(held)}, {counted(held.n, 'repeat')}.")


def _repeats(gating: Gating, arm: str) -> Finding:
    how_far, when = gating.agreement(arm)
    entropy = gating.entropy(arm)
    text = f"Repeats of '{arm}' {_agree(how_far)} on how far each gate opens and {_agree(when)} on when it opens wider."
    if math.isnan(how_far) and math.isnan(when):
        text = f"It is not known whether repeats of '{arm}' would agree."
    return Finding(
        text,
        evidence=(
            f"ICC(3,1) {number(how_far)} over {counted(len(gating.gates(arm)), 'gate')} and {number(when)} over "
            f"conditions. {'The two of a pair' if gating.in_pairs(arm) else 'They'} share what passes with an "
            f"entropy of {number(entropy.mean)} (1: equal shares)."
        ),
    )


def _agree(value: float) -> str:
    """The bounds of Koo & Li 2016, "A Guideline of Selecting and Reporting Intraclass Correlation Coefficients"."""
    if math.isnan(value):
        return "cannot be compared"
    return "agree" if value >= 0.75 else "agree in part" if value >= 0.5 else "do not agree"


def _or_less(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _brief(e: Estimate) -> str:
    return number(e.mean) if e.n < 2 else f"{number(e.mean)}, {interval(e.low, e.high)}"
