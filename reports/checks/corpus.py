"""Checks of the corpus and its sides: cells, columns and labels that make a verdict mean less than it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean, stdev

from mmcore.config import Forecast, RunConfig
from mmcore.facts import Copied, CorpusFacts, Labels, Side
from mmcore.language import say
from mmcore.measures import parse_metric
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted, number

NAMED = 3
"""Findings that a text names before it counts the rest."""
LEAST_REPEATS = 3
"""Repeats from which on two sides are compared."""
WIDE = 0.1
"""Mean gap between validation and test, in units of the metric, that is more than the choice of an epoch brings."""
STEADY = 2.0
"""The gap must also be above this many standard deviations over the repeats."""


def loud(evidence: Evidence) -> Found:
    """Cells far outside the usual range of their column, as the quality report counts them."""
    rows = [row for row in evidence.results.quality if row.loud is not None]
    if not rows:
        return not_run(say("The quality report of this corpus does not count loud values."))
    found = [row for row in rows if row.loud]
    texts = [
        say("in item '{item}', {modality}: {text}", item=row.item, modality=row.modality, text=text)
        for row in found
        for text in row.loud_values or ()
    ]
    cells = sum(row.loud or 0 for row in found)
    return warn_if(
        bool(found),
        lambda: say(
            "{values} in {tables}: {texts}.",
            values=counted(cells, "value"),
            tables=counted(len(found), "table"),
            texts=some(texts, NAMED),
        ),
    )


def alike(evidence: Evidence) -> Found:
    """Columns that carry the same information in two modalities, as found when the corpus was prepared."""
    pairs = evidence.results.corpus.alike
    if pairs is None:
        return not_run(say("No run compared the columns of its modalities."))
    texts = [
        _and_others(
            say(
                "{one} is {other}",
                one=f"{pair.one}.{pair.columns[0][0]}",
                other=f"{pair.other}.{pair.columns[0][1]}",
            ),
            pair.count - 1,
        )
        for pair in pairs
    ]
    return warn_if(bool(texts), lambda: say("The same except for unit and sign: {texts}.", texts=some(texts, NAMED)))


def _and_others(text: str, others: int) -> str:
    if not others:
        return text
    return say("{text}, and so are {other_pairs}", text=text, other_pairs=counted(others, "other pair"))


def copies(evidence: Evidence) -> Found:
    """Inputs that give away a target at a lag that some arm may see."""
    found = evidence.results.corpus.copies
    if found is None:
        return not_run(say("No run compared its inputs with its targets."))
    texts: dict[str, None] = {}
    for copy in found:
        seen_by = [arm for arm in evidence.study.arms if _sees(arm.config, copy, evidence.results.corpus)]
        if seen_by:
            texts[_gives_away(copy)] = None
    return warn_if(bool(texts), lambda: say("{texts}.", texts=some([*texts], NAMED)))


def _sees(config: RunConfig, copy: Copied, corpus: CorpusFacts) -> bool:
    """Whether an arm's model reads the column in time for the target."""
    read = config.model.modalities
    if read is not None and copy.modality not in read:
        return False
    if corpus.task == "forecast":
        task = config.task if isinstance(config.task, Forecast) else Forecast()
        # The target lies a horizon after the step that reads content up to its look-ahead.
        return copy.lag <= task.lookahead - task.horizon
    return copy.lag <= 0 or not config.model.causal


def _gives_away(copy: Copied) -> str:
    named = {"column": f"{copy.modality}.{copy.column}", "target": copy.target, "steps": counted(abs(copy.lag), "step")}
    if copy.lag == 0:
        return say("{column} gives away target '{target}' at its own step", **named)
    if copy.lag > 0:
        return say("{column} gives away target '{target}' {steps} later", **named)
    return say("{column} gives away target '{target}' {steps} before it", **named)


def absent(evidence: Evidence) -> Found:
    """Modalities that all items of a side lack, though an arm reads them."""
    sides = _sides(evidence)
    if sides is None:
        return not_run(say("No run counted what each side of its split lacks."))
    arms = evidence.study.arms
    read = {m for arm in arms for m in (arm.config.model.modalities or evidence.results.corpus.modalities)}
    texts: dict[str, list[int]] = {}
    for repeat, side, facts in sides:
        for modality, count in (facts.missing or {}).items():
            if modality in read and count == facts.items:
                texts.setdefault(
                    say("{modality} in all {items}", modality=modality, items=_items(facts.items, side)), []
                ).append(repeat)
    return warn_if(bool(texts), lambda: say("Absent: {texts}.", texts=_by_repeat(texts)))


def unlike(evidence: Evidence) -> Found:
    """Targets and classes that a side lacks, and targets that never vary on it."""
    sides = _sides(evidence)
    if sides is None:
        return not_run(say("No run counted the targets of each side of its split."))
    texts: dict[str, list[int]] = {}
    for repeat, side, facts in sides:
        for target, of in (facts.labels or {}).items():
            for text in _faults(target, of, _items(facts.items, side)):
                texts.setdefault(text, []).append(repeat)
    return warn_if(bool(texts), lambda: say("{texts}.", texts=_by_repeat(texts)))


