"""The section about damaged inputs: how fast each arm's score falls, and whose falls less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmcore.answers.corruption import DamageKind
from mmcore.language import say
from reports.model.section import Finding, Section, SectionTable, Table, Tone, Word, plain_table
from reports.numbers import counted, interval, listing, number, probability, prose
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.corruption.estimates import FAMILIES, KIND_WORDS, Comparison, Robustness
from reports.sections.corruption.falls import fall, questions_of
from reports.sections.family import Test
from reports.sections.joining import commas
from reports.statistics.intervals import estimate

MOST_PAIRS = 4
"""Comparisons of arms that are described in words, the study's first ones; the table has all."""


def section(results: StudyResults) -> Section | None:
    """How the score falls as inputs get worse; None if it was not analysed."""
    found = Robustness.of(results)
    if found is None:
        return None
    level, overlap = 1 - results.study.alpha, results.overlap
    return Section(
        key="corruption",
        title=say("Damaged inputs"),
        question=say("How fast does the score fall as one modality gets worse?"),
        lead=_lead(found),
        findings=(*_falls(results, found), *_verdicts(found)),
        figures=("corruption",),
        tables=(
            SectionTable(
                "areas",
                say(
                    "Mean {metric} over all levels, and the level at which it first falls below the naive "
                    "predictors (0: undamaged), by arm, modality and damage",
                    metric=found.yardstick.title,
                ),
                _areas(found, level, overlap),
            ),
            SectionTable(
                "comparisons",
                say(
                    "Arms compared on the area under the curve: difference in mean score (above 0: better), and in "
                    "what the damage costs"
                ),
                _comparisons(found),
            ),
            SectionTable(
                "curves",
                say("{metric} at every level, by component", metric=say(found.yardstick.measure.title)),
                _curves(found, level, overlap),
            ),
        ),
        limits=_limits(found),
    )


def _lead(found: Robustness) -> str:
    sampled = sorted({(s.windows, s.of) for s in found.samples}, key=lambda one: f"{one[0]} of {one[1]}")
    windows, of = sampled[-1]
    return prose(
        say(
            "Test windows were damaged one modality at a time, in five ways and with rising strength, and scored again "
            "with the trained models; nothing was retrained."
        ),
        say(
            "All arms of a repeat got the same windows with the same damage: a sample of {windows} of {of} test "
            "windows."
            if len(sampled) == 1
            else "All arms of a repeat got the same windows with the same damage: a sample of up to {windows} of {of} "
            "test windows.",
            windows=windows,
            of=of,
        ),
        say("The naive predictors were scored on the same windows."),
        found.yardstick.sentence(),
        _zero(found),
        say(
            "The area under a curve, divided by the range of levels, is the mean score over that range. The cost of "
            "the damage is the score without damage minus this mean. An arm that does not read a modality keeps its "
            "score whatever happens to that modality."
        ),
    )


def _falls(results: StudyResults, found: Robustness) -> list[Finding]:
    """Where the reference and the best arm fall below the naive predictors."""
    level = 1 - results.study.alpha
    curves = {arm: [c for c in found.curves if c.arm == arm and c.reads] for arm in shown_arms(results, found.arms)}
    questions = questions_of(curves, FAMILIES)
    return [fall(arm, mine, level, results.overlap, questions) for arm, mine in curves.items() if mine]


def _zero(found: Robustness) -> str:
    """What the naive predictors score."""
    if found.yardstick.naive_is_zero:
        return say("A skill of 0 is no better than the naive predictors.")
    known = [c.naive_R[np.isfinite(c.naive_R)] for c in found.curves]
    mean = float(np.mean(np.concatenate(known))) if known and any(map(len, known)) else math.nan
    return say("The best naive predictor scores {mean} on average, undamaged.", mean=number(mean))


