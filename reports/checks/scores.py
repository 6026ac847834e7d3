"""Checks of scores that other code computed: which are missing, and whether repeats vary at all."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mmcore.language import say
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted, opened
from reports.records.frame import StudyResults

FEWEST = 3
"""Repeats from which on equal scores are no coincidence."""
MOST_STEPS = 1000
"""Test items up to which an accuracy is known for what it is: a count of them."""
POSSIBLE = 3
"""So many possible scores for each repeat, and each score twice by chance is rarer than one in ten thousand."""


def uneven(evidence: Evidence) -> Found:
    """Cells of the table of arms and repeats, and of data sets, that hold no number."""
    results = evidence.results
    if results.foreign is None or results.foreign.ran:
        return not_applicable(say("mmstudy started these runs: ABL002, ABL003 and ABL030 count them."))
    sentences, absent = [], []
    for part, table in _tables(results):
        if not len(table):
            continue
        known = {arm.name: int(np.isfinite(table[arm.name]).sum()) for arm in evidence.arms if arm.name in table}
        most = max(known.values(), default=0)
        for arm in evidence.arms:
            if not known.get(arm.name):
                absent.append(_on(part, say("'{name}'", name=arm.name)))
            elif known[arm.name] < most:
                text = say("'{name}' has {known} of {most}", name=arm.name, known=known[arm.name], most=most)
                sentences.append(_on(part, text))
        if results.paired and len(set(known.values())) == 1 and most < len(table):
            text = say("arms lack different ones of {repeats}", repeats=counted(len(table), "repeat"))
            sentences.append(_on(part, text))
    parts = [say("fewer repeats than others: {sentences}", sentences=some(sentences))] if sentences else []
    parts += [say("no score at all: {absent}", absent=some(absent))] if absent else []
    return warn_if(bool(parts), lambda: say("{parts}.", parts=opened(say("; ").join(parts))))


def constant(evidence: Evidence) -> Found:
    """Arms whose repeats all have one and the same score, or a few scores again and again."""
    results = evidence.results
    if results.foreign is None:
        return not_applicable(say("mmstudy trained these runs with a seed of their own for each repeat."))
    found, again, judged = [], [], False
    for part, table in _tables(results):
        for arm in evidence.arms:
            scores = table[arm.name].to_numpy(float) if arm.name in table else np.empty(0)
            known = scores[np.isfinite(scores)]
            judged = judged or len(known) >= FEWEST
            if len(known) >= FEWEST and (known == known[0]).all():
                where = _on(part, say("'{name}'", name=arm.name))
                found.append(say("{where} ({score:g} in all {n})", where=where, score=known[0], n=len(known)))
            elif _copied(known):
                different = len(np.unique(known))
                where = _on(part, say("'{name}'", name=arm.name))
                again.append(
                    say("{where} ({different} different ones in {n})", where=where, different=different, n=len(known))
                )
    if not judged:
        return not_run(say("No arm has {n} repeats.", n=FEWEST))
    parts = [say("the same score in every repeat: {found}", found=some(found))] if found else []
    parts += [say("every score stands in several repeats: {found}", found=some(again))] if again else []
    return warn_if(bool(parts), lambda: say("{parts}.", parts=opened(say("; ").join(parts))))


def _copied(scores: np.ndarray) -> bool:
    """Whether each score of an arm stands in two or more repeats, though chance would hardly make any two equal.

    Args:
        scores: finite ones of an arm, one a repeat; not all equal.
    """
    values, times = np.unique(scores, return_counts=True)
    if len(values) < FEWEST or times.min() < 2:
        return False
    return _possible(values) > POSSIBLE * len(scores)


def _possible(values: np.ndarray) -> float:
    """How many scores could lie between the least and the greatest: few where they are rounded or count a few items.

    Args:
        values: different ones, in order; two or more.
    """
    for steps in (*range(1, MOST_STEPS), *(10**digits for digits in range(3, 8))):
        in_steps = np.round(values * steps)
        if np.diff(in_steps).min() >= 1 and np.allclose(values * steps, in_steps, rtol=0, atol=1e-6):
            return float(in_steps[-1] - in_steps[0]) + 1
    return math.inf


def _on(part: str | None, text: str) -> str:
    """A text about one data set, where these have verdicts of their own."""
    return text if part is None else say("{text} on '{part}'", text=text, part=part)


def _tables(results: StudyResults) -> list[tuple[str | None, pd.DataFrame]]:
    """Scores by repeat and arm, of each data set where these have verdicts of their own."""
    metric = results.study.metric
    if results.foreign is not None and results.foreign.by_part:
        return [(part, results.table(metric.measure.name, part)) for part in results.components]
    return [(None, results.table(metric.measure.name, metric.component))]
