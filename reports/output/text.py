"""A Summary without a page: plain data for programs, and text for a terminal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len

from mmcore.language import language, say
from reports import numbers as numerals
from reports.model.report import ArmRow, ComparisonRow, Summary
from reports.model.section import Section
from reports.output.columns import table
from reports.summary.effects import seconds_to_decide
from reports.summary.flips import flip_text
from reports.summary.sentences import sentence

TERMINAL = 100
"""Columns of text for a terminal."""


def as_json(summary: Summary) -> dict[str, object]:
    """The stable interface for programs; plain data, None where there is no number.

    ``component`` is None for the study's metric. An arm's ``n`` counts its repeats with a score. Intervals are at
    1 − alpha. ``p`` is the largest p of the tests that the claim needs, ``p_holm`` the same after the corrections; the
    single ones are ``p_sign_flip``, ``p_interval`` and ``p_new_items``. ``interval`` is that of new items of the
    corpus; where all repeats tested the same items, ``these_items`` says what holds for these alone. ``p_floor`` is the
    smallest p that the number of repeats allows before correction. ``margin`` is in the metric's
    unit; ``more_seconds`` is what ``more_repeats`` of both arms would take one worker, ``more_verdict`` what they would
    decide if mean and deviation stayed as they are. ``without_skill``: neither arm beats the naive prediction there.
    ``lead`` says that one component makes most of a comparison on the metric, or that components disagree; None where
    neither is so. ``paired``: whether arms were compared repeat by repeat; without it the p of the permutation test
    stands in the place of the sign-flip p. ``overlap``: n_test / n_train in the intervals. ``across`` sums up data sets
    that have verdicts of their own. ``language``: of the sentences, where it is not English; keys, verdicts, labels and
    outcomes are English in every language. ``earlier_looks``: reports on some of
    the same runs while other repeats were planned; missing where there were none.
    """
    seconds = {arm.name: arm.seconds for arm in summary.arms}
    # Reports stay as they were before there was another language, or something to say about looks.
    spoken = {} if language() == "en" else {"language": language()}
    looks = [look.model_dump(mode="json") for look in summary.earlier_looks]
    leads = {(v.arm, v.reference): v.lead for v in summary.verdicts}
    return finite(
        {
            "study": summary.study,
            "question": summary.question,
            "metric": summary.metric.name,
            "arms": [
                {
                    "name": arm.name,
                    "reference": arm.reference,
                    "mean": arm.score.mean,
                    "interval": [arm.score.low, arm.score.high],
                    "n": arm.n,
                    "failed": arm.failed,
                    "parameters": arm.parameters,
                    "flops": arm.flops,
                    "seconds": arm.seconds,
                    "components": {c: e.mean for c, e in zip(summary.components, arm.components, strict=True)},
                }
                for arm in summary.arms
            ],
            "comparisons": [
                _comparison(c)
                | {"more_seconds": seconds_to_decide(c, seconds)}
                | {"lead": None if c.component is not None else leads[c.arm, c.reference] or None}
                for c in summary.comparisons
            ],
            "baselines": [
                {
                    "name": b.name,
                    "mean": b.score,
                    "components": dict(zip(summary.components, b.components, strict=True)),
                    "flips": [
                        {
                            "measure": f.measure,
                            "component": f.component,
                            "values": [{"mean": mean, "repeats": repeats} for mean, repeats in f.groups],
                        }
                        for f in summary.flips
                        if f.baseline == b.name
                    ],
                }
                for b in summary.baselines
            ],
            "checks": [{"code": c.code, "title": c.title, "outcome": c.outcome} for c in summary.checks],
            "provenance": asdict(summary.provenance),
            "sections": [_section(s) for s in summary.sections],
            "margin": summary.margin,
            "alpha": summary.alpha,
            "repeats": summary.repeats,
            "first_repeat": summary.first_repeat,
            "sequential": None if summary.sequential is None else asdict(summary.sequential),
            "higher_is_better": summary.metric.higher_is_better,
            "across": None if summary.across is None else _section(summary.across),
            **spoken,
            **({"earlier_looks": looks} if looks else {}),
        }
    )


def _section(section: Section) -> dict[str, object]:
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "findings": [{"text": f.text, "label": f.label, "evidence": f.evidence} for f in section.findings],
        "tables": {
            t.name: [dict(zip(t.table.columns, row, strict=True)) for row in t.table.rows] for t in section.tables
        },
    }


MOST_FINDINGS = 8
"""Findings of a section that a terminal shows; the page has all."""


def _section_text(section: Section) -> str:
    """A section for a terminal: its question and what was found."""
    lines = [wrapped(say("{name}: {text}", name=section.title, text=section.question))]
    for f in section.findings[:MOST_FINDINGS]:
        lines.append(wrapped(say("{name}: {text}", name=f.shown, text=f.text) if f.label else f.text, "  "))
    left = len(section.findings) - MOST_FINDINGS
    more = numerals.counted(left, "more finding")
    return "\n".join(lines + (["  " + say("and {findings} on the page", findings=more)] if left > 0 else []))


def _comparison(row: ComparisonRow) -> dict[str, object]:
    paired, decision = row.paired, row.decision
    difference = paired.claimed
    return {
        "arm": row.arm,
        "reference": row.reference,
        "component": row.component,
        "difference": difference.mean,
        "interval": [difference.low, difference.high],
        "p": decision.p,
        "p_holm": decision.p_holm,
        "p_floor": paired.floor,
        "p_sign_flip": paired.p if paired.sizes is None else None,
        "p_sign_flip_holm": decision.p_flip if paired.sizes is None else None,
        "p_interval": decision.p_t,
        "p_new_items": decision.p_items,
        "effect_size": paired.effect_size,
        "effect_interval": [paired.effect_low, paired.effect_high],
        "verdict": decision.verdict,
        "these_items": _these_items(row) if paired.shared else None,
        "without_skill": row.without_skill,
        "sentence": sentence(row),
        "n": row.paired.n,
        "more_repeats": row.decision.more,
        "more_verdict": row.decision.would_be,
        "looks": None if row.looks is None else list(row.looks.done),
        "stopped_at": None if row.looks is None else row.looks.stopped_at,
        "p_sequential": None if row.looks is None else row.paired.p,
        "paired": paired.sizes is None,
        "overlap": paired.overlap,
        "n_arm": paired.n if paired.sizes is None else paired.sizes.arm,
        "n_reference": paired.n if paired.sizes is None else paired.sizes.reference,
        "p_permutation": None if paired.sizes is None else paired.p,
        "p_permutation_holm": None if paired.sizes is None else decision.p_flip,
    }


def _these_items(row: ComparisonRow) -> dict[str, object]:
    """What the repeats say of the items that all of them tested."""
    paired, decision = row.paired, row.decision
    return {
        "interval": [paired.difference.low, paired.difference.high],
        "p": max(paired.p, paired.p_t),
        "p_holm": max(decision.p_flip, decision.p_t),
        "groups": None if paired.new_items is None else paired.new_items.groups,
    }


def finite(value: Any) -> Any:
    """Plain data with None for what is no number: JSON knows neither NaN nor infinity."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(k): finite(v) for k, v in value.items()}
        case list() | tuple():
            return [finite(v) for v in value]
        case _:
            return value


