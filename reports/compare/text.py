"""A comparison of two reports as text for a terminal, as Markdown, and as plain data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reports import numbers as numerals
from reports.compare.changes import ALL, Change, Comparison, VerdictPair
from reports.compare.source import Arm, Report, Verdict
from reports.numbers import counted, listing
from reports.output.columns import table
from reports.output.render import literally
from reports.output.text import finite, wrapped

LONGEST = 40
"""Characters of a value in a table; the JSON has it whole."""

NAMED = 8
"""Comparisons that are named in a sentence."""


@dataclass(frozen=True)
class Block:
    """A part of the text: a title, sentences, and a table whose first row is its header."""

    title: str
    text: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


def compared_as_text(comparison: Comparison) -> str:
    """For a terminal; plain, also when piped."""
    told = []
    for block in _blocks(comparison):
        parts = [wrapped(text) for text in block.text]
        if block.table:
            parts.append(table(block.table[0], block.table[1:]))
        told.append("\n".join([*([block.title] if block.title else []), *parts]))
    # The real minus sign is missing from the code pages of some terminals.
    return "\n\n".join(told).replace("−", "-")


def compared_as_markdown(comparison: Comparison) -> str:
    """For a repository's page or a comment; names are taken literally."""
    told = []
    for block in _blocks(comparison):
        told += [f"## {block.title}"] if block.title else []
        told += [literally(text) for text in block.text]
        if block.table:
            header, *rows = ([literally(cell) for cell in row] for row in block.table)
            lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
            told.append("\n".join(f"| {' | '.join(row)} |" for row in lines))
    return "\n\n".join(told) + "\n"


def compared_as_json(comparison: Comparison) -> dict[str, object]:
    """The stable interface for programs: ``a`` and ``b`` are the sides everywhere, None where one has nothing."""
    return finite(
        {
            "a": _side(comparison.a),
            "b": _side(comparison.b),
            "corpus": comparison.a.provenance.corpus.model_dump(include={"name", "content"}),
            "task": comparison.task,
            "common_repeats": comparison.repeats,
            "shared_runs": comparison.shared_runs,
            "study_changes": [_change(c) for c in comparison.study],
            "config_changes": [_change(c) for c in comparison.config],
            "arms": [
                {"name": p.name, "a": p.a and p.a.model_dump(), "b": p.b and p.b.model_dump()} for p in comparison.arms
            ],
            "comparisons": [
                {
                    "arm": p.arm,
                    "reference": p.reference,
                    "component": p.component,
                    "changed": p.changed,
                    "a": p.a and _verdict(p.a),
                    "b": p.b and _verdict(p.b),
                }
                for p in comparison.verdicts
            ],
            "provenance_changes": [_change(c) for c in comparison.provenance],
        }
    )


def _side(report: Report) -> dict[str, object]:
    return {"source": report.source, "study": report.study, "question": report.question, "metric": report.metric}


def _change(change: Change) -> dict[str, object]:
    return {"path": change.path, "arm": change.arm, "a": change.a, "b": change.b}


def _verdict(verdict: Verdict) -> dict[str, object]:
    return verdict.model_dump(exclude={"arm", "reference", "component"})


def _blocks(comparison: Comparison) -> Iterable[Block]:
    a, b = comparison.a, comparison.b
    yield Block("", (f"A: {a.study}, {a.question} ({a.source})", f"B: {b.study}, {b.question} ({b.source})"))
    yield Block("", (_common(comparison),))
    yield Block("What changed in the settings", *_settings(comparison))
    yield Block("Arms", *_arms(comparison))
    yield Block("Verdicts", *_verdicts(comparison))
    if comparison.provenance:
        rows = [("", "A", "B"), *((c.path, _value(c.a, "–"), _value(c.b, "–")) for c in comparison.provenance)]
        yield Block("What they were made with", (), tuple(rows))


