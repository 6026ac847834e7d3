"""The section on gates: how far they open, when, and whether that says what the model uses."""

from __future__ import annotations

import math

from mmcore.language import later, say
from reports.model.section import Finding, Section
from reports.numbers import counted, interval, listing, number, percent, prose
from reports.records.frame import StudyResults
from reports.sections.faithfulness import rule
from reports.sections.gates.belief import NO_EFFECT, RULE, UNKNOWN_EFFECT, Belief, Effect, GateLabel
from reports.sections.gates.estimates import Gating
from reports.sections.gates.tables import gate_tables
from reports.sections.joining import clauses
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
        title=say("Gates"),
        question=say("How far do gates open, when, and does this show what the model uses?"),
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
    if sample.items == sample.of_items:
        sampled = say("all test items")
    else:
        sampled = say(
            "{items} of {of_items} test items of each repeat, the same for all arms",
            items=sample.items,
            of_items=sample.of_items,
        )
    return prose(
        say(
            "A gate is a number from 0 (nothing of the modality passes) to 1 (all of it passes), for each feature of "
            "its vector. It counts where it has a choice: at test steps where another modality is present, too. A wide "
            "gate means nothing by itself: the vector behind it may be short."
        ),
        say(
            "So each modality was masked at single steps, every step once, on {sampled}, and gates are compared with "
            "what the prediction for that step lost."
            if gating.by(gating.arms[0]) == "steps"
            else "So each modality was masked in {sampled}, and gates are compared with what the prediction for that "
            "item lost.",
            sampled=sampled,
        ),
        say("In addition, each gate was held at its mean in the trained model, to see whether its movement matters."),
        gating.yardstick.sentence(),
        _pairs(gating),
    )


def _pairs(gating: Gating) -> str:
    """What must be known of gates that weigh two sides at a time; empty where there are none."""
    arm = next((arm for arm in gating.arms if gating.in_pairs(arm)), None)
    if arm is None:
        return ""
    inner = next(gate for gate in gating.gates(arm) if gate.startswith("("))
    return say(
        "In '{arm}', gates weigh two sides at a time: {inner} stands for the result of {modalities}, "
        "which are masked together to judge it. Such a gate says something about its own pair alone: what passes it "
        "then meets further gates.",
        arm=arm, inner=inner, modalities=gating.behind(arm, inner),
    )  # fmt: skip


def _limits(gating: Gating) -> str:
    scope = say("Sentences are about {shown}; the tables have all arms with gates.", shown=listing(list(gating.shown)))
    return prose(
        rule(),
        say(RULE),
        say(
            "The loss at a single step also depends on chance, which no gate can predict: ρ stays below 1 even for "
            "gates that decide."
        ),
        say(
            "Words are corrected for the number of tests (Holm): half of alpha is for whether gates can be believed "
            "and matter, half for the conditions under which they are wider; each half covers all gates and arms. Only "
            "the clearest condition under which a gate is wider is named."
        ),
        say(
            "Label changes are close together, so the steps around one include others, too."
            if gating.of_labels
            else "Edits are close together, so the steps around one include others, too."
        ),
        say("These findings hold for this corpus."),
        scope if len(gating.shown) < len(gating.arms) else "",
    )


# Findings -----------------------------------------------------------------------------------------------------------
def _findings(gating: Gating, arm: str) -> list[Finding]:
    found = [_gate(gating, arm, gate) for gate in gating.gates(arm)]
    return [*found, _together(gating, arm), _moving(gating, arm), _repeats(gating, arm)]


def _gate(gating: Gating, arm: str, gate: str) -> Finding:
    mean, behind = gating.distribution(arm, gate, "mean"), gating.behind(arm, gate)
    if not mean.n:
        return Finding(_without_choice(gating, arm, gate), "not shown", "open")
    text = say("The gate of {gate} in '{arm}' is {mean} open on average", gate=gate, arm=arm, mean=number(mean.mean))
    clearest = gating.clearest(arm, gate)
    if clearest is not None:
        when = say(
            "wider at steps with {condition} ({so}) than at others ({otherwise})"
            if clearest.difference.mean > 0
            else "less at steps with {condition} ({so}) than at others ({otherwise})",
            condition=clearest.words, so=number(clearest.so.mean), otherwise=number(clearest.otherwise.mean),
        )  # fmt: skip
        text = say("{gate}, {when}", gate=text, when=when)
    stuck = gating.distribution(arm, gate, "shut").mean + gating.distribution(arm, gate, "open").mean
    if stuck >= MUCH_SATURATED:
        share = percent(round(stuck, 2))
        text = say("{gate}, and stuck open or shut in {share} of its values", gate=text, share=share)
    belief = gating.belief(arm, gate)
    parts = (say("{text}.", text=text), _judgement(belief, behind, gating.by(arm)), _effect(belief.effect))
    return Finding(prose(*parts), belief.label, belief.tone, _evidence(gating, arm, gate, belief))