def as_text(summary: Summary) -> str:
    """Verdicts, warnings and the table of arms for a terminal; plain text, also when piped."""
    blocks = [wrapped(say("{name}: {text}", name=summary.study, text=summary.question))]
    if summary.across is not None:
        blocks.append(_across(summary.across))
    elif not summary.verdicts:
        blocks.append(wrapped(summary.families))
    elif summary.many:
        blocks.append(_verdict_lines(summary))
    else:
        for v in summary.verdicts:
            parts = [wrapped(t, "  ") for t in (v.lead, v.evidence, v.units, v.not_shown, v.cost, v.parts) if t]
            blocks.append("\n".join([v.headline, *parts]))
    if summary.sequential is not None:
        blocks.append(wrapped(summary.sequential.text))
    if summary.warnings:
        blocks.append(
            "\n".join(
                wrapped(numerals.prose(say("Warning {code}: {title}.", code=c.code, title=c.title), c.text))
                for c in summary.warnings
            )
        )
    blocks += [_section_text(section) for section in summary.sections]
    if summary.across is None:
        blocks.append(_arms(summary))
    blocks += [wrapped(flip_text(f)) for f in summary.flips if f.measure == summary.metric.measure]
    # The real minus sign is missing from the code pages of some terminals.
    return "\n\n".join(blocks).replace("−", "-") + "\n"


