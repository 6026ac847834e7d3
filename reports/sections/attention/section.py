"""The section about attention: whether its maps are faithful, where it looks, what flows, and how arms differ."""

from __future__ import annotations

import math

from reports.model.section import Finding, Section, SectionTable
from reports.numbers import counted, interval, listing, number, percent, probability
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.attention.estimates import MEASURES, Attending, Correlation, Measure
from reports.sections.attention.tables import difference_table, faithfulness_table, flow_table, layer_table
from reports.sections.faithfulness import RULE, Label
from reports.statistics.intervals import Estimate

TOKENS = "bottleneck"
"""The name of bottleneck tokens among sources and targets of a flow."""

_BELIEVE: dict[Label, str] = {
    "faithful": "Attention shows what {arm} uses: {ranked} to which rollout gives more weight "
    "matter more to the outputs.",
    "weakly faithful": "Attention is a weak guide to the {ranked} that matter to the outputs of {arm}.",
    "not faithful": "Attention does not show which {ranked} matter to the outputs of {arm}: its maps "
    "are no explanation.",
    "not shown": "It is not known whether attention shows which {ranked} matter to {arm}.",
}


def section(results: StudyResults) -> Section | None:
    """Where attention looks and how far that can be believed; None if attention was not analysed."""
    found = Attending.of(results)
    if found is None:
        return None
    shown = shown_arms(results, found.arms)
    return Section(
        key="attention",
        title="Attention",
        question="Where does attention look, and does it show what the model uses?",
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
                "Rank correlation of attention rollout with what matters, by arm: mean and interval over repeats",
                faithfulness_table(found),
            ),
            SectionTable(
                "layers", f"What heads do, by layer: means over heads and repeats; distances in {found.unit}",
                layer_table(found),
            ),
            *([SectionTable("flow", "What flows between modalities, by arm and layer", flows)]
              if (flows := flow_table(found)).rows else []),
            SectionTable(
                "differences",
                "Attention of each arm against the reference, and the share of each measure's variance between arms "
                "(ICC)",
                difference_table(found),
            ),
        ),
        limits=_limits(found),
    )  # fmt: skip


def _lead(found: Attending) -> str:
    if found.of_items:
        ranked = (
            "for the output of each item, all spans were ranked by how far the output moved and by the weight that "
            "rollout, taken over all steps, gives them. ρ is the rank correlation, averaged over windows, then over "
            "items."
        )
    else:
        spans = found.ranked_of_all.replace("steps", "spans")
        ranked = (
            f"for every output, the {spans} were ranked by how far the output moved and by the weight that rollout "
            "gives them. The step itself is left out, since the residual sum alone would get it right. ρ is the "
            "rank correlation, averaged over outputs, then over items."
        )
    return (
        "Attention was recorded on every test window. Rollout follows it through all layers; in each layer, half of "
        "the residual sum bypasses attention. To measure whether rollout is faithful, on up to 24 windows spread over "
        f"the test items one span of steps after another was removed from all modalities, and {ranked} {RULE}"
    )


# Findings ----------------------------------------------------------------------------------------------------------
def _believed(found: Attending, arm: str) -> Finding:
    judged = found.faithfulness(arm)
    if not judged.correlation.n:
        return Finding(f"Nothing in {arm} attends over time, or its outputs could not be ranked.", "not shown", "open")
    text = _BELIEVE[judged.label].format(arm=arm, ranked=found.ranked(arm))
    beyond, near = found.correlated(arm, "beyond"), found.correlated(arm, "nearness")
    believed = judged.label in ("faithful", "weakly faithful")
    # Nearness can only explain the correlation where nearness alone is right to some degree.
    if believed and beyond.n > 1 and beyond.low <= 0 and near.low > 0:
        text += " But it is not shown to say more than that near steps matter most."
    more = [f"with the effect of removing steps: {judged.evidence}"]
    others: dict[Correlation, str] = {
        "gradient": "with gradient × input",
        "beyond": "with nearness held fixed",
        "nearness": "nearness alone",
    }
    for name, words in others.items():
        rho = found.correlated(arm, name)
        if rho.n:
            more.append(f"{words}: ρ = {_mean(rho)}")
    return Finding(text, judged.label, judged.tone, "Rank correlation " + "; ".join(more))


def _others(found: Attending, shown: tuple[str, ...]) -> list[Finding]:
    """The words for all other arms, in one sentence."""
    by_label: dict[str, list[str]] = {}
    for arm in found.arms:
        judged = found.faithfulness(arm)
        if arm not in shown and judged.correlation.n:
            by_label.setdefault(judged.label, []).append(f"{arm} ({number(judged.correlation.mean)})")
    parts = [f"{listing(arms)}: {label}" for label, arms in by_label.items()]
    return [Finding(f"The other arms (ρ in brackets): {'; '.join(parts)}.")] if parts else []