def _verdicts(found: Robustness) -> list[Finding]:
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in found.comparisons:
        pairs.setdefault((comparison.arm, comparison.reference), []).append(comparison)
    findings = []
    for (arm, reference), comparisons in list(pairs.items())[:MOST_PAIRS]:
        on_area = _split(comparisons, [c.area.sign for c in comparisons])
        on_cost = _split(comparisons, [-c.cost.sign for c in comparisons])
        text = prose(_kept(arm, reference, on_area, len(comparisons)), _lost(on_cost, len(comparisons)))
        findings.append(Finding(text, *_label(*on_area), _evidence(comparisons)))
    if len(pairs) > MOST_PAIRS:
        findings.append(
            Finding(
                say(
                    "The table has the other {others} of {n} comparisons.", others=len(pairs) - MOST_PAIRS, n=len(pairs)
                )
            )
        )
    return findings


def _split(comparisons: Sequence[Comparison], signs: Sequence[int]) -> tuple[list[Comparison], list[Comparison]]:
    """Those decided for the arm, and those decided against it."""
    both = list(zip(comparisons, signs, strict=True))
    better, worse = ([c for c, sign in both if sign == side] for side in (1, -1))
    return better, worse


def _kept(arm: str, reference: str, split: tuple[list[Comparison], list[Comparison]], asked: int) -> str:
    """With what the arm keeps a better score, and with what a worse one; what is not decided is left out."""
    better, worse = (_places(which, asked) for which in split)
    names = {"arm": arm, "reference": reference}
    if better and worse:
        return say(
            "Over all levels '{arm}' keeps a better score than '{reference}' with {better} and keeps a worse one than "
            "'{reference}' with {worse}.",
            better=better, worse=worse, **names,
        )  # fmt: skip
    if better:
        return say(
            "Over all levels '{arm}' keeps a better score than '{reference}' with {better}.", better=better, **names
        )
    if worse:
        return say("Over all levels '{arm}' keeps a worse one than '{reference}' with {worse}.", worse=worse, **names)
    return say(
        "Over all levels '{arm}' is not shown to keep a better score or a worse one than '{reference}'.", **names
    )


def _lost(split: tuple[list[Comparison], list[Comparison]], asked: int) -> str:
    """What damage costs the arm, in the same way."""
    less, more = (_places(which, asked) for which in split)
    if less and more:
        return say("Damage costs it less with {less} and costs it more with {more}.", less=less, more=more)
    if less:
        return say("Damage costs it less with {less}.", less=less)
    if more:
        return say("Damage costs it more with {more}.", more=more)
    return say("Damage is not shown to cost it more or less.")


def _places(comparisons: Sequence[Comparison], asked: int) -> str:
    """``noise (audio), a delay (visual)``; empty for none."""
    if comparisons and len(comparisons) == asked:
        return say("all that was tried")
    by_kind: dict[str, list[str]] = {}
    for c in comparisons:
        by_kind.setdefault(KIND_WORDS[c.kind], []).append(c.modality)
    return commas(
        say("{kind} ({modalities})", kind=say(kind), modalities=listing(names)) for kind, names in by_kind.items()
    )


def _label(better: list[Comparison], worse: list[Comparison]) -> tuple[str, Tone]:
    if better and worse:
        return "mixed", "plain"
    if better:
        return "keeps more", "good"
    return ("keeps less", "bad") if worse else ("undecided", "open")


def _evidence(comparisons: list[Comparison]) -> str:
    strongest = max(comparisons, key=lambda c: abs(c.area.estimate.mean) if c.area.estimate.n else -1.0)
    d, test = strongest.area.estimate, strongest.area
    return say(
        "Largest difference in mean score: {damage} of {modality}, {mean} ({edges}, n = {n}, p = {p} corrected for "
        "{tests}).",
        damage=say(KIND_WORDS[strongest.kind]),
        modality=strongest.modality,
        mean=number(d.mean, signed=True),
        edges=interval(d.low, d.high),
        n=d.n,
        p=probability(test.p, test.alpha),
        tests=counted(test.family, "test"),
    )


