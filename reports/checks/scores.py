"""Checks of scores that other code computed: which are missing, and whether repeats vary at all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted
from reports.records.frame import StudyResults

FEWEST = 3
"""Repeats from which on equal scores are no coincidence."""


def uneven(evidence: Evidence) -> Found:
    """Cells of the table of arms and repeats, and of data sets, that hold no number."""
    results = evidence.results
    if results.foreign is None or results.foreign.ran:
        return not_applicable("mmstudy started these runs: ABL002, ABL003 and ABL030 count them.")
    sentences, absent = [], []
    for part, table in _tables(results):
        if not len(table):
            continue
        on = "" if part is None else f" on '{part}'"
        known = {arm.name: int(np.isfinite(table[arm.name]).sum()) for arm in evidence.arms if arm.name in table}
        most = max(known.values(), default=0)
        for arm in evidence.arms:
            if not known.get(arm.name):
                absent.append(f"'{arm.name}'{on}")
            elif known[arm.name] < most:
                sentences.append(f"'{arm.name}' has {known[arm.name]} of {most}{on}")
        if results.paired and len(set(known.values())) == 1 and most < len(table):
            sentences.append(f"arms lack different ones of {counted(len(table), 'repeat')}{on}")
    parts = [f"fewer repeats than others: {some(sentences)}"] if sentences else []
    parts += [f"no score at all: {some(absent)}"] if absent else []
    text = "; ".join(parts)
    return warn_if(bool(parts), lambda: f"{text[:1].upper()}{text[1:]}.")


def constant(evidence: Evidence) -> Found:
    """Arms whose repeats all have one and the same score."""
    results = evidence.results
    if results.foreign is None:
        return not_applicable("mmstudy trained these runs with a seed of their own for each repeat.")
    found, judged = [], False
    for part, table in _tables(results):
        for arm in evidence.arms:
            scores = table[arm.name].to_numpy(float) if arm.name in table else np.empty(0)
            known = scores[np.isfinite(scores)]
            judged = judged or len(known) >= FEWEST
            if len(known) >= FEWEST and (known == known[0]).all():
                on = "" if part is None else f" on '{part}'"
                found.append(f"'{arm.name}'{on} ({known[0]:g} in all {len(known)})")
    if not judged:
        return not_run(f"No arm has {FEWEST} repeats.")
    return warn_if(bool(found), lambda: f"The same score in every repeat: {some(found)}.")


def _tables(results: StudyResults) -> list[tuple[str | None, pd.DataFrame]]:
    """Scores by repeat and arm, of each data set where these have verdicts of their own."""
    metric = results.study.metric
    if results.foreign is not None and results.foreign.by_part:
        return [(part, results.table(metric.measure.name, part)) for part in results.components]
    return [(None, results.table(metric.measure.name, metric.component))]
