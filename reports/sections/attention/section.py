"""The section about attention: whether its maps are faithful, where it looks, what flows, and how arms differ."""

from __future__ import annotations

import math

from mmcore.language import later, say
from reports.model.section import Finding, Section, SectionTable
from reports.numbers import counted, interval, listing, number, percent, probability, prose
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.attention.estimates import MEASURES, OTHERS, Attending, Correlation, Measure
from reports.sections.attention.tables import difference_table, faithfulness_table, flow_table, layer_table
from reports.sections.faithfulness import Label, rule
from reports.sections.joining import clauses
from reports.statistics.intervals import Estimate

TOKENS = "bottleneck"
"""The name of bottleneck tokens among sources and targets of a flow."""

_BELIEVE: dict[Label, str] = {
    "faithful": later(
        "Attention shows what {arm} uses: {ranked} to which rollout gives more weight matter more to the outputs."
    ),
    "weakly faithful": later("Attention is a weak guide to the {ranked} that matter to the outputs of {arm}."),
    "not faithful": later(
        "Attention does not show which {ranked} matter to the outputs of {arm}: its maps are no explanation."
    ),
    "not shown": later("It is not known whether attention shows which {ranked} matter to {arm}."),
}


def section(results: StudyResults) -> Section | None:
    """Where attention looks and how far that can be believed; None if attention was not analysed."""
    found = Attending.of(results)
    if found is None:
        return None
    shown = shown_arms(results, found.arms)
    return Section(
        key="attention",
        title=say("Attention"),
        question=say("Where does attention look, and does it show what the model uses?"),
        lead=_lead(found),
        findings=(
            *(_believed(found, arm) for arm in shown),
            *_others(found, shown),
            *(finding for arm in shown for finding in _overstated(found, arm)),
            *(_looks(found, arm) for arm in shown if found.layers(arm)),
            *(finding for arm in found.arms for finding in _flow(found, arm)),
            *_differences(found),
        ),
        figures=(
            "attention_faithfulness", "attention_reach", "attention_maps", "attention_heads", "attention_flow",
        ),
        tables=(
            SectionTable(
                "faithfulness",
                say("Rank correlation of attention rollout with what matters, by arm: mean and interval over repeats"),
                faithfulness_table(found),
            ),
            SectionTable(
                "layers", say(
                    "What heads do, by layer: means over heads and repeats; distances in {unit}",
                    unit=found.unit_words,
                ),
                layer_table(found),
            ),
            *([SectionTable("flow", say("What flows between modalities, by arm and layer"), flows)]
              if (flows := flow_table(found)).rows else []),
            SectionTable(
                "differences",
                say(
                    "Attention of each arm against the reference, and the share of each measure's variance between "
                    "arms (ICC)"
                ),
                difference_table(found),
            ),
        ),
        limits=_limits(found),
    )  # fmt: skip


_SPANS = {
    "earlier steps": later("earlier spans"),
    "other steps": later("other spans"),
    OTHERS: later("other spans (earlier ones where a model cannot look ahead)"),
}


def _lead(found: Attending) -> str:
    recorded = say(
        "Attention was recorded on every test window. Rollout follows it through all layers; in each layer, half of "
        "the residual sum bypasses attention."
    )
    if found.of_items:
        ranked = say(
            "To measure whether rollout is faithful, on up to 24 windows spread over the test items one span of steps "
            "after another was removed from all modalities, and for the output of each item, all spans were ranked by "
            "how far the output moved and by the weight that rollout, taken over all steps, gives them. ρ is the rank "
            "correlation, averaged over windows, then over items."
        )
    else:
        ranked = say(
            "To measure whether rollout is faithful, on up to 24 windows spread over the test items one span of steps "
            "after another was removed from all modalities, and for every output, the {spans} were ranked by how far "
            "the output moved and by the weight that rollout gives them. The step itself is left out, since the "
            "residual sum alone would get it right. ρ is the rank correlation, averaged over outputs, then over items.",
            spans=say(_SPANS[found.ranked_of_all]),
        )
    return prose(recorded, ranked, rule())


# Findings ----------------------------------------------------------------------------------------------------------
def _believed(found: Attending, arm: str) -> Finding:
    judged = found.faithfulness(arm)
    if not judged.correlation.n:
        nothing = say("Nothing in {arm} attends over time, or its outputs could not be ranked.", arm=arm)
        return Finding(nothing, "not shown", "open")
    text = say(_BELIEVE[judged.label], arm=arm, ranked=say(found.ranked(arm)))
    beyond, near = found.correlated(arm, "beyond"), found.correlated(arm, "nearness")
    believed = judged.label in ("faithful", "weakly faithful")
    # Nearness can only explain the correlation where nearness alone is right to some degree.
    if believed and beyond.n > 1 and beyond.low <= 0 and near.low > 0:
        text = prose(text, say("But it is not shown to say more than that near steps matter most."))
    more = [say("Rank correlation with the effect of removing steps: {evidence}", evidence=judged.evidence)]
    for name, words in _BESIDE.items():
        rho = found.correlated(arm, name)
        if rho.n:
            more.append(say(words, rho=_mean(rho)))
    return Finding(text, judged.label, judged.tone, clauses(more))


