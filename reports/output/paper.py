"""What a paper needs of a report: a paragraph on methods and results, and entries for its bibliography.

The paragraph is built from the facts of the study and the verdicts alone; it claims no more than these do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from mmcore.language import say
from reports.model.report import ComparisonRow, Summary
from reports.numbers import counted, interval, listing, number, percent, prose
from reports.output.latex import escape
from reports.records.origin import several
from reports.statistics.verdicts import Verdict
from reports.summary.methods import how_tested
from reports.summary.not_shown import narrow_of
from reports.summary.sentences import sentence
from reports.summary.undecided import P, equals

MOST_TOLD = 6
"""Comparisons that the paragraph tells one by one; more are counted by verdict."""


def methods_paragraphs(summary: Summary) -> tuple[str, ...]:
    """Plain text to paste into a paper: what was trained, how it was tested, what came out, and what was not shown."""
    parts = (_design(summary), _tests(summary), _results(summary), _limits(summary))
    return tuple(part for part in parts if part)


def _design(summary: Summary) -> str:
    metric = summary.metric
    arms = counted(len(summary.arms), "arm")
    words = {"arms": arms, "reference": summary.reference}
    others = [say("'{name}'", name=arm.name) for arm in summary.arms if not arm.reference]
    if len(summary.arms) > MOST_TOLD:
        text = say("We compared {arms}, among them the reference '{reference}'.", **words)
    elif others:
        text = say("We compared {arms}: '{reference}' (the reference), {others}.", others=listing(others), **words)
    else:
        text = say("We compared {arms}: '{reference}' (the reference).", **words)
    scored = say("They were scored by {metric} ({direction}).", metric=metric.title, direction=metric.direction)
    failed = sum(arm.failed for arm in summary.arms)
    return prose(
        text,
        scored,
        metric.meaning if summary.native else "",
        _matched(summary),
        _repeats(summary),
        _split(summary) if summary.native else "",
        say("{runs} failed; a comparison rests on the repeats that scored both arms.", runs=counted(failed, "run"))
        if failed
        else "",
    )


def _matched(summary: Summary) -> str:
    """How sizes of arms were matched; empty where they were not."""
    match, matched = summary.provenance.match, dict(summary.facts).get("Matched")
    if match is None or not matched:
        return ""
    if match.get("unmatched"):
        return say("Arms called “matched” were scaled {how}.", how=matched)
    return say("Sizes of arms were matched {how}.", how=matched)


def _repeats(summary: Summary) -> str:
    sequential, repeats = summary.sequential, counted(summary.repeats, "repeat")
    if sequential is not None:
        return say(
            "Repeats were added from {least} to at most {most} of every arm, and only for comparisons that were still "
            "undecided; the rule was fixed beforehand.",
            least=sequential.least,
            most=sequential.most,
        )
    if not summary.paired:
        counts = [say("{n} of '{arm}'", n=arm.n, arm=arm.name) for arm in summary.arms][: 2 * MOST_TOLD]
        return say("There were {counts} repeats, which are not paired.", counts=listing(counts))
    if summary.across is not None:
        part = say(summary.part)
        return say("There were {repeats} of every arm on each {part}, paired by repeat.", repeats=repeats, part=part)
    scored = sorted({arm.n for arm in summary.arms})
    text = say("There were {repeats} of every arm", repeats=repeats)
    if scored and scored != [summary.repeats]:
        spread = f"{scored[0]}" if len(scored) == 1 else say("{low} to {high}", low=scored[0], high=scored[-1])
        text = say("Of the {repeats} planned for every arm, {scored} have a score", repeats=repeats, scored=spread)
    if not summary.native:
        return say("{repeats}, paired by repeat.", repeats=text)
    return say(
        "{repeats}; each fixes the split and the initialisation for all arms, so arms are paired by repeat.",
        repeats=text,
    )


def _split(summary: Summary) -> str:
    setup = summary.setup
    match summary.provenance.splits.drawn:
        case "each_repeat":
            text = say("Every repeat drew its own split")
        case "once":
            text = say("The test items were drawn once for all repeats, training and validation items for each repeat")
        case "corpus":
            text = say("The corpus says which items are tested, and all repeats tested the same")
    if not setup.sizes:
        return say("{sentence}.", sentence=text)
    sizes = []
    for at, side in enumerate(setup.sides):
        counts = [row.sizes[at].items for row in setup.sizes]
        low, high = min(counts), max(counts)
        sizes.append(_items_of(side, f"{low}" if low == high else say("{low} to {high}", low=low, high=high)))
    return prose(
        say("{sentence} ({sizes}).", sentence=text, sizes=listing(sizes)),
        say("The epoch to test was chosen on validation items."),
    )


def _items_of(side: str, n: str) -> str:
    """How many items a side of the split has."""
    one = n == "1"
    match side:
        case "train":
            return say("1 training item") if one else say("{n} training items", n=n)
        case "validation":
            return say("1 validation item") if one else say("{n} validation items", n=n)
        case _:
            return say("1 test item") if one else say("{n} test items", n=n)


def _tests(summary: Summary) -> str:
    rows = [c for c in (summary.primary or summary.comparisons) if c.paired.n]
    if not rows:
        return ""
    corrected = next((c.paired.overlap for c in rows if c.paired.overlap > 0), 0.0)
    equivalence = say(
        "Two arms count as equivalent if the {level} interval of their difference lies within ±{margin}, the margin of "
        "the study (two one-sided tests, not corrected for their number).",
        level=percent(1 - 2 * summary.alpha),
        margin=number(summary.margin),
    )
    counts = say(
        "An arm counts as better or worse only if every one of these p values is at most {alpha}; the p that we give "
        "is the largest of them.",
        alpha=f"{summary.alpha:g}",
    )
    by_part = any(c.component is not None for c in summary.comparisons) and summary.primary
    return prose(
        _interval(summary, corrected),
        say("{sentence}.", sentence=_tested(summary, rows, corrected)),
        counts,
        say("Comparisons by {part} are a family of their own and were corrected separately.", part=say(summary.part))
        if by_part
        else "",
        "" if summary.margin is None else equivalence,
        ""
        if summary.sequential is None
        else say("p values and intervals are adjusted for the looks (alpha spending, Lan and DeMets 1983)."),
    )


def _interval(summary: Summary, corrected: float) -> str:
    """Which interval is given."""
    words = {
        "mean": say("mean paired difference") if summary.paired else say("difference of means"),
        "level": percent(summary.level),
    }
    if corrected:
        return say(
            "For each comparison we give the {mean} with its {level} t interval, with the correction of Nadeau and "
            "Bengio (n_test/n_train = {ratio}).",
            ratio=number(corrected),
            **words,
        )
    return say("For each comparison we give the {mean} with its {level} t interval.", **words)


def _tested(summary: Summary, rows: Sequence[ComparisonRow], corrected: float) -> str:
    """Which tests were made and how their p were corrected; a sentence without its end."""
    test, family = how_tested(rows), rows[0].decision.family
    text = (
        say("Differences were tested by {test}, and by the t-test that belongs to the interval", test=test)
        if summary.paired
        else say("Differences were tested by {test}", test=test)
    )
    if summary.across is not None:
        parts = several(summary.part)
        text += say(
            "; p values were corrected by Holm's method for the {n} {parts} of a pair of arms", n=family, parts=parts
        )
    elif family > 1 and (corrected or not summary.paired):
        text += say("; both p values were corrected by Holm's method for {n} comparisons", n=family)
    elif family > 1:
        name = say("sign-flip test")
        text += say("; the p of the {test} was corrected by Holm's method for {n} comparisons", test=name, n=family)
    if summary.shared:
        text += say(
            "; a claim about new items had also to pass a t-test between groups of test items, corrected likewise"
        )
    return text


def _results(summary: Summary) -> str:
    rows = summary.primary or summary.comparisons
    if not rows:
        return ""
    if len(rows) <= MOST_TOLD:
        return prose(*(_result(c, summary) for c in rows))
    found = Counter(c.verdict for c in rows)
    counts = [say("{n} {verdict}", n=found[v], verdict=say(v)) for v in get_args(Verdict) if found[v]]
    return say("Of {n} comparisons, the verdicts are: {counts}.", n=len(rows), counts=say(", ").join(counts))


def _result(c: ComparisonRow, summary: Summary) -> str:
    shown, sizes = c.shown, c.paired.sizes
    n = f"n = {c.paired.n}"
    if sizes is not None:
        n = say("n = {n_arm} and {n_reference}", n_arm=sizes.arm, n_reference=sizes.reference)
    said = sentence(c)[:-1]
    if shown.low != shown.low:
        return say("{sentence} ({n}).", sentence=said, n=n)
    words = {"sentence": said, "difference": number(shown.mean, True), "n": n}
    if c.decision.side == "equivalent":
        narrow, level = narrow_of(c), percent(1 - 2 * summary.alpha)
        edges = interval(narrow.low, narrow.high)
        return say(
            "{sentence} (difference {difference}, {level} interval {edges}, {n}).", level=level, edges=edges, **words
        )
    p = equals(P, c.decision.p_holm, summary.alpha)
    if c.decision.family > 1:
        p = say("{p} after Holm", p=p)
    return say(
        "{sentence} (difference {difference}, {level} interval {edges}, {p}, {n}).",
        level=percent(summary.level),
        edges=interval(shown.low, shown.high),
        p=p,
        **words,
    )


def _limits(summary: Summary) -> str:
    verdicts = {c.decision.side for c in summary.primary or summary.comparisons}
    warnings = [say("{title} ({code})", title=c.title, code=c.code) for c in summary.warnings]
    open_one = say("Undecided means that neither a difference nor its absence is shown.")
    few = say("Where there are too few repeats, nothing can be said.")
    return prose(
        summary.covers,
        open_one if "undecided" in verdicts else "",
        few if "too few repeats" in verdicts else "",
        say("The report warns: {warnings}.", warnings=say("; ").join(warnings)) if warnings else "",
        _made_with(summary),
    )


def _made_with(summary: Summary) -> str:
    torch = summary.provenance.environment.torch
    if not torch or not summary.native:
        return say("Statistics were computed with {version}.", version=_version(summary))
    return say(
        "Statistics were computed with {version} and models were trained with PyTorch {torch}.",
        version=_version(summary),
        torch=listing(torch),
    )


def _version(summary: Summary) -> str:
    return f"mmstudy {summary.provenance.mmstudy or ''}".strip()


def bibliography(summary: Summary) -> str:
    """BibTeX of the tool and of this report; the authors of a report are for its reader to fill in."""
    version, commit = summary.provenance.mmstudy, summary.provenance.commit
    tool = [("author", "{The mmstudy authors}"), ("title", "mmstudy: ablation studies for multimodal sequence models")]
    tool += [("version", escape(version))] if version else []
    tool += [("note", f"Commit {escape(commit)}")] if commit else []
    name = escape(summary.study)
    what = say("Study {name}", name=name) if summary.ran else say("Scores {name}", name=name)
    if summary.runs:
        what = say("{what}, {runs}", what=what, runs=counted(len(summary.runs), "run"))
    made = say("{what}; report made with mmstudy {version}", what=what, version=escape(version or ""))
    report = [
        ("author", f"{{{say('Authors of the study')}}}"),
        ("title", f"{{{escape(summary.question)}}}"),
        ("note", made.strip()),
    ]
    report += [("year", year)] if (year := _year(summary)) else []
    return f"{_entry('software', 'mmstudy', tool)}\n\n{_entry('misc', _key(summary.study), report)}"


def _entry(kind: str, key: str, fields: Sequence[tuple[str, str]]) -> str:
    lines = [f"  {name} = {{{value}}}" for name, value in fields]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def _key(study: str) -> str:
    return "mmstudy-" + (re.sub(r"[^A-Za-z0-9]+", "-", study).strip("-") or "report")


def _year(summary: Summary) -> str:
    """Of the last finished run, so that the same records give the same entry."""
    return dict(summary.facts).get("Last run finished", "")[:4]
