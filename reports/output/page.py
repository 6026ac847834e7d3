"""How the page puts what a Summary says: what is seen at once, what is folded, and what each caption says first."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from reports.model.report import ComparisonRow, Summary
from reports.model.section import Finding, Section
from reports.numbers import counted, interval, listing, number, percent, probability
from reports.statistics.verdicts import THESE_ITEMS, Verdict
from reports.summary.not_shown import narrow_of

SEEN = 3
"""Findings of a section that are seen before it is opened."""
FIRST_FIGURE = ("across", "verdicts", "forest")
"""Names of the figures that may stand on the first screen; the first of them that is drawn does."""
LONGEST_FIRST = 165
"""Characters of what a caption says at once: two lines."""
NOT_SHOWN = "Not shown:"
"""What a sentence begins with that says what a verdict leaves open."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“'\d])")
_PAUSE = re.compile(r"[;:] |, |\s\(")
_SHORT = ("e.g.", "i.e.", "vs.", "cf.", "No.")


@dataclass(frozen=True)
class Said:
    """A text in two parts: what is seen, and what explains it."""

    first: str
    rest: str


def in_two(text: str, most: int = LONGEST_FIRST) -> Said:
    """The first sentence of a caption, and the others; a sentence that is too long ends early and follows whole.

    Args:
        most: characters that are seen at most.

    Example:
        >>> in_two("Means over repeats. Bars are intervals.")
        Said(first='Means over repeats.', rest='Bars are intervals.')
        >>> in_two("Means over repeats (see below), with intervals.", 40)
        Said(first='Means over repeats (see below) …', rest='Means over repeats (see below), with intervals.')
    """
    at = next((m for m in _SENTENCE.finditer(text) if not text[: m.start()].endswith(_SHORT)), None)
    first, rest = (text, "") if at is None else (text[: at.start()], text[at.end() :])
    if len(first) <= most:
        return Said(first, rest)
    pauses = [m.start() for m in _PAUSE.finditer(first) if m.start() < most]
    cut = pauses[-1] if pauses and pauses[-1] > most // 3 else first.rfind(" ", 0, most)
    # A single word that is longer than a line stays whole.
    return Said(f"{first[:cut]} …", text) if cut > 0 else Said(first, rest)


@dataclass(frozen=True)
class Doubt:
    """What a verdict, or several, does not show.

    Args:
        about: whom it concerns; empty: all.
    """

    about: str
    text: str


def doubts(summary: Summary) -> tuple[Doubt, ...]:
    """What not to conclude, once for all verdicts that leave the same open."""
    if summary.across is not None or not summary.verdicts:
        limits = summary.covers or (summary.across.limits if summary.across is not None else "")
        return (Doubt("", limits),) if limits else ()
    if summary.many:
        return _of_many(summary)
    texts: dict[str, list[str]] = {}
    for v in summary.verdicts:
        # The whole of it stands behind the verdict's numbers.
        text = v.not_shown[max(v.not_shown.find(NOT_SHOWN), 0) :]
        texts.setdefault(in_two(text, len(text)).first, []).append(f"'{v.arm}' against '{v.reference}'")
    if len(texts) == 1:
        return (Doubt("", next(iter(texts))),)
    return tuple(Doubt(listing(names), text) for text, names in texts.items())


def _of_many(summary: Summary) -> tuple[Doubt, ...]:
    """One text for all verdicts of a kind: more than these are not read one by one."""
    count = Counter(v.verdict for v in summary.verdicts)
    found = []
    decided = {v.not_shown for v in summary.verdicts if v.verdict in ("better", "worse")}
    if decided:
        found.append(decided.pop() if len(decided) == 1 else summary.covers)
    limited = sum(n for verdict, n in count.items() if verdict.endswith(THESE_ITEMS))
    if limited:
        found.append(f"On these items ({limited}): not shown for other items of this corpus.")
    if equal := count["equivalent"] + count[f"equivalent{THESE_ITEMS}"]:
        found.append(f"Equivalent ({equal}): within the margin; not shown that there is no difference at all.")
    if count["undecided"]:
        found.append(f"Undecided ({count['undecided']}): neither shown to differ, nor shown to be equal.")
    if count["too few repeats"]:
        found.append(f"Too few repeats ({count['too few repeats']}): nothing can be said, whatever the picture shows.")
    return tuple(Doubt("", text) for text in found)