def _damage(kind: DamageKind) -> Word:
    return Word(kind, KIND_WORDS[kind])


def _areas(found: Robustness, level: float, overlap: float) -> Table:
    rows = []
    for c in found.curves:
        if not c.reads:
            continue
        clean, area, cost = (estimate(x, level, overlap) for x in (c.score_RL[:, 0], c.area_R, c.cost_R))
        numbers = (clean.mean, area.mean, area.low, area.high, cost.mean, cost.low, cost.high, c.levels[-1], c.unit)
        crossed = sorted(c.crossing_R[np.isfinite(c.crossing_R)].tolist())
        ends = (crossed[0], crossed[-1]) if crossed else (None, None)
        below = c.crossing if math.isfinite(c.crossing) else None
        rows.append((c.arm, c.modality, _damage(c.kind), area.n, *numbers, below, len(crossed), *ends))
    columns = (
        "arm", "modality", "damage", "n", "undamaged", "area", "area_low", "area_high", "cost", "cost_low", "cost_high",
        "strongest", "unit", "below_naive_from", "repeats_below", "earliest", "latest",
    )  # fmt: skip
    return plain_table(columns, rows)


def _comparisons(found: Robustness) -> Table:
    parts = ("difference", "low", "high", "verdict", "p")
    columns = ("arm", "reference", "damage", "modality", "n", "family", *parts, *(f"cost_{part}" for part in parts))
    rows = []
    for c in found.comparisons:
        row: list[Any] = [
            c.arm,
            c.reference,
            _damage(c.kind),
            c.modality,
            c.area.estimate.n,
            c.area.family,
        ]
        row += _tested(c.area, "better", "worse")
        row += _tested(c.cost, "costs more", "costs less")
        rows.append(row)
    return plain_table(columns, rows)


def _tested(test: Test, above: str, below: str) -> list[Any]:
    words = {"above": above, "below": below, "none": "equivalent", "open": "undecided"}
    e = test.estimate
    return [e.mean, e.low, e.high, words.get(test.outcome, test.outcome), test.p]


def _curves(found: Robustness, level: float, overlap: float) -> Table:
    rows = []
    for c in found.curves:
        if not c.reads:
            continue
        for component, values_RL in ((found.yardstick.named(None), c.score_RL), *c.components.items()):
            if not np.isfinite(values_RL).any():
                continue
            for at, value_R in zip(c.levels, values_RL.T, strict=True):
                e = estimate(value_R, level, overlap)
                rows.append(
                    (
                        c.arm,
                        c.modality,
                        _damage(c.kind),
                        c.unit,
                        component,
                        at,
                        e.mean,
                        e.low,
                        e.high,
                        e.n,
                    )
                )
    columns = ("arm", "modality", "damage", "unit", "component", "level", "score", "low", "high", "n")
    return plain_table(columns, rows)


def _limits(found: Robustness) -> str:
    text = say(
        "Noise: normal, in standard deviations of each feature on the training items; embeddings get noise of that "
        "length and are scaled back to unit length; a binary feature flips as often as noise of that many halves would "
        "flip it. Dropped: each step is absent independently. Gap: one contiguous part of each window. Lost: the "
        "expected score if the modality is missing from this share of the items that have it. Delay: the stream "
        "arrives late (none is made early: that would show the future). Targets are never damaged. Words "
        "are corrected for the number of tests: half of alpha is for being above or below the naive predictors "
        "(one test for each curve; above: at every level; below: at all levels from one on), half for the comparisons "
        "of arms, which are judged together. This is no claim about other kinds of damage, or damage to several "
        "modalities at once."
    )
    if not found.excluded:
        return text
    return prose(
        text,
        say(
            "Left out: {runs} that cut the test items into other windows than the "
            "reference, so the damage fell on other places.",
            runs=counted(found.excluded, "run"),
        ),
    )