def _across(section: Section) -> str:
    """What holds over all data sets: its findings, and its first table."""
    counts = section.tables[0].table
    rows = [[_cell(value) for value in row] for row in counts.rows]
    columns = [say(column) for column in counts.columns]
    return "\n\n".join([_section_text(section), table(columns, rows, left=(0, 1)), wrapped(section.limits)])


def _cell(value: object) -> str:
    match value:
        case None:
            return numerals.NOTHING
        case float():
            return numerals.number(value)
        case _:
            return str(value)


def _arms(summary: Summary) -> str:
    """The table of arms."""
    interval = say("interval on these items") if summary.shared else say("interval")
    header = [say("arm"), summary.metric.title, interval, *summary.components]
    header += [say("parameters"), say("FLOPs"), say("a run"), say("repeats")]
    lines: list[list[str]] = []
    without = Counter(run.arm for run in summary.runs if run.status == "done" and not math.isfinite(run.score))
    for arm in summary.arms:
        lines.append(
            [
                say("{arm} (reference)", arm=arm.name) if arm.reference else arm.name,
                numerals.number(arm.score.mean),
                numerals.interval(arm.score.low, arm.score.high),
                *(numerals.number(e.mean) for e in arm.components),
                numerals.count(arm.parameters),
                numerals.quantity(arm.flops),
                numerals.duration(arm.seconds),
                _scored(arm, summary.repeats, bool(without[arm.name])),
            ]
        )
    for b in summary.baselines:
        scores = [numerals.number(v) for v in (b.score, *b.components)]
        lines.append([say("{baseline} (naive)", baseline=b.name), scores[0], "", *scores[1:], "", "", "", ""])
    if not summary.native:
        known = [i for i in range(len(header)) if i < 3 or any(line[i] not in ("", numerals.NOTHING) for line in lines)]
        header, lines = [header[i] for i in known], [[line[i] for i in known] for line in lines]
    return table(header, lines)


def _scored(arm: ArmRow, repeats: int, some_without: bool) -> str:
    """How many repeats of an arm have a score, and how many failed."""
    words = {"n": arm.n, "all": repeats}
    match some_without, bool(arm.failed):
        case True, True:
            return say("{n} of {all} have a score, {failed} failed", failed=arm.failed, **words)
        case True, False:
            return say("{n} of {all} have a score", **words)
        case False, True:
            return say("{n} of {all}, {failed} failed", failed=arm.failed, **words)
        case _:
            return say("{n} of {all}", **words)


def _verdict_lines(summary: Summary) -> str:
    """Many verdicts, a line each; the page has every one in words."""
    level = say("{level} interval", level=numerals.percent(summary.level))
    header = [say("verdict"), say("difference"), level, say("p after Holm")]
    lines: list[list[str]] = []
    for c in summary.primary:
        difference = c.shown
        lines.append(
            [
                sentence(c),
                numerals.number(difference.mean, True),
                numerals.interval(difference.low, difference.high),
                numerals.probability(c.decision.p_holm, summary.alpha),
            ]
        )
    return table(header, lines)


def wrapped(text: str, indent: str = "") -> str:
    """Prose of a terminal's width; lines after the first are indented. Paths and commands are not broken at hyphens.

    Wide characters, as of Japanese, take two columns, and a line may end between any two of them.
    """
    lines, line = [], indent
    for space, piece in _PIECES.findall(text):
        if line.strip() and cell_len(line + (" " if space else "") + piece) > TERMINAL:
            lines.append(line)
            line = (indent or "  ") + piece
        else:
            line += (" " if space and line.strip() else "") + piece
    return "\n".join([*lines, line])


_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
_STOPS = "、。，．：；！？）」』ー々っゃゅょッャュョ"
_PIECES = re.compile(rf"(\s*)([「『（]*(?:[^\s{_WIDE}]+|[{_WIDE}])[{_STOPS}]*)")
"""What stands together on a line, with the space before it: a word, or a wide character; brackets and stops stay with
what they belong to."""