@dataclass(frozen=True)
class Group:
    """Comparisons with one verdict.

    Args:
        against: ``than a``, ``to a``, ``against a``; empty where references differ.
        count: of the comparisons.
        arms: each arm with its own ``against``; empty where all share one.
    """

    verdict: Verdict
    against: str
    count: int
    arms: tuple[tuple[str, str], ...]


_JOIN = {"better": "than", "worse": "than", "equivalent": "to"}


def verdict_groups(rows: Sequence[ComparisonRow]) -> tuple[Group, ...]:
    """Comparisons by verdict, in the order of verdicts; an arm that is compared with several has them in one place."""
    groups = []
    alone = len({c.reference for c in rows}) == 1
    for verdict in get_args(Verdict):
        mine = [c for c in rows if c.verdict == verdict]
        if not mine:
            continue
        join = _JOIN.get(mine[0].decision.side, "against")
        by_arm: dict[str, list[str]] = {}
        for c in mine:
            by_arm.setdefault(c.arm, []).append(c.reference)
        arms = tuple((arm, "" if alone else f" {join} {listing(others)}") for arm, others in by_arm.items())
        groups.append(Group(verdict, f"{join} {mine[0].reference}" if alone else "", len(mine), arms))
    return tuple(groups)


def brief(c: ComparisonRow, summary: Summary) -> str:
    """A verdict's numbers in one line: difference, interval, how often ahead, p.

    Empty where there is no interval, and where repeats are too few to say anything: numbers beside that would be read.
    """
    shown, paired = c.shown, c.paired
    if shown.low != shown.low or c.verdict == "too few repeats":
        return ""
    if shown.mean == 0:
        size = f"No difference in {summary.metric.title}"
    else:
        size = f"{number(abs(shown.mean))} {'more' if shown.mean > 0 else 'less'} {summary.metric.title}"
    ahead = f"ahead in {paired.won} of {counted(paired.couples, 'repeat' if paired.sizes is None else 'couple')}"
    if c.decision.side == "equivalent" and c.margin is not None:
        # The p of a difference says nothing for equality.
        narrow, level = narrow_of(c), percent(1 - 2 * summary.alpha)
        edges = f"{level} interval {interval(narrow.low, narrow.high)}, within the margin of ±{number(c.margin)}"
        return f"{size} ({edges}); {ahead}."
    p = probability(c.decision.p_holm, summary.alpha)
    p = f"p {p}" if p.startswith("below") else f"p = {p}"
    after = " after Holm" if c.decision.family > 1 else ""
    edges = f"{percent(summary.level)} interval {interval(shown.low, shown.high)}"
    return f"{size} ({edges}); {ahead}; {p}{after}."


def scale(summary: Summary) -> tuple[str, ...]:
    """How large the study is: arms, repeats, and items of each side where they are known."""
    facts = [counted(len(summary.arms), "arm")]
    if summary.repeats and summary.paired:
        up_to = "" if summary.sequential is None else "up to "
        facts.append(up_to + counted(summary.repeats, "repeat"))
    setup, sizes = summary.setup, []
    for at, side in enumerate(setup.sides):
        counts = [row.sizes[at].items for row in setup.sizes]
        if counts and side != "validation":
            spread = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
            sizes.append(f"{spread} {'training' if side == 'train' else side}")
    facts += [f"{listing(sizes)} items a repeat"] if sizes else []
    return tuple(facts)


def behind(section: Section, figures: int) -> str:
    """What a section holds behind its findings: ``6 more findings, 3 figures, 2 tables, how to read this``."""
    more = len(section.findings) - SEEN
    parts = [counted(more, "more finding")] if more > 0 else []
    parts += [counted(figures, "figure")] if figures else []
    parts += [counted(len(section.tables), "table")] if section.tables else []
    text = ", ".join([*parts, "how to read this"])
    return text[:1].upper() + text[1:]


def seen(section: Section) -> tuple[Finding, ...]:
    """The findings that are seen before the section is opened."""
    return section.findings[:SEEN]


def ui_command(summary: Summary) -> str:
    """The command that opens the study's runs in MLflow; empty for scores whose runs mmstudy did not start."""
    rebuild = summary.provenance.rebuild
    if not summary.ran or rebuild is None:
        return ""
    words = shlex.split(rebuild)
    home = words[1:3] if words[1:2] == ["--home"] else []
    return shlex.join(["mmstudy", *home, "ui", summary.study])
