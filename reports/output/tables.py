"""Every table of a report as a data frame with full precision: what is written as CSV."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mmcore.cells import plain_cell
from reports.model.report import Summary, Table
from reports.model.section import Section
from reports.records.frame import StudyResults, runs_table
from reports.sections.arms.section import every_pair
from reports.sections.items.estimates import item_differences, item_overall
from reports.statistics.bootstrap import bca
from reports.statistics.comparisons import Paired, equivalence_p, paired_differences
from reports.statistics.intervals import Estimate


def tables(summary: Summary, results: StudyResults) -> dict[str, pd.DataFrame]:
    """File stem to table; a table without rows keeps its header where it has one."""
    return {
        "arms": _arms(summary),
        "comparisons": _comparisons(summary, results),
        "baselines": _baselines(summary),
        "measures": _measures(summary),
        "ranks": _ranks(results),
        "item_differences": item_differences(results),
        "item_overall": results.once(item_overall),
        "items": results.items,
        "scores": results.scores,
        "history": results.history,
        "runs": runs_table(results),
        "quality": _plain(summary.quality),
        "checks": pd.DataFrame(
            [(c.code, c.title, c.outcome, c.text) for c in summary.checks], columns=["code", "title", "outcome", "text"]
        ),
    } | {f"{section.key}_{t.name}": _plain(t.table) for section in _sections(summary) for t in section.tables}


def _sections(summary: Summary) -> tuple[Section, ...]:
    return summary.sections if summary.across is None else (summary.across, *summary.sections)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same, where no text or heading is one that a spreadsheet takes for a formula; itself where none is."""
    plain = {}
    for at, (_, column) in enumerate(frame.items()):
        if isinstance(column.dtype, pd.CategoricalDtype):
            words = [plain_cell(word) for word in column.cat.categories]
            if words != [*column.cat.categories]:
                plain[at] = column.astype(str).map(dict(zip(column.cat.categories, words, strict=True)))
        elif pd.api.types.is_string_dtype(column) or column.dtype == object:
            texts = {value: plain_cell(value) for value in column.unique() if isinstance(value, str)}
            if any(text != own for text, own in texts.items()):
                plain[at] = [texts.get(value, value) if isinstance(value, str) else value for value in column]
    heads = [plain_cell(str(name)) for name in frame.columns]
    if not plain and heads == [*map(str, frame.columns)]:
        return frame
    made = frame.copy()
    for at, values in plain.items():
        made.isetitem(at, pd.Series(values, index=frame.index, dtype=object))
    made.columns = pd.Index(heads)
    return made


def _arms(summary: Summary) -> pd.DataFrame:
    """``bca``: the bootstrap interval of the mean; ``interquartile_mean`` with its own, all on the study's metric."""
    rows = []
    for arm in summary.arms:
        robust = arm.robust
        row: dict[str, object] = {"arm": arm.name, "reference": arm.reference}
        row |= _estimate("", arm.score)
        row |= _edges("bca", (robust.low, robust.high))
        row["interquartile_mean"] = robust.middle
        row |= _edges("iqm", (robust.middle_low, robust.middle_high))
        row |= {"mean_complete_items": arm.complete.mean}
        row |= {"failed": arm.failed, "missing": arm.missing, "parameters": arm.parameters, "flops": arm.flops}
        row |= {"seconds": arm.seconds}
        for component, e in zip(summary.components, arm.components, strict=True):
            row |= _estimate(f"{component}/", e)
        rows.append(row)
    return pd.DataFrame(rows)


def _estimate(prefix: str, e: Estimate) -> dict[str, float]:
    values = {"mean": e.mean, "low": e.low, "high": e.high, "deviation": e.deviation, "n": e.n}
    return {prefix + key: value for key, value in values.items()}


def _edges(name: str, interval: tuple[float, float]) -> dict[str, float]:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _scores(results: StudyResults, summary: Summary, component: str | None, arm: str) -> np.ndarray:
    """An arm's numbers by repeat; NaN throughout for an arm of which nothing finished."""
    table = results.table(summary.metric.measure, component)
    return table[arm].to_numpy(float) if arm in table else np.full(len(table), math.nan)