def _faults(target: str, of: Labels, where: str) -> Iterator[str]:
    if not of.count:
        yield say("'{target}' has no value in the {where}", target=target, where=where)
    elif of.constant:
        held = [name for name, count in (of.classes or {}).items() if count]
        yield (
            say("'{target}' is always {value} in the {where}", target=target, value=held[0], where=where)
            if held
            else say("'{target}' is always the same in the {where}", target=target, where=where)
        )
    elif of.classes:
        gone = [say("'{name}'", name=name) for name, count in of.classes.items() if not count]
        if gone:
            named = say(" or ").join(gone[:NAMED])
            named = say("{named}, …", named=named) if gone[NAMED:] else named
            yield say("'{target}' is never {gone} in the {where}", target=target, gone=named, where=where)


def _sides(evidence: Evidence) -> list[tuple[int, str, Side]] | None:
    """(repeat, side, its facts), once a repeat: arms share their items; None where no run counted them."""
    known: dict[int, dict[str, Side]] = {}
    for run in evidence.results.runs:
        sides = {name: side for name, side in run.split.sides.items() if side.missing is not None}
        if sides and (run.repeat not in known or ("test" in sides and sides["test"].labels)):
            known[run.repeat] = sides
    return [(repeat, side, facts) for repeat, of in known.items() for side, facts in of.items()] if known else None


def _items(count: int, side: str) -> str:
    match side:
        case "train":
            return counted(count, "training item")
        case "validation":
            return counted(count, "validation item")
        case _:
            return counted(count, "test item")


def _by_repeat(found: Mapping[str, list[int]]) -> str:
    """Texts, each with the repeats that it is about."""
    texts = []
    for text, repeats in found.items():
        named = some([str(repeat) for repeat in repeats])
        texts.append(
            say("{text} (repeats {named})", text=text, named=named)
            if len(repeats) > 1
            else say("{text} (repeat {named})", text=text, named=named)
        )
    return some(texts, NAMED)


def cut(evidence: Evidence) -> Found:
    """Items that a window cuts, where each item has one target."""
    corpus = evidence.results.corpus
    lengths = corpus.lengths
    if corpus.scope is None or lengths is None:
        return not_run(say("No run counted the items that its windows cut."))
    if corpus.scope == "step":
        return not_applicable(say("Each step has a target of its own."))
    windows: dict[int, tuple[int, int]] = {}
    for run in evidence.results.runs:
        sides = [side for side in run.split.sides.values() if side.missing is not None]
        if any(side.cut for side in sides):
            window = evidence.study.arm(run.arm).config.data.steps
            windows[window] = (sum(side.cut or 0 for side in sides), sum(side.items for side in sides))
    texts = [
        say("a window of {window:,} steps cuts {n:,} of {of:,} items", window=window, n=n, of=of)
        for window, (n, of) in sorted(windows.items())
    ]
    return warn_if(
        bool(texts),
        lambda: say(
            "The longest item has {longest:,} steps; {texts}.", longest=lengths.longest, texts=some(texts, NAMED)
        ),
    )


def flattered(evidence: Evidence) -> Found:
    """Arms that score far better on the validation side than on the test side, in every repeat."""
    results = evidence.results
    metric = results.study.metric if results.study.metric.measure.higher_is_better else parse_metric("skill")
    values: dict[tuple[str, str, int], list[float]] = {}
    scores = results.scores
    of = scores["component"]
    own = of.isna() if metric.component is None else of == metric.component
    asked = scores[(scores["items"] == "all") & (scores["metric"] == metric.measure.name) & own]
    for arm, split, repeat, value in zip(*(asked[c] for c in ("arm", "split", "repeat", "value")), strict=True):
        if math.isfinite(value):
            values.setdefault((arm, split, repeat), []).append(value)
    if {"validation", "test"} - {split for _, split, _ in values}:
        return not_run(say("No run has a score on both sides."))
    found = []
    for arm in (arm.name for arm in results.study.arms):
        both = [
            (fmean(values[arm, "validation", repeat]), fmean(values[arm, "test", repeat]))
            for repeat in results.study.numbers
            if (arm, "validation", repeat) in values and (arm, "test", repeat) in values
        ]
        gaps = [validation - test for validation, test in both]
        if len(gaps) >= LEAST_REPEATS and min(gaps) > 0 and fmean(gaps) > max(WIDE, STEADY * stdev(gaps)):
            validation, test = (fmean(side) for side in zip(*both, strict=True))
            found.append(
                say(
                    "'{arm}' has {validation} on validation items and {test} on test items",
                    arm=arm,
                    validation=number(validation),
                    test=number(test),
                )
            )
    return warn_if(
        bool(found), lambda: say("On {name}, mean over repeats: {found}.", name=metric.name, found=some(found, NAMED))
    )