_BESIDE: dict[Correlation, str] = {
    "gradient": later("with gradient × input: ρ = {rho}"),
    "beyond": later("with nearness held fixed: ρ = {rho}"),
    "nearness": later("nearness alone: ρ = {rho}"),
}


def _others(found: Attending, shown: tuple[str, ...]) -> list[Finding]:
    """The words for all other arms, in one sentence."""
    by_label: dict[str, list[str]] = {}
    for arm in found.arms:
        judged = found.faithfulness(arm)
        if arm not in shown and judged.correlation.n:
            by_label.setdefault(judged.label, []).append(
                say("{name} ({value})", name=arm, value=number(judged.correlation.mean))
            )
    parts = [say("{arms}: {label}", arms=listing(arms), label=say(label)) for label, arms in by_label.items()]
    return [Finding(say("The other arms (ρ in brackets): {parts}.", parts=clauses(parts)))] if parts else []


def _overstated(found: Attending, arm: str) -> list[Finding]:
    """Whether rollout gives the other steps more, or less, weight than removing them shows."""
    rollout_R, effect_R = found.past(arm, "rollout"), found.past(arm, "occlusion")
    difference = found.shared(rollout_R - effect_R, -1.0)
    if found.p_of(arm, "past") > found.alpha or difference.low <= 0 <= difference.high:
        return []
    said, true = found.shared(rollout_R), found.shared(effect_R)
    ranked = found.ranked(arm)
    if ranked == "earlier steps":
        what = say("the past")
    else:
        what = say("the other steps" if ranked == "other steps" else "the steps")
    return [
        Finding(
            say(
                "Rollout overstates {what} of {arm}: it gives {said} of its weight to {ranked}, which account for "
                "{true} of the change when single steps are removed."
                if difference.mean > 0
                else "Rollout understates {what} of {arm}: it gives {said} of its weight to {ranked}, which account "
                "for {true} of the change when single steps are removed.",
                what=what,
                arm=arm,
                said=_percent(said),
                ranked=say(ranked),
                true=_percent(true),
            ),
            evidence=say(
                "Difference {mean}, {level} interval {edges}, {repeats}",
                mean=number(difference.mean, signed=True),
                level=percent(found.level),
                edges=interval(difference.low, difference.high),
                repeats=counted(difference.n, "repeat"),
            ),
        )
    ]


def _looks(found: Attending, arm: str) -> Finding:
    entropy, away, events = (
        found.measured(arm, "entropy"),
        found.measured(arm, "distance"),
        found.measured(arm, "events"),
    )
    uniform, base = found.measured(arm, "distance", uniform=True), found.measured(arm, "events", uniform=True)
    text = say(
        "Attention of {arm} looks {away} {unit} away on average, where equal weights would look {uniform} {unit}, and "
        "has {entropy} of the maximum entropy.",
        arm=arm,
        away=number(away.mean),
        unit=found.unit_words,
        uniform=number(uniform.mean),
        entropy=_percent(entropy),
    )
    if events.n > 1 and base.mean > 0:
        sure = found.p_of(arm, "events") <= found.alpha and not events.low <= 0 <= events.high
        text = prose(text, _on_events(found, events.mean if sure else 0.0))
    return Finding(
        text,
        evidence=say(
            "Distance {away}, entropy {entropy}, share on label changes minus the share of equal weights ({base}) "
            "{events}; {level} intervals over {repeats}"
            if found.of_labels
            else "Distance {away}, entropy {entropy}, share on edits minus the share of equal weights ({base}) "
            "{events}; {level} intervals over {repeats}",
            away=_mean(away),
            entropy=_mean(entropy),
            base=number(base.mean),
            events=_mean(events, signed=True),
            level=percent(found.level),
            repeats=counted(away.n, "repeat"),
        ),
    )


def _on_events(found: Attending, more: float) -> str:
    """Whether edits, or label changes, get more than their share; 0: it is not shown."""
    if not more:
        return say(
            "Steps with a label change are not shown to get more or less than their share."
            if found.of_labels
            else "Steps with an edit are not shown to get more or less than their share."
        )
    if more > 0:
        return say(
            "Steps with a label change get more than their share."
            if found.of_labels
            else "Steps with an edit get more than their share."
        )
    return say(
        "Steps with a label change get less than their share."
        if found.of_labels
        else "Steps with an edit get less than their share."
    )