def _overstated(found: Attending, arm: str) -> list[Finding]:
    """Whether rollout gives the other steps more, or less, weight than removing them shows."""
    rollout_R, effect_R = found.past(arm, "rollout"), found.past(arm, "occlusion")
    difference = found.shared(rollout_R - effect_R, -1.0)
    if found.p_of(arm, "past") > found.alpha or difference.low <= 0 <= difference.high:
        return []
    word = "overstates" if difference.mean > 0 else "understates"
    said, true = found.shared(rollout_R), found.shared(effect_R)
    ranked = found.ranked(arm)
    what = "the past" if ranked == "earlier steps" else f"the {ranked}"
    return [
        Finding(
            f"Rollout {word} {what} of {arm}: it gives {_percent(said)} of its weight to {ranked}, which account for "
            f"{_percent(true)} of the change when single steps are removed.",
            evidence=f"Difference {number(difference.mean, signed=True)}, {_interval(found, difference)}",
        )
    ]


def _looks(found: Attending, arm: str) -> Finding:
    entropy, away, events = (
        found.measured(arm, "entropy"),
        found.measured(arm, "distance"),
        found.measured(arm, "events"),
    )
    uniform, base = found.measured(arm, "distance", uniform=True), found.measured(arm, "events", uniform=True)
    text = (
        f"Attention of {arm} looks {number(away.mean)} {found.unit} away on average, where equal weights would look "
        f"{number(uniform.mean)} {found.unit}, and has {_percent(entropy)} of the maximum entropy."
    )
    if events.n > 1 and base.mean > 0:
        sure = found.p_of(arm, "events") <= found.alpha and not events.low <= 0 <= events.high
        word = "more" if events.mean > 0 else "less"
        get = f"get {word}" if sure else "are not shown to get more or less"
        text += f" Steps with an edit {get} than their share."
    return Finding(
        text,
        evidence=(
            f"Distance {_mean(away)}, entropy {_mean(entropy)}, share on edits minus the share of equal weights "
            f"({number(base.mean)}) {_mean(events, signed=True)}; {percent(found.level)} intervals over "
            f"{counted(away.n, 'repeat')}"
        ),
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
            f"In {arm}, most flows {_way(most)} ({_percent(high)}) and least {_way(least)} ({_percent(low)}).",
            evidence=f"{_mean(high)} and {_mean(low)}, means over test steps and {counted(high.n, 'repeat')}",
        )
    ]


def _way(flow: tuple[str, str, int]) -> str:
    source, target, _ = flow
    return f"from {_ENDS.get(source, source)} to {_ENDS.get(target, target)}"


_ENDS = {"fused": "what is fused", TOKENS: "the bottleneck", "prediction": "the prediction"}


def _differences(found: Attending) -> list[Finding]:
    """By measure, which arms differ from the reference, and whether repeats agree on the differences."""
    findings = []
    for name, words in MEASURES.items():
        decided = [d for d in found.differences if d.measure == name and d.test.sign]
        if not decided:
            continue
        listed = [f"{d.arm} {number(d.test.estimate.mean, signed=True)}" for d in decided]
        findings.append(
            Finding(
                f"Arms differ from {found.reference} in {words}: {listing(listed)}{_unit(found, name)}.",
                "differs",
                "plain",
                f"{_agreed(found, name)}; largest p after correction for {len(found.differences)} comparisons: "
                f"{probability(max(d.test.p for d in decided))}",
            )
        )
    asked = [d for d in found.differences if d.test.estimate.n]
    if asked and not findings:
        few = all(d.test.outcome == "too few repeats" for d in asked)
        findings.append(
            Finding(
                "No difference in attention between the arms is shown"
                + (": there are too few repeats to show any." if few else "."),
                "not shown",
                "open",
                f"{counted(len(asked), 'comparison')} with {found.reference}, judged together",
            )
        )
    return findings


def _agreed(found: Attending, name: Measure) -> str:
    value = found.agreement(name)
    if math.isnan(value):
        return "repeats cannot be compared"
    share = percent(round(max(value, 0.0), 2))
    return f"{share} of the variance over arms and repeats lies between arms (ICC {number(value)})"


def _unit(found: Attending, measure: str) -> str:
    return f" {found.unit}" if measure == "distance" else ""


def _limits(found: Attending) -> str:
    longest = max(found.spans, default=1)
    span = f"spans of {counted(longest, 'step')}" if longest > 1 else "single steps"
    stable = {arm: found.stability(arm) for arm in found.arms}
    known = [value for value in stable.values() if not math.isnan(value)]
    reading = (
        " Agreement between the repeats of an arm on how rollout falls off with time: mean rank correlation "
        f"{number(min(known))} to {number(max(known))}."
        if known
        else ""
    )
    return (
        f"Steps were removed as {span}; information that only several together carry is missed. Heads have no identity "
        "from one repeat to the next, so they are averaged. Flow is a share of what is read, not of its value: a large "
        "vector without information has a large share, too. Edits are changes of class targets, which the model must "
        f"predict. Words are corrected for the number of tests: half of alpha is for tests of single "
        f"arms (Holm), half for the comparisons of arms, which are judged together.{reading}"
    )


# Words -------------------------------------------------------------------------------------------------------------
def _mean(e: Estimate, signed: bool = False) -> str:
    return number(e.mean, signed) + (f" ({interval(e.low, e.high)})" if e.n > 1 else "")


def _interval(found: Attending, e: Estimate) -> str:
    return f"{percent(found.level)} interval {interval(e.low, e.high)}, {counted(e.n, 'repeat')}"


def _percent(e: Estimate) -> str:
    return percent(round(e.mean, 2))
