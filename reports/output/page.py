"""How the page puts what a Summary says: what is seen at once, what is folded, and what each caption says first."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from rich.cells import cell_len, set_cell_size

from mmcore.language import later, say
from reports.model.report import ComparisonRow, Summary
from reports.model.section import Finding, Section
from reports.numbers import counted, interval, listing, number, opened, percent
from reports.statistics.verdicts import THESE_ITEMS, Verdict
from reports.summary.not_shown import narrow_of
from reports.summary.undecided import P, equals

SEEN = 3
"""Findings of a section that are seen before it is opened."""
FIRST_FIGURE = ("across", "verdicts", "forest")
"""Names of the figures that may stand on the first screen; the first of them that is drawn does."""
LONGEST_FIRST = 165
"""Columns of what a caption says at once, two for a wide character: two lines."""
NOT_SHOWN = later("Not shown:")
"""What a sentence begins with that says what a verdict leaves open."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“'\d])|(?<=[。！？])\s*(?=[^」』）\s])")
_PAUSE = re.compile(r"[;:] |, |\s\(|(?<=[、；：])|(?=（)")
_SHORT = ("e.g.", "i.e.", "vs.", "cf.", "No.")


@dataclass(frozen=True)
class Said:
    """A text in two parts: what is seen, and what explains it."""

    first: str
    rest: str


def in_two(text: str, most: int = LONGEST_FIRST) -> Said:
    """The first sentence of a caption, and the others; a sentence that is too long ends early and follows whole.

    Args:
        most: columns that are seen at most; a wide character, as of Japanese, takes two.

    Example:
        >>> in_two("Means over repeats. Bars are intervals.")
        Said(first='Means over repeats.', rest='Bars are intervals.')
        >>> in_two("Means over repeats (see below), with intervals.", 40)
        Said(first='Means over repeats (see below) …', rest='Means over repeats (see below), with intervals.')
        >>> in_two("反復の平均です。線は区間です。")
        Said(first='反復の平均です。', rest='線は区間です。')
    """
    at = next((m for m in _SENTENCE.finditer(text) if not text[: m.start()].endswith(_SHORT)), None)
    first, rest = (text, "") if at is None else (text[: at.start()], text[at.end() :])
    if cell_len(first) <= most:
        return Said(first, rest)
    seen = len(set_cell_size(first, most).rstrip())
    pauses = [m.start() for m in _PAUSE.finditer(first) if m.start() < seen]
    cut = pauses[-1] if pauses and pauses[-1] > seen // 3 else _last_break(first, seen)
    # A single word that is longer than a line stays whole.
    return Said(f"{first[:cut]} …", text) if cut > 0 else Said(first, rest)


def _last_break(text: str, most: int) -> int:
    """The last place, before this one, where a line may end: at a space, or between wide characters; −1: none."""
    places = (i for i in range(most - 1, 0, -1) if text[i] == " " or cell_len(text[i - 1 : i + 1]) == 4)
    return next(places, -1)


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
        text = v.not_shown[max(v.not_shown.find(say(NOT_SHOWN)), 0) :]
        pair = say("'{arm}' against '{reference}'", arm=v.arm, reference=v.reference)
        texts.setdefault(in_two(text, 2 * len(text)).first, []).append(pair)
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
        found.append(say("On these items ({n}): not shown for other items of this corpus.", n=limited))
    if equal := count["equivalent"] + count[f"equivalent{THESE_ITEMS}"]:
        found.append(say("Equivalent ({n}): within the margin; not shown that there is no difference at all.", n=equal))
    if count["undecided"]:
        n = count["undecided"]
        found.append(say("Undecided ({n}): neither shown to differ, nor shown to be equal.", n=n))
    if count["too few repeats"]:
        n = count["too few repeats"]
        found.append(say("Too few repeats ({n}): nothing can be said, whatever the picture shows.", n=n))
    return tuple(Doubt("", text) for text in found)


@dataclass(frozen=True)
class Group:
    """Comparisons with one verdict.

    Args:
        word: the verdict as it is shown, with its reference where all have one: ``Better than a``.
        alone: whether all comparisons have one reference.
        count: of the comparisons.
        arms: each arm with its own ``against``; empty where all share one.
    """

    verdict: Verdict
    word: str
    alone: bool
    count: int
    arms: tuple[tuple[str, str], ...]