def _flow(found: Attending, arm: str) -> list[Finding]:
    """The largest and the smallest flow of an arm."""
    flows = {name: share for name, share in found.flows(arm).items() if share.n}
    if any(TOKENS in name for name in flows):
        # What is written into tokens and what is read from them are shares of different things. What is read shows what
        # a modality learns of the others, and that only once there is something in the tokens.
        flows = {name: share for name, share in flows.items() if name[0] == TOKENS and name[2] > 0}
    if len(flows) < 2:
        return []
    (most, high), (least, low) = (pick(flows.items(), key=lambda one: one[1].mean) for pick in (max, min))
    return [
        Finding(
            say(
                "In {arm}, most flows {most} ({high}) and least {least} ({low}).",
                arm=arm,
                most=_way(most),
                high=_percent(high),
                least=_way(least),
                low=_percent(low),
            ),
            evidence=say(
                "{high} and {low}, means over test steps and {repeats}",
                high=_mean(high),
                low=_mean(low),
                repeats=counted(high.n, "repeat"),
            ),
        )
    ]


def _way(flow: tuple[str, str, int]) -> str:
    source, target, _ = flow
    return say("from {source} to {target}", source=_end(source), target=_end(target))


def _end(name: str) -> str:
    return say(_ENDS[name]) if name in _ENDS else name


_ENDS = {"fused": later("what is fused"), TOKENS: later("the bottleneck"), "prediction": later("the prediction")}


def _differences(found: Attending) -> list[Finding]:
    """By measure, which arms differ from the reference, and whether repeats agree on the differences."""
    findings = []
    for name in MEASURES:
        decided = [d for d in found.differences if d.measure == name and d.test.sign]
        if not decided:
            continue
        listed = [f"{d.arm} {number(d.test.estimate.mean, signed=True)}" for d in decided]
        findings.append(
            Finding(
                say(
                    "Arms differ from {reference} in {words}: {listed} {unit}."
                    if name == "distance"
                    else "Arms differ from {reference} in {words}: {listed}.",
                    reference=found.reference,
                    words=say(found.measure_words(name)),
                    listed=listing(listed),
                    unit=found.unit_words,
                ),
                "differs",
                "plain",
                say(
                    "{agreed}; largest p after correction for {n} comparisons: {p}",
                    agreed=_agreed(found, name),
                    n=len(found.differences),
                    p=probability(max(d.test.p for d in decided)),
                ),
            )
        )
    asked = [d for d in found.differences if d.test.estimate.n]
    if asked and not findings:
        few = all(d.test.outcome == "too few repeats" for d in asked)
        findings.append(
            Finding(
                say(
                    "No difference in attention between the arms is shown: there are too few repeats to show any."
                    if few
                    else "No difference in attention between the arms is shown."
                ),
                "not shown",
                "open",
                say(
                    "{comparisons} with {reference}, judged together",
                    comparisons=counted(len(asked), "comparison"),
                    reference=found.reference,
                ),
            )
        )
    return findings


def _agreed(found: Attending, name: Measure) -> str:
    value = found.agreement(name)
    if math.isnan(value):
        return say("repeats cannot be compared")
    share = percent(round(max(value, 0.0), 2))
    return say(
        "{share} of the variance over arms and repeats lies between arms (ICC {icc})",
        share=share,
        icc=number(value),
    )


def _limits(found: Attending) -> str:
    longest = max(found.spans, default=1)
    stable = {arm: found.stability(arm) for arm in found.arms}
    known = [value for value in stable.values() if not math.isnan(value)]
    removed = (
        say(
            "Steps were removed as spans of {steps}; information that only several together carry is missed.",
            steps=counted(longest, "step"),
        )
        if longest > 1
        else say("Steps were removed as single steps; information that only several together carry is missed.")
    )
    reading = (
        say(
            "Agreement between the repeats of an arm on how rollout falls off with time: mean rank correlation "
            "{edges}.",
            edges=interval(min(known), max(known)),
        )
        if known
        else ""
    )
    return prose(
        removed,
        say(
            "Heads have no identity from one repeat to the next, so they are averaged. Flow is a share of what is "
            "read, not of its value: a large vector without information has a large share, too."
        ),
        say(
            "Label changes are changes of class targets, which the model must predict."
            if found.of_labels
            else "Edits are changes of class targets, which the model must predict."
        ),
        say(
            "Words are corrected for the number of tests: half of alpha is for tests of single arms (Holm), half for "
            "the comparisons of arms, which are judged together."
        ),
        reading,
    )


# Words -------------------------------------------------------------------------------------------------------------
def _mean(e: Estimate, signed: bool = False) -> str:
    mean = number(e.mean, signed)
    return say("{mean} ({edges})", mean=mean, edges=interval(e.low, e.high)) if e.n > 1 else mean


def _percent(e: Estimate) -> str:
    return percent(round(e.mean, 2))
