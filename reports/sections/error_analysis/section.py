"""The section about errors: under which conditions, on which items and where in them the arms are wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, cast

import numpy as np
import pandas as pd

from mmcore.analyses import ErrorsAnalysis
from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import ErrorsResult
from mmcore.language import say
from reports.model.section import Finding, Section, SectionTable, Table, plain_table
from reports.numbers import counted, interval, listing, number, percent, prose
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.error_analysis.between_items import LEAST_GROUPS, Between
from reports.sections.error_analysis.estimates import (
    LEAST_RATIO,
    Gain,
    Place,
    Ratio,
    gain_margin,
    gains,
    item_groups,
    ratios,
)
from reports.sections.joining import commas

MOST_PLACES = 8
"""Conditions that are described in words, the strongest first; the table has all."""
MOST_GAINS = 6
"""Gains that are described in words, the largest first; the table has all."""
MOST_DRAWN = 6
"""Components whose cases are drawn."""
MOST_NAMED = 2
"""Arms that :func:`shown_arms` names at most."""
HARD = "errors_hardest"
ENDS = "errors_ends"
"""First parts of the names of the pictures of cases."""


def section(results: StudyResults) -> Section | None:
    """Where the arms are wrong; None if it was not analysed."""
    answers = results.answers(ErrorsResult)
    if not answers:
        return None
    shown = shown_arms(results, {answer.arm for answer in answers})
    found, gained = ratios(results), gains(results)
    listed = max(answer.settings.cases for answer in answers if isinstance(answer.settings, ErrorsAnalysis))
    drawn = range(min(MOST_DRAWN, len(results.components)))
    cases = [name for i in drawn for name in (f"{HARD}_{i}", *(f"{ENDS}_{i}_{place}" for place in range(MOST_NAMED)))]
    return Section(
        key="errors",
        title=say("Where the errors are"),
        question=say("Under which conditions, on which items and in which spans are the arms wrong?"),
        lead=_lead(results),
        findings=(*_harder(found, shown[-1:]), *_gains(gained)),
        figures=("errors_conditions", *cases),
        tables=(
            SectionTable(
                "conditions",
                say("Loss in one group ÷ loss in the group it is compared with, by arm and component"),
                _ratios(found),
            ),
            SectionTable(
                "gains",
                say("Skill that an arm gains over another in one group, and in the group that it is compared with"),
                _gain_table(gained),
            ),
            SectionTable(
                "items",
                say("Worst and best items of each arm, and all arms on the same items"),
                _items(results, listed),
            ),
            SectionTable(
                "spans",
                say(
                    "Worst and best spans of every run, within its test items, and its loss in the spans that are "
                    "hardest for the naive predictor, which are the same for all arms of a repeat"
                ),
                _spans(answers),
            ),
            *_item_tables(results),
        ),
        limits=_limits(results),
    )


def _lead(results: StudyResults) -> str:
    columns = _columns(results)
    least = gain_margin(results, results.components[0]) if results.components else None
    return prose(
        say(
            "Every target of the test items was put into groups according to what the corpus shows at the predicted "
            "step: its binary features, {events}, how many tracks are active, the place in the item, and whether a "
            "modality is there; and according to what items.csv says about the item ({columns})."
            if columns
            else "Every target of the test items was put into groups according to what the corpus shows at the "
            "predicted step: its binary features, {events}, how many tracks are active, the place in the item, and "
            "whether a modality is there.",
            events=say("label changes" if results.corpus.task == "label" else "edits"),
            columns=listing(columns),
        ),
        say(
            "A ratio of 2 means that the loss is twice the loss of the group it is compared with; the ratio of the "
            "naive predictors says how much harder the targets themselves are there. Groups are the same for all arms."
        ),
        say("Losses that differ by a factor of less than {ratio:g} count as equal.", ratio=LEAST_RATIO)
        if least is None
        else say(
            "Losses that differ by a factor of less than {ratio:g} count as equal, and so do gains that differ by no "
            "more than {gain:g} of skill.",
            ratio=LEAST_RATIO,
            gain=least,
        ),
    )


def _limits(results: StudyResults) -> str:
    return prose(
        say(
            "Words are corrected for the number of tests: all conditions, components, arms and comparisons of arms "
            "are judged together, so that the chance of any false word is at most {alpha} if no condition makes a "
            "difference. Conditions are not independent of one another: where one modality is absent, another one "
            "often is, too. This analysis does not ask which of them is the cause. Intervals over repeats include the "
            "draw of test items if splits are drawn.",
            alpha=percent(results.study.alpha),
        ),
        say(
            "Pictures show the reference and the best arm, in the first repeat that has both: the spans that are "
            "hardest for the naive predictors, which are the same for both arms, and each arm's own worst and best "
            "spans, which may differ. They are extremes, not typical examples; in a best span there may be hardly "
            "anything to predict."
        ),
        _of_items(results),
        _left_out(results),
    )


def _columns(results: StudyResults) -> list[str]:
    """Columns of items.csv that are conditions."""
    conditions = (c for answer in results.answers(ErrorsResult) for c in answer.result.conditions if c.of_items)
    return list(dict.fromkeys(condition.name for condition in conditions))


def _of_items(results: StudyResults) -> str:
    """What verdicts about columns of items.csv rest on; empty where there are none."""
    if not _columns(results):
        return ""
    return say(
        "An item has one value of a column of items.csv, so more repeats do not add items of a genre. A word "
        "about such a column also needs a t-test between groups of items.csv, each of them one observation, and at "
        "least {least} groups on each side. With fewer, the verdict is “too few groups”, and the losses are "
        "about these items alone. A column may correlate with another one, or with the people who were recorded: which "
        "of them is the cause is not shown.",
        least=LEAST_GROUPS,
    )


def _left_out(results: StudyResults) -> str:
    """What has no picture, and where it is."""
    arms = {answer.arm for answer in results.answers(ErrorsResult)}
    others, components = len(arms) - len(shown_arms(results, arms)), results.components[MOST_DRAWN:]
    parts = [counted(others, "more arm")] if others else []
    if components:
        number_of = counted(len(components), "component")
        parts.append(say("{components} ({names})", components=number_of, names=listing(components)))
    if not parts:
        return ""
    return say(
        "Not drawn: {parts}. Their items and spans are in the tables, their cases in the files beside the "
        "records (runs/FINGERPRINT/analyses/errors-….json).",
        parts=listing(parts),
    )


def _harder(found: Sequence[Ratio], arms: Sequence[str]) -> list[Finding]:
    """Where losses differ beyond doubt, the condition with the largest ratio first."""
    by_place: dict[tuple[str, Place], list[Ratio]] = {}
    for r in found:
        if r.arm in arms and r.sign:
            by_place.setdefault((r.arm, r.place), []).append(r)
    # Modalities that are always absent together make one finding.
    alike: dict[tuple[Any, ...], tuple[list[Place], list[Ratio]]] = {}
    for (arm, place), rows in by_place.items():
        rows = sorted(rows, key=lambda r: -abs(math.log(r.ratio)))
        same = (arm, place.group, place.base, *((r.component, r.ratio) for r in rows))
        alike.setdefault(same, ([], rows))[0].append(place)
    findings = []
    strongest = sorted(alike.values(), key=lambda entry: -abs(math.log(entry[1][0].ratio)))
    for places, rows in strongest[:MOST_PLACES]:
        first, *others = rows
        times = say(
            "{ratio} times that of “{base}” for {component}",
            ratio=number(first.ratio),
            base=places[0].shown_base,
            component=first.component,
        )
        more = [say("{ratio} for {component}", ratio=number(r.ratio), component=r.component) for r in others]
        evidence = say(
            "{component}: {edges}, n = {n}; naive predictors {naive}; skill {skill} against {base_skill}.",
            component=first.component,
            edges=interval(first.low, first.high),
            n=first.n,
            naive=number(first.naive),
            skill=number(first.skill),
            base_skill=number(first.base_skill),
        )
        if first.between is not None:
            evidence = prose(evidence, _groups(first.between))
        kinds = {r.sign for r in rows}
        label = "mixed" if len(kinds) > 1 else "harder" if 1 in kinds else "easier"
        text = say(
            "{where}, the loss of '{arm}' is {times}.",
            where=_where(places),
            arm=first.arm,
            times=commas([times, *more]),
        )
        findings.append(Finding(text, label, "plain", evidence))
    return findings


def _groups(b: Between) -> str:
    """How many items, in how many groups, stand against one another."""
    one, other = (
        say("{items} in {groups}", items=counted(items, "item"), groups=counted(groups, "group"))
        for items, groups in ((b.items, b.groups), (b.base_items, b.base_groups))
    )
    return say("{one} against {other}.", one=one, other=other)


def _gains(gained: Sequence[Gain]) -> list[Finding]:
    """Where an arm gains more, or less, than elsewhere beyond doubt, the largest difference first."""
    alike: dict[tuple[Any, ...], list[Gain]] = {}
    for g in gained:
        if g.sign:
            same = (g.arm, g.reference, g.component, g.place.group, g.place.base, g.test.estimate.mean)
            alike.setdefault(same, []).append(g)
    findings = []
    strongest = sorted(alike.values(), key=lambda rows: -abs(rows[0].test.estimate.mean))
    for rows in strongest[:MOST_GAINS]:
        g, d = rows[0], rows[0].test.estimate
        text = say(
            "{where}, '{arm}' gains more over '{reference}' in {component}: {gain} of skill, {elsewhere} with “{base}”."
            if g.sign > 0
            else "{where}, '{arm}' gains less over '{reference}' in {component}: {gain} of skill, {elsewhere} with "
            "“{base}”.",
            where=_where([row.place for row in rows]),
            arm=g.arm,
            reference=g.reference,
            component=g.component,
            gain=number(g.group.mean, signed=True),
            elsewhere=number(g.base.mean, signed=True),
            base=g.place.shown_base,
        )
        evidence = say(
            "Difference {mean} ({edges}, n = {n}).",
            mean=number(d.mean, signed=True),
            edges=interval(d.low, d.high),
            n=d.n,
        )
        findings.append(Finding(text, "gains more" if g.sign > 0 else "gains less", "plain", evidence))
    return findings


def _where(places: Sequence[Place]) -> str:
    return say("Where {places}", places=listing([say("“{place}”", place=place.shown) for place in places]))


def _ratios(found: Sequence[Ratio]) -> Table:
    columns = (
        "arm", "condition", "group", "against", "component", "ratio", "low", "high", "n", "naive_ratio", "skill",
        "skill_against", "verdict", "p", "family",
    )  # fmt: skip
    words = {"below": "easier", "above": "harder", "none": "equal", "open": "undecided"}
    rows = []
    for r in found:
        verdict = words.get(r.outcome, r.outcome)
        edges = (r.ratio, r.low, r.high, r.n, r.naive, r.skill, r.base_skill)
        verdicts = (verdict, r.test.p, r.test.family)
        rows.append((r.arm, *r.place.cells, r.component, *edges, *verdicts))
    return plain_table(columns, rows)


def _item_tables(results: StudyResults) -> tuple[SectionTable, ...]:
    """None where items.csv has no column that is a condition."""
    table = _item_groups(results)
    title = say("Loss by column of items.csv: test items of all repeats, and groups of items.csv among them")
    return (SectionTable("item_conditions", title, table),) if table.rows else ()


def _item_groups(results: StudyResults) -> Table:
    columns = (
        "arm", "component", "condition", "group", "items", "groups", "loss", "naive_loss", "skill", "against", "ratio",
        "verdict",
    )  # fmt: skip
    words = {"below": "easier", "above": "harder", "none": "equal", "open": "undecided"}
    known = {(r.arm, r.component, r.place.condition, r.place.group): r for r in ratios(results)}
    rows = []
    for g in item_groups(results):
        r = known.get((g.arm, g.component, g.condition, g.group))
        verdict = None if r is None else words.get(r.outcome, r.outcome)
        numbers = (g.items, g.groups, g.loss, g.naive, g.skill)
        against = None if g.base == g.group else g.base
        rows.append((g.arm, g.component, g.condition, g.group, *numbers, against, r and r.ratio, verdict))
    return plain_table(columns, rows)


def _gain_table(gained: Sequence[Gain]) -> Table:
    columns = (
        "arm", "reference", "condition", "group", "against", "component", "gain", "gain_against", "difference", "low",
        "high", "n", "verdict", "p", "family",
    )  # fmt: skip
    words = {"above": "gains more", "below": "gains less", "none": "equal", "open": "undecided"}
    rows = []
    for g in gained:
        d, verdict = g.test.estimate, words.get(g.outcome, g.outcome)
        place = (*g.place.cells, g.component)
        numbers = (g.group.mean, g.base.mean, d.mean, d.low, d.high, d.n, verdict, g.test.p, g.test.family)
        rows.append((g.arm, g.reference, *place, *numbers))
    return plain_table(columns, rows)


def _items(results: StudyResults, listed: int) -> Table:
    """Means over the repeats that tested an item; ties by name."""
    columns = ("component", "end", "of", "rank", "item", "arm", "loss", "naive_loss", "repeats")
    rows = []
    for component in results.components:
        losses = _mean_losses(results.items, component)
        arms = [arm.name for arm in results.study.arms if any(a == arm.name for a, _ in losses)]
        for arm in arms:
            own = [(loss, item) for (a, item), (loss, _, _) in losses.items() if a == arm]
            ends = {"worst": sorted(own, key=lambda o: (-o[0], o[1])), "best": sorted(own)}
            for end, order in ends.items():
                for rank, (_, item) in enumerate(order[:listed], 1):
                    rows += [
                        (component, end, arm, rank, item, other, *losses[other, item])
                        for other in arms
                        if (other, item) in losses
                    ]
    return plain_table(columns, rows)


def _mean_losses(items: pd.DataFrame, component: str) -> dict[tuple[str, str], tuple[float, float, int]]:
    """By arm and item: loss and naive loss, means over the repeats that tested it, and their number."""
    mine: Any = items.loc[
        (items["component"] == component) & items["loss"].notna(), ["arm", "item", "loss", "naive_loss"]
    ]
    loss_N, naive_N = mine["loss"].to_numpy(float), mine["naive_loss"].to_numpy(float)
    tested = cast(dict[tuple[str, str], np.ndarray], mine.groupby(["arm", "item"], sort=False, observed=True).indices)
    return {of: (fmean(loss_N[at].tolist()), fmean(naive_N[at].tolist()), len(at)) for of, at in tested.items()}


def _spans(answers: Sequence[Answered[ErrorsResult]]) -> Table:
    columns = ("arm", "repeat", "component", "end", "rank", "item", "start", "steps", "loss", "naive_loss")
    rows = []
    for answer in answers:
        for component, ends in answer.result.spans.items():
            for end, spans in (("hardest", ends.hardest), ("worst", ends.worst), ("best", ends.best)):
                for rank, s in enumerate(spans, 1):
                    span = (s.item, s.start, s.steps, s.loss, s.naive)
                    rows.append((answer.arm, answer.repeat, component, end, rank, *span))
    return plain_table(columns, rows)