def _against(verdict: Verdict, reference: str) -> str:
    """What stands behind the name of an arm: whom it is compared with."""
    match verdict.removesuffix(THESE_ITEMS):
        case "better" | "worse":
            return say("than {reference}", reference=reference)
        case "equivalent":
            return say("to {reference}", reference=reference)
        case _:
            return say("against {reference}", reference=reference)


def verdict_groups(rows: Sequence[ComparisonRow]) -> tuple[Group, ...]:
    """Comparisons by verdict, in the order of verdicts; an arm that is compared with several has them in one place."""
    groups = []
    alone = len({c.reference for c in rows}) == 1
    for verdict in get_args(Verdict):
        mine = [c for c in rows if c.verdict == verdict]
        if not mine:
            continue
        by_arm: dict[str, list[str]] = {}
        for c in mine:
            by_arm.setdefault(c.arm, []).append(c.reference)
        arms = tuple((arm, "" if alone else f" {_against(verdict, listing(others))}") for arm, others in by_arm.items())
        word = opened(say(verdict))
        if alone:
            against = _against(verdict, mine[0].reference)
            word = say("{verdict} {against}", verdict=word, against=against)
        groups.append(Group(verdict, word, alone, len(mine), arms))
    return tuple(groups)


def brief(c: ComparisonRow, summary: Summary) -> str:
    """A verdict's numbers in one line: difference, interval, how often ahead, p.

    Empty where there is no interval, and where repeats are too few to say anything: numbers beside that would be read.
    """
    shown, paired = c.shown, c.paired
    if shown.low != shown.low or c.verdict == "too few repeats":
        return ""
    words = {"size": number(abs(shown.mean)), "metric": summary.metric.title}
    if shown.mean == 0:
        size = say("No difference in {metric}", metric=summary.metric.title)
    else:
        size = say("{size} more {metric}", **words) if shown.mean > 0 else say("{size} less {metric}", **words)
    if paired.sizes is None:
        ahead = say("ahead in {won} of {repeats}", won=paired.won, repeats=counted(paired.couples, "repeat"))
    else:
        ahead = say("ahead in {won} of {couples}", won=paired.won, couples=counted(paired.couples, "couple"))
    if c.decision.side == "equivalent" and c.margin is not None:
        # The p of a difference says nothing for equality.
        narrow, level = narrow_of(c), percent(1 - 2 * summary.alpha)
        return say(
            "{size} ({level} interval {edges}, within the margin of ±{margin}); {ahead}.",
            size=size,
            level=level,
            edges=interval(narrow.low, narrow.high),
            margin=number(c.margin),
            ahead=ahead,
        )
    p = equals(P, c.decision.p_holm, summary.alpha)
    if c.decision.family > 1:
        p = say("{p} after Holm", p=p)
    return say(
        "{size} ({level} interval {edges}); {ahead}; {p}.",
        size=size,
        level=percent(summary.level),
        edges=interval(shown.low, shown.high),
        ahead=ahead,
        p=p,
    )


def scale(summary: Summary) -> tuple[str, ...]:
    """How large the study is: arms, repeats, and items of each side where they are known."""
    facts = [counted(len(summary.arms), "arm")]
    if summary.repeats and summary.paired:
        repeats = counted(summary.repeats, "repeat")
        facts.append(repeats if summary.sequential is None else say("up to {repeats}", repeats=repeats))
    setup, sizes, spread = summary.setup, [], ""
    for at, side in enumerate(setup.sides):
        counts = [row.sizes[at].items for row in setup.sizes]
        if counts and side != "validation":
            spread = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
            sizes.append(say("{n} training", n=spread) if side == "train" else say("{n} test", n=spread))
    if sizes:
        # The last number decides: 1 training and 1 test item, 24 training and 8 test items.
        text = later("{sizes} item a repeat") if spread == "1" else later("{sizes} items a repeat")
        facts.append(say(text, sizes=listing(sizes)))
    return tuple(facts)


def behind(section: Section, figures: int) -> str:
    """What a section holds behind its findings: ``6 more findings, 3 figures, 2 tables, how to read this``."""
    more = len(section.findings) - SEEN
    parts = [counted(more, "more finding")] if more > 0 else []
    parts += [counted(figures, "figure")] if figures else []
    parts += [counted(len(section.tables), "table")] if section.tables else []
    return opened(say(", ").join([*parts, say("how to read this")]))


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