def _without_choice(gating: Gating, arm: str, gate: str) -> str:
    steps, behind = gating.present(arm, gate), gating.behind(arm, gate)
    if steps == 0:
        return say(
            "The gate of {gate} in '{arm}' never has a choice: {behind} is at no test step.",
            gate=gate, arm=arm, behind=behind,
        )  # fmt: skip
    return say(
        "The gate of {gate} in '{arm}' never has a choice: at none of the {steps} with {behind} is there anything of "
        "{others}.",
        gate=gate, arm=arm, steps=counted(steps, "test step"), behind=behind, others=listing(gating.beside(arm, gate)),
    )  # fmt: skip


def _judgement(belief: Belief, behind: str, by: str) -> str:
    of_steps = by == "steps"
    match belief.label:
        case "faithful":
            return say(
                "It can be believed: the more it lets pass at a step, the more the model loses there without {behind}."
                if of_steps
                else "It can be believed: the more it lets pass in an item, the more the model loses there without "
                "{behind}.",
                behind=behind,
            )
        case "weakly faithful":
            return say(
                "It is a weak sign: where it lets more pass, the model tends to lose more without {behind}.",
                behind=behind,
            )
        case "correlates, without effect" | "correlates, effect not shown":
            return say(
                "Where it lets more pass, the model loses more without {behind}; but it has no effect."
                if belief.label == NO_EFFECT
                else "Where it lets more pass, the model loses more without {behind}; but it is not shown to have any "
                "effect.",
                behind=behind,
            )
        case "not faithful" if belief.gate_is_silent:
            return say(
                "It does not say what the model uses: the loss at a step without {behind} follows the embedding norm; "
                "{part}."
                if of_steps
                else "It does not say what the model uses: the loss in an item without {behind} follows the embedding "
                "norm; {part}.",
                behind=behind,
                part=say("the gate does not contribute" if belief.gate_has_no_part else "the gate contributes little"),
            )
        case "not faithful":
            return say(
                "It does not say what the model uses: what passes does not correlate with the loss without {behind}.",
                behind=behind,
            )
        case "not shown":
            return say("It is not shown whether it says what the model uses.")


def _effect(effect: Effect, arm: str | None = None) -> str:
    """The effect of holding a gate at its mean, as a sentence; empty where it was not measured.

    Args:
        arm: whose gates are all held; None: it is the gate of the sentence before.
    """
    cost = effect.cost
    if not cost.n:
        return ""
    if arm is None:
        held = say("With it held at its mean")
    else:
        held = say("With all gates of '{arm}' held at their means", arm=arm)
    change = number(0.0 - cost.mean, signed=True)
    match effect.kind:
        case "costs":
            by = _spread(number(cost.mean), cost, cost.low, cost.high)
            return say("{held}, the same model scores worse by {by}.", held=held, by=by)
        case "helps":
            by = _spread(number(-cost.mean), cost, cost.low, cost.high)
            return say("{held}, the same model scores better by {by}.", held=held, by=by)
        case "none":
            return say(
                "{held}, the score of the same model changes by no more than the margin: {change}.",
                held=held, change=change,
            )  # fmt: skip
        case "open":
            return say(
                "{held}, the score of the same model is not shown to change: {change}.",
                held=held, change=_spread(change, cost, -cost.high, -cost.low),
            )  # fmt: skip


def _spread(mean: str, e: Estimate, low: float, high: float) -> str:
    """A number with its interval, where there is one."""
    return say("{mean} ({edges})", mean=mean, edges=interval(low, high)) if e.n > 1 else mean


