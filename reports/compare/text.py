"""A comparison of two reports as text for a terminal, as Markdown, and as plain data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mmcore.language import later, say
from reports import numbers as numerals
from reports.compare.changes import ALL, Change, Comparison, VerdictPair
from reports.compare.source import Arm, Report, Verdict
from reports.numbers import counted, listing, prose
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
    blocks = []
    for block in _blocks(comparison):
        parts = [wrapped(text) for text in block.text]
        if block.table:
            parts.append(table(block.table[0], block.table[1:]))
        blocks.append("\n".join([*([block.title] if block.title else []), *parts]))
    # The real minus sign is missing from the code pages of some terminals.
    return "\n\n".join(blocks).replace("−", "-")


def compared_as_markdown(comparison: Comparison) -> str:
    """For a repository's page or a comment; names are taken literally."""
    blocks = []
    for block in _blocks(comparison):
        blocks += [f"## {block.title}"] if block.title else []
        blocks += [literally(text) for text in block.text]
        if block.table:
            header, *rows = ([literally(cell) for cell in row] for row in block.table)
            lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
            blocks.append("\n".join(f"| {' | '.join(row)} |" for row in lines))
    return "\n\n".join(blocks) + "\n"


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
    heads = (
        say("A: {study}, {question} ({source})", study=a.study, question=a.question, source=a.source),
        say("B: {study}, {question} ({source})", study=b.study, question=b.question, source=b.source),
    )
    yield Block("", heads)
    yield Block("", (_common(comparison),))
    yield Block(say("What changed in the settings"), *_settings(comparison))
    yield Block(say("Arms"), *_arms(comparison))
    yield Block(say("Verdicts"), *_verdicts(comparison))
    if comparison.provenance:
        rows = [("", "A", "B"), *((c.path, _value(c.a, "–"), _value(c.b, "–")) for c in comparison.provenance)]
        yield Block(say("What they were made with"), (), tuple(rows))


def _common(comparison: Comparison) -> str:
    a, b = (len(side.provenance.runs) for side in (comparison.a, comparison.b))
    name = comparison.a.provenance.corpus.name
    corpus = (
        say("Neither names its corpus")
        if name is None
        else say("Both: corpus {corpus}, {task}", corpus=name, task=comparison.task)
    )
    if comparison.repeats:
        repeats = counted(comparison.repeats, "common repeat")
        text = say("{corpus}, the same split and targets in {repeats}.", corpus=corpus, repeats=repeats)
    else:
        text = say("{corpus}; no repeat is finished in both, so their splits could not be compared.", corpus=corpus)
    words = {"runs": counted(a, "run"), "n": b}
    if not comparison.shared_runs:
        return prose(text, say("A has {runs}, B {n}; none of them are the same.", **words))
    return prose(text, say("A has {runs}, B {n}; {same} of them are the same.", same=comparison.shared_runs, **words))


def _settings(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    text: tuple[str, ...] = ()
    if not any(pair.a and pair.b for pair in comparison.arms):
        text = (say("They have no arm in common: only settings of the studies can be compared."),)
    if not comparison.study and not comparison.config:
        return text or (say("Nothing: the common arms are the same."),), ()
    rows = [(say("setting"), say("of arm"), "A", "B")]
    none, default = say("none"), say("default")
    rows += [(c.path, "", _value(c.a, none), _value(c.b, none)) for c in comparison.study]
    for c in comparison.config:
        of = say("all common arms") if c.arm == ALL else c.arm or ""
        rows.append((c.path, of, _value(c.a, default), _value(c.b, default)))
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
    text = [
        *_only(later("Only in A: {named}."), [p.name for p in comparison.arms if p.b is None]),
        *_only(later("Only in B: {named}."), [p.name for p in comparison.arms if p.a is None]),
    ]
    a, b = comparison.a.metric, comparison.b.metric
    if a != b:
        text.append(say("A is measured by {a}, B by {b}: their numbers cannot be compared.", a=a, b=b))
    repeats = say("repeats")
    rows = [(say("arm"), say("{metric} in A", metric=a), repeats, say("{metric} in B", metric=b), repeats)]
    rows += [(pair.name, *_arm(pair.a), *_arm(pair.b)) for pair in comparison.arms]
    return tuple(text), tuple(rows)


def _only(text: str, names: Sequence[str]) -> list[str]:
    """A sentence about what one side alone has; none where it has nothing of its own."""
    return [say(text, named=listing(tuple(names)))] if names else []


def _arm(arm: Arm | None) -> tuple[str, str]:
    if arm is None:
        return numerals.NOTHING, numerals.NOTHING
    n = say("{n}, {failed} failed", n=arm.n, failed=arm.failed) if arm.failed else f"{arm.n}"
    return _estimate(arm.mean, arm.interval), n


def _verdicts(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    common = [p for p in comparison.verdicts if p.a is not None and p.b is not None]
    text = [
        *_only_some(later("Only in A: {named}."), [p for p in comparison.verdicts if p.b is None]),
        *_only_some(later("Only in B: {named}."), [p for p in comparison.verdicts if p.a is None]),
    ]
    for side, report in (("A", comparison.a), ("B", comparison.b)):
        if report.looked_before:
            text.append(
                say(
                    "{side} doubts its claims, since the number of repeats was changed after a look (ABL046).",
                    side=side,
                )
            )
    if not common:
        return (*text, say("No comparison is made in both.")), ()
    changed, verdicts = len(comparison.changed), counted(len(common), "common verdict")
    text.append(
        prose(
            say("{n} of {verdicts} changed.", n=changed, verdicts=verdicts)
            if changed
            else say("None of {verdicts} changed.", verdicts=verdicts),
            "" if len(common) == changed else say("Components whose verdict stayed the same are left out."),
        )
    )
    rows: list[tuple[str, ...]] = [
        (
            say("comparison"), say("verdict in A"), say("difference in A"), "n", say("verdict in B"),
            say("difference in B"), "n", "",
        )
    ]  # fmt: skip
    for pair in common:
        if pair.component is None or pair.changed:
            mark = say("changed") if pair.changed else ""
            rows.append((_name(pair), *_decided(pair.a), *_decided(pair.b), mark))
    return tuple(text), tuple(rows)


def _only_some(text: str, pairs: Sequence[VerdictPair]) -> list[str]:
    """The same about comparisons, of which the first :data:`NAMED` are named."""
    if not pairs:
        return []
    named, left = listing([_name(p) for p in pairs[:NAMED]]), len(pairs) - NAMED
    return [say(text, named=say("{named} and {n} more", named=named, n=left) if left > 0 else named)]


def _name(pair: VerdictPair) -> str:
    text = f"{pair.arm} − {pair.reference}"
    return say("{pair} on {component}", pair=text, component=pair.component) if pair.component else text


def _decided(verdict: Verdict | None) -> Sequence[str]:
    assert verdict is not None
    return say(verdict.verdict), _estimate(verdict.difference, verdict.interval, True), str(verdict.n)


def _estimate(mean: float | None, interval: tuple[float | None, float | None], signed: bool = False) -> str:
    low, high = interval
    text = numerals.number(mean, signed)
    return text if low is None or high is None else f"{text} ({numerals.interval(low, high)})"