def _common(comparison: Comparison) -> str:
    a, b = (len(side.provenance.runs) for side in (comparison.a, comparison.b))
    name = comparison.a.provenance.corpus.name
    text = "Neither names its corpus" if name is None else f"Both: corpus {name}, {comparison.task}"
    if comparison.repeats:
        text += f", the same split and targets in {counted(comparison.repeats, 'common repeat')}"
    else:
        text += "; no repeat is finished in both, so their splits could not be compared"
    return f"{text}. A has {counted(a, 'run')}, B {b}; {comparison.shared_runs or 'none'} of them are the same."


def _settings(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    text: tuple[str, ...] = ()
    if not any(pair.a and pair.b for pair in comparison.arms):
        text = ("They have no arm in common: only settings of the studies can be compared.",)
    if not comparison.study and not comparison.config:
        return text or ("Nothing: the common arms are the same.",), ()
    rows = [("setting", "of arm", "A", "B")]
    rows += [(c.path, "", _value(c.a, "none"), _value(c.b, "none")) for c in comparison.study]
    for c in comparison.config:
        of = "all common arms" if c.arm == ALL else c.arm or ""
        rows.append((c.path, of, _value(c.a, "default"), _value(c.b, "default")))
    return text, tuple(rows)


def _value(value: Any, nothing: str) -> str:
    match value:
        case None | () | []:
            return nothing
        case str():
            text = value
        case list() | tuple():
            text = ", ".join(str(v) for v in value)
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _arms(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    text = []
    for side, only in (
        ("A", [p.name for p in comparison.arms if p.b is None]),
        ("B", [p.name for p in comparison.arms if p.a is None]),
    ):
        if only:
            text.append(f"Only in {side}: {listing(only)}.")
    a, b = comparison.a.metric, comparison.b.metric
    if a != b:
        text.append(f"A is measured by {a}, B by {b}: their numbers cannot be compared.")
    rows = [("arm", f"{a} in A", "repeats", f"{b} in B", "repeats")]
    rows += [(pair.name, *_arm(pair.a), *_arm(pair.b)) for pair in comparison.arms]
    return tuple(text), tuple(rows)


def _arm(arm: Arm | None) -> tuple[str, str]:
    if arm is None:
        return numerals.NOTHING, numerals.NOTHING
    failed = f", {arm.failed} failed" if arm.failed else ""
    return _estimate(arm.mean, arm.interval), f"{arm.n}{failed}"


def _verdicts(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    text = []
    common = [p for p in comparison.verdicts if p.a is not None and p.b is not None]
    for side, only in (
        ("A", [p for p in comparison.verdicts if p.b is None]),
        ("B", [p for p in comparison.verdicts if p.a is None]),
    ):
        if only:
            named = listing([_name(p) for p in only[:NAMED]])
            more = f" and {len(only) - NAMED} more" if len(only) > NAMED else ""
            text.append(f"Only in {side}: {named}{more}.")
    if not common:
        return (*text, "No comparison is made in both."), ()
    changed = len(comparison.changed)
    text.append(
        f"{changed or 'None'} of {counted(len(common), 'common verdict')} changed."
        + ("" if len(common) == changed else " Components whose verdict stayed the same are left out.")
    )
    rows: list[tuple[str, ...]] = [
        ("comparison", "verdict in A", "difference in A", "n", "verdict in B", "difference in B", "n", "")
    ]
    for pair in common:
        if pair.component is None or pair.changed:
            mark = "changed" if pair.changed else ""
            rows.append((_name(pair), *_decided(pair.a), *_decided(pair.b), mark))
    return tuple(text), tuple(rows)


def _name(pair: VerdictPair) -> str:
    return f"{pair.arm} − {pair.reference}" + (f" on {pair.component}" if pair.component else "")


def _decided(verdict: Verdict | None) -> Sequence[str]:
    assert verdict is not None
    return verdict.verdict, _estimate(verdict.difference, verdict.interval, True), str(verdict.n)


def _estimate(mean: float | None, interval: tuple[float | None, float | None], signed: bool = False) -> str:
    low, high = interval
    told = numerals.number(mean, signed)
    return told if low is None or high is None else f"{told} ({numerals.interval(low, high)})"
