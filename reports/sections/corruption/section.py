"""The section about damaged inputs: how fast each arm's score falls, and whose falls less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.model.section import Finding, Section, SectionTable, Table, Tone, plain_table
from reports.numbers import counted, interval, listing, number, probability
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.corruption.estimates import FAMILIES, KIND_WORDS, Comparison, Robustness
from reports.sections.corruption.falls import fall, questions_of
from reports.sections.family import Test
from reports.statistics.intervals import estimate

MOST_PAIRS = 4
"""Comparisons of arms that are described in words, the study's first ones; the table has all."""


def section(results: StudyResults) -> Section | None:
    """How the score falls as inputs get worse; None if it was not analysed."""
    found = Robustness.of(results)
    if found is None:
        return None
    level, overlap = 1 - results.study.alpha, results.overlap
    windows = sorted({f"{s.windows} of {s.of}" for s in found.samples})
    return Section(
        key="corruption",
        title="Damaged inputs",
        question="How fast does the score fall as one modality gets worse?",
        lead=(
            "Test windows were damaged one modality at a time, in five ways and with rising strength, and scored again "
            "with the trained models; nothing was retrained. All arms of a repeat got the same windows with the "
            f"same damage: a sample of {windows[0] if len(windows) == 1 else 'up to ' + windows[-1]} test windows. "
            f"The naive predictors were scored on the same windows. {found.yardstick.sentence()} {_zero(found)} The "
            "area under a curve, divided by the range of levels, is the mean score over that range. The cost of the "
            "damage is the score without damage minus this mean. An arm that does not read a modality keeps its score "
            "whatever happens to that modality."
        ),
        findings=(*_falls(results, found), *_verdicts(found)),
        figures=("corruption",),
        tables=(
            SectionTable(
                "areas",
                f"Mean {found.yardstick.title} over all levels, and the level at which it first falls below the naive "
                "predictors (0: undamaged), by arm, modality and damage",
                _areas(found, level, overlap),
            ),
            SectionTable(
                "comparisons",
                "Arms compared on the area under the curve: difference in mean score (above 0: better), and in what "
                "the damage costs",
                _comparisons(found),
            ),
            SectionTable(
                "curves",
                f"{found.yardstick.measure.title} at every level, by component",
                _curves(found, level, overlap),
            ),
        ),
        limits=_limits(found),
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
        return "A skill of 0 is no better than the naive predictors."
    known = [c.naive_R[np.isfinite(c.naive_R)] for c in found.curves]
    mean = float(np.mean(np.concatenate(known))) if known and any(map(len, known)) else math.nan
    return f"The best naive predictor scores {number(mean)} on average, undamaged."


def _verdicts(found: Robustness) -> list[Finding]:
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in found.comparisons:
        pairs.setdefault((comparison.arm, comparison.reference), []).append(comparison)
    findings = []
    for (arm, reference), comparisons in list(pairs.items())[:MOST_PAIRS]:
        on_area = _split(comparisons, [c.area.sign for c in comparisons])
        on_cost = _split(comparisons, [-c.cost.sign for c in comparisons])
        more, less = f"keeps a better score than '{reference}'", f"a worse one than '{reference}'"
        kept = _sentence(
            on_area, len(comparisons), more, f"keeps {less}", f"is not shown to keep a better score or {less}"
        )
        lost = _sentence(
            on_cost, len(comparisons), "costs it less", "costs it more", "is not shown to cost it more or less"
        )
        text = f"Over all levels '{arm}' {kept}. Damage {lost}."
        findings.append(Finding(text, *_label(*on_area), _evidence(comparisons)))
    if len(pairs) > MOST_PAIRS:
        findings.append(Finding(f"The table has the other {len(pairs) - MOST_PAIRS} of {len(pairs)} comparisons."))
    return findings


def _split(comparisons: Sequence[Comparison], signs: Sequence[int]) -> tuple[list[Comparison], list[Comparison]]:
    """Those decided for the arm, and those decided against it."""
    both = list(zip(comparisons, signs, strict=True))
    better, worse = ([c for c, sign in both if sign == side] for side in (1, -1))
    return better, worse


def _sentence(
    split: tuple[list[Comparison], list[Comparison]], asked: int, better: str, worse: str, neither: str
) -> str:
    """``costs it less with noise (audio) and costs it more with …``; what is not decided is left out."""
    decided = [(words, which) for words, which in zip((better, worse), split, strict=True) if which]
    parts = [
        f"{words} with {'all that was tried' if len(which) == asked else _places(which)}" for words, which in decided
    ]
    return " and ".join(parts) or neither


def _places(comparisons: Sequence[Comparison]) -> str:
    by_kind: dict[str, list[str]] = {}
    for c in comparisons:
        by_kind.setdefault(KIND_WORDS[c.kind], []).append(c.modality)
    return ", ".join(f"{kind} ({listing(names)})" for kind, names in by_kind.items())


def _label(better: list[Comparison], worse: list[Comparison]) -> tuple[str, Tone]:
    if better and worse:
        return "mixed", "plain"
    if better:
        return "keeps more", "good"
    return ("keeps less", "bad") if worse else ("undecided", "open")


def _evidence(comparisons: list[Comparison]) -> str:
    strongest = max(comparisons, key=lambda c: abs(c.area.estimate.mean) if c.area.estimate.n else -1.0)
    d, test = strongest.area.estimate, strongest.area
    return (
        f"Largest difference in mean score: {KIND_WORDS[strongest.kind]} of {strongest.modality}, "
        f"{number(d.mean, signed=True)} ({interval(d.low, d.high)}, n = {d.n}, p = "
        f"{probability(test.p, test.alpha)} corrected for {counted(test.family, 'test')})."
    )


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
        rows.append((c.arm, c.modality, c.kind, area.n, *numbers, below, len(crossed), *ends))
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
        row: list[Any] = [c.arm, c.reference, c.kind, c.modality, c.area.estimate.n, c.area.family]
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
                rows.append((c.arm, c.modality, c.kind, c.unit, component, at, e.mean, e.low, e.high, e.n))
    columns = ("arm", "modality", "damage", "unit", "component", "level", "score", "low", "high", "n")
    return plain_table(columns, rows)


def _limits(found: Robustness) -> str:
    text = (
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
    if found.excluded:
        text += (
            f" Left out: {counted(found.excluded, 'run')} that cut the test items into other windows than the "
            "reference, so the damage fell on other places."
        )
    return text