def _evidence(gating: Gating, arm: str, gate: str | None, belief: Belief) -> str:
    by_item = gating.belief(arm, gate, "items").passing.correlation
    follows = None if gate is None else gating.follows(arm, gate)
    parts = [
        say("Gate × norm: {evidence}", evidence=belief.passing.evidence),
        say("the gate alone: ρ = {rho}", rho=_brief(belief.opening.correlation)),
        say("the norm alone: ρ = {rho}", rho=number(belief.norm.mean)),
        say("gate × norm by item: ρ = {rho}", rho=_brief(by_item)) if gating.by(arm) == "steps" and by_item.n else "",
    ]
    if follows is not None:
        name, r, times = follows
        parts.append(
            say(
                "of all features the gate correlates most with {name} (r = {r}, {times} of {repeats})",
                name=name, r=number(r), times=times, repeats=counted(len(gating.by_arm[arm]), "repeat"),
            )
        )  # fmt: skip
    return say("{text}.", text=clauses(parts))


_TOGETHER: dict[GateLabel, str] = {
    "faithful": later(
        "The gates of '{arm}' can be compared: where one passes more than another, it matters more."
    ),
    "weakly faithful": later(
        "The gates of '{arm}' can hardly be compared: that one passes more than another is a weak sign of its use."
    ),
    "not faithful": later(
        "The gates of '{arm}' cannot be compared: that one gate is wider than another does not say that it matters "
        "more."
    ),
    "not shown": later("The gates of '{arm}' are not shown to be comparable."),
    NO_EFFECT: later(
        "The gates of '{arm}' correlate with what is lost, but have no effect: they cannot be compared."
    ),
    UNKNOWN_EFFECT: later(
        "The gates of '{arm}' correlate with what is lost, but are not shown to have any effect: they cannot be "
        "compared."
    ),
}  # fmt: skip


def _together(gating: Gating, arm: str) -> Finding:
    belief = gating.belief(arm, None)
    text = say(_TOGETHER[belief.label], arm=arm)
    return Finding(text, belief.label, belief.tone, _evidence(gating, arm, None, belief))


def _moving(gating: Gating, arm: str) -> Finding:
    """Whether anything rests on gates that move: all of them held at their means."""
    effect = gating.belief(arm, None).effect
    held = effect.cost
    dearest = max(gating.gates(arm), key=lambda name: _or_less(gating.clamping(arm, name, "mean").mean))
    one = gating.clamping(arm, dearest, "mean")
    if held.n < 2:
        text = say("It is not shown whether it matters that the gates of '{arm}' move.", arm=arm)
    elif effect.kind == "costs":
        text = say(
            "It matters that gates move. {effect} The gate of {dearest} costs most ({mean} alone).",
            effect=_effect(effect, arm),
            dearest=dearest,
            mean=number(one.mean),
        )
    else:
        text = _effect(effect, arm)
    return Finding(
        text,
        evidence=say(
            "Cost in {metric} {held}, {repeats}.",
            metric=gating.yardstick.title,
            held=_brief(held),
            repeats=counted(held.n, "repeat"),
        ),
    )


def _repeats(gating: Gating, arm: str) -> Finding:
    how_far, when = gating.agreement(arm)
    text = say(
        "Repeats of '{arm}' {how_far} on how far each gate opens and {when} on when it opens wider.",
        arm=arm,
        how_far=_agree(how_far),
        when=_agree(when),
    )
    if math.isnan(how_far) and math.isnan(when):
        text = say("It is not known whether repeats of '{arm}' would agree.", arm=arm)
    return Finding(
        text,
        evidence=prose(
            say(
                "ICC(3,1) {how_far} over {gates} and {when} over conditions.",
                how_far=number(how_far),
                gates=counted(len(gating.gates(arm)), "gate"),
                when=number(when),
            ),
            say(
                "The two of a pair share what passes with an entropy of {mean} (1: equal shares)."
                if gating.in_pairs(arm)
                else "They share what passes with an entropy of {mean} (1: equal shares).",
                mean=number(gating.entropy(arm).mean),
            ),
        ),
    )


def _agree(value: float) -> str:
    """The bounds of Koo & Li 2016, "A Guideline of Selecting and Reporting Intraclass Correlation Coefficients"."""
    if math.isnan(value):
        return say("cannot be compared")
    if value >= 0.75:
        return say("agree")
    return say("agree in part" if value >= 0.5 else "do not agree")


def _or_less(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _brief(e: Estimate) -> str:
    return number(e.mean) if e.n < 2 else say("{mean}, {edges}", mean=number(e.mean), edges=interval(e.low, e.high))