def _comparisons(summary: Summary, results: StudyResults) -> pd.DataFrame:
    """``low``, ``high``: for new items of the corpus; ``these_items``: for the tested ones, where repeats share them.

    ``p_equivalence``: of two one-sided tests against the margin on the tested items, empty where none holds.
    ``p_permutation`` stands in place of ``p_sign_flip`` where arms are not paired, and only there.
    """
    columns = [
        "arm", "reference", "component", "n", "difference", "low", "high", "these_items_low", "these_items_high",
        "bca_low", "bca_high", "deviation", "p", "p_holm", "p_floor", "p_floor_holm", "p_sign_flip", "p_sign_flip_holm",
        "p_interval", "p_new_items", "p_equivalence", "effect_size", "effect_low", "effect_high", "won", "tied",
        "share_won", "family", "verdict", "without_skill", "more_repeats", "more_verdict", "reason", "paired", "n_arm",
        "n_reference", "p_permutation", "p_permutation_holm",
    ]  # fmt: skip
    rows = []
    for c in summary.comparisons:
        d, paired, decision = c.paired.claimed, c.paired, c.decision
        here = (paired.difference.low, paired.difference.high) if paired.shared else (math.nan, math.nan)
        component = c.component or summary.metric.component
        arm, reference = (_scores(results, summary, component, name) for name in (c.arm, c.reference))
        edges = permuted = math.nan, math.nan
        flipped = paired.p, decision.p_flip
        if paired.sizes is not None:
            flipped, permuted = permuted, flipped
        else:
            edges = bca(paired_differences(arm, reference), summary.level, results.overlap)
        p_equivalence = math.nan if c.margin is None else equivalence_p(paired, c.margin)
        if c.looks is not None:
            # Neither is adjusted for the looks, so neither may stand beside what is.
            edges, p_equivalence = (math.nan, math.nan), math.nan
        rows.append(
            (
                c.arm, c.reference, c.component, d.n, d.mean, d.low, d.high, *here, *edges, d.deviation, decision.p,
                decision.p_holm, paired.floor, decision.floor_holm, *flipped, decision.p_t, decision.p_items,
                p_equivalence, paired.effect_size, paired.effect_low, paired.effect_high, paired.won, paired.tied,
                paired.share_won, decision.family, decision.verdict, c.without_skill, decision.more,
                decision.would_be, decision.reason, paired.sizes is None, *_sizes(paired), *permuted,
            )
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).astype({"more_repeats": "Int64"})
    paired = all(c.paired.sizes is None for c in summary.comparisons)
    return table.drop(columns=columns[-2:]) if paired else table


def _sizes(paired: Paired) -> tuple[int, int]:
    """Repeats of the arm and of the reference that a comparison rests on."""
    return (paired.n, paired.n) if paired.sizes is None else (paired.sizes.arm, paired.sizes.reference)


def _baselines(summary: Summary) -> pd.DataFrame:
    rows = [{"baseline": b.name, "mean": b.score, **_by_component(summary, b.components)} for b in summary.baselines]
    return pd.DataFrame(rows, columns=["baseline", "mean", *summary.components])


def _by_component(summary: Summary, values: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(summary.components, values, strict=True))


def _measures(summary: Summary) -> pd.DataFrame:
    rows = []
    for m in summary.measures:
        place = {"measure": m.measure, "component": m.component, "parameter": m.parameter, "unit": m.unit}
        for items, estimates in (("all", m.arms), ("complete", m.complete)):
            for arm, e in zip(summary.arms, estimates, strict=True):
                rows.append({**place, "items": items, "who": arm.name, "baseline": False, **_estimate("", e)})
        for b, value in zip(summary.baselines, m.baselines, strict=True):
            rows.append({**place, "items": "all", "who": b.name, "baseline": True, "mean": value})
    columns = [
        "measure", "component", "parameter", "unit", "items", "who", "baseline", "mean", "low", "high",
        "deviation", "n",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def _ranks(results: StudyResults) -> pd.DataFrame:
    """All arms against all on the study's metric, the best first."""
    found = results.once(every_pair).ranks
    rows = [(arm, rank, found.n) for arm, rank in zip(found.arms, found.average, strict=True)]
    return pd.DataFrame(rows, columns=["arm", "average_rank", "n"])


def _plain(table: Table) -> pd.DataFrame:
    return pd.DataFrame(list(table.rows), columns=list(table.columns))
