"""What a paper needs of a report: a paragraph on methods and results, and entries for its bibliography.

The paragraph is built from the facts of the study and the verdicts alone; it claims no more than these do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from reports.model.report import ComparisonRow, Summary
from reports.numbers import counted, interval, listing, number, percent, probability
from reports.output.latex import escape
from reports.statistics.verdicts import Verdict
from reports.summary.methods import how_tested
from reports.summary.not_shown import narrow_of
from reports.summary.sentences import sentence

MOST_TOLD = 6
"""Comparisons that the paragraph tells one by one; more are counted by verdict."""


def methods_paragraphs(summary: Summary) -> tuple[str, ...]:
    """Plain text to paste into a paper: what was trained, how it was tested, what came out, and what was not shown."""
    parts = (_design(summary), _tests(summary), _results(summary), _limits(summary))
    return tuple(part for part in parts if part)


def _design(summary: Summary) -> str:
    metric = summary.metric
    others = [f"'{arm.name}'" for arm in summary.arms if not arm.reference]
    known = f": '{summary.reference}' (the reference)" + (f", {listing(others)}" if others else "")
    named = known if len(summary.arms) <= MOST_TOLD else f", among them the reference '{summary.reference}'"
    text = (
        f"We compared {counted(len(summary.arms), 'arm')}{named}. They were scored by {metric.title} "
        f"({metric.direction})."
    )
    text += f" {metric.meaning}" if summary.native else ""
    facts = dict(summary.facts)
    match = summary.provenance.match
    if match is not None and (matched := facts.get("Matched")):
        which = "Arms called “matched” were scaled" if match.get("unmatched") else "Sizes of arms were matched"
        text += f" {which} {matched}."
    text += f" {_repeats(summary)}"
    if summary.native:
        text += _split(summary)
    failed = sum(arm.failed for arm in summary.arms)
    if failed:
        text += f" {counted(failed, 'run')} failed; a comparison rests on the repeats that scored both arms."
    return text


def _repeats(summary: Summary) -> str:
    sequential = summary.sequential
    if sequential is not None:
        return (
            f"Repeats were added from {sequential.least} to at most {sequential.most} of every arm, and only for "
            "comparisons that were still undecided; the rule was fixed beforehand."
        )
    if not summary.paired:
        counts = listing([f"{arm.n} of '{arm.name}'" for arm in summary.arms][: 2 * MOST_TOLD])
        return f"There were {counts} repeats, which are not paired."
    if summary.across is not None:
        return f"There were {counted(summary.repeats, 'repeat')} of every arm on each {summary.part}, paired by repeat."
    scored = sorted({arm.n for arm in summary.arms})
    text = f"There were {counted(summary.repeats, 'repeat')} of every arm"
    if scored and scored != [summary.repeats]:
        spread = f"{scored[0]}" if len(scored) == 1 else f"{scored[0]} to {scored[-1]}"
        text = f"Of the {counted(summary.repeats, 'repeat')} planned for every arm, {spread} have a score"
    if summary.native:
        return text + "; each fixes the split and the initialisation for all arms, so arms are paired by repeat."
    return text + ", paired by repeat."


def _split(summary: Summary) -> str:
    text = ""
    match summary.provenance.splits.drawn:
        case "each_repeat":
            text = " Every repeat drew its own split"
        case "once":
            text = " The test items were drawn once for all repeats, training and validation items for each repeat"
        case "corpus":
            text = " The corpus says which items are tested, and all repeats tested the same"
    setup = summary.setup
    if not setup.sizes:
        return text + "."
    sizes = []
    for at, side in enumerate(setup.sides):
        counts = [row.sizes[at].items for row in setup.sizes]
        spread = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        sizes.append(f"{spread} {'training' if side == 'train' else side} items")
    text += f" ({listing(sizes)})."
    return text + " The epoch to test was chosen on validation items."


def _tests(summary: Summary) -> str:
    rows = [c for c in (summary.primary or summary.comparisons) if c.paired.n]
    if not rows:
        return ""
    mean = "mean paired difference" if summary.paired else "difference of means"
    corrected = next((c.paired.overlap for c in rows if c.paired.overlap > 0), 0.0)
    text = f"For each comparison we give the {mean} with its {percent(summary.level)} t interval"
    if corrected:
        text += f", with the correction of Nadeau and Bengio (n_test/n_train = {number(corrected)})"
    test = how_tested(rows)
    if summary.paired:
        test += ", and by the t-test that belongs to the interval"
    text += f". Differences were tested by {test}"
    family = rows[0].decision.family
    if summary.across is not None:
        text += f"; p values were corrected by Holm's method for the {family} {summary.part}s of a pair of arms"
    elif family > 1 and corrected:
        text += f"; both p values were corrected by Holm's method for {family} comparisons"
    elif family > 1:
        text += f"; the p of the {'sign-flip' if summary.paired else 'permutation'} test was corrected by Holm's "
        text += f"method for {family} comparisons"
    if summary.shared:
        text += "; a claim about new items had also to pass a t-test between groups of test items, corrected likewise"
    text += (
        f". An arm counts as better or worse only if every one of these p values is at most {summary.alpha:g}; the p "
        "that we give is the largest of them."
    )
    if any(c.component is not None for c in summary.comparisons) and summary.primary:
        text += f" Comparisons by {summary.part} are a family of their own and were corrected separately."
    if summary.margin is not None:
        text += (
            f" Two arms count as equivalent if the {percent(1 - 2 * summary.alpha)} interval of their difference lies "
            f"within ±{number(summary.margin)}, the margin of the study (two one-sided tests, not corrected for their "
            "number)."
        )
    if summary.sequential is not None:
        text += " p values and intervals are adjusted for the looks (alpha spending, Lan and DeMets 1983)."
    return text


def _results(summary: Summary) -> str:
    rows = summary.primary or summary.comparisons
    if not rows:
        return ""
    if len(rows) <= MOST_TOLD:
        return " ".join(_result(c, summary) for c in rows)
    found = Counter(c.verdict for c in rows)
    counts = [f"{found[verdict]} {verdict}" for verdict in get_args(Verdict) if found[verdict]]
    return f"Of {len(rows)} comparisons, the verdicts are: {', '.join(counts)}."


def _result(c: ComparisonRow, summary: Summary) -> str:
    shown, n = c.shown, f"n = {c.paired.n}"
    if c.paired.sizes is not None:
        n = f"n = {c.paired.sizes.arm} and {c.paired.sizes.reference}"
    if shown.low != shown.low:
        return f"{sentence(c)[:-1]} ({n})."
    if c.decision.side == "equivalent":
        narrow, level = narrow_of(c), percent(1 - 2 * summary.alpha)
        edges = f"{level} interval {interval(narrow.low, narrow.high)}"
        return f"{sentence(c)[:-1]} (difference {number(shown.mean, True)}, {edges}, {n})."
    p = probability(c.decision.p_holm, summary.alpha)
    p = f"p {p}" if p.startswith("below") else f"p = {p}"
    edges = f"{percent(summary.level)} interval {interval(shown.low, shown.high)}"
    after = " after Holm" if c.decision.family > 1 else ""
    return f"{sentence(c)[:-1]} (difference {number(shown.mean, True)}, {edges}, {p}{after}, {n})."


def _limits(summary: Summary) -> str:
    text = summary.covers
    verdicts = {c.decision.side for c in summary.primary or summary.comparisons}
    if "undecided" in verdicts:
        text += " Undecided means that neither a difference nor its absence is shown."
    if "too few repeats" in verdicts:
        text += " Where there are too few repeats, nothing can be said."
    if summary.warnings:
        text += f" The report warns: {'; '.join(f'{c.title} ({c.code})' for c in summary.warnings)}."
    made = " and ".join(filter(None, (_version(summary), _torch(summary))))
    return f"{text} Statistics were computed with {made}.".strip()


def _version(summary: Summary) -> str:
    return f"mmstudy {summary.provenance.mmstudy or ''}".strip()


def _torch(summary: Summary) -> str:
    versions = summary.provenance.environment.torch
    return f"models were trained with PyTorch {' and '.join(versions)}" if versions and summary.native else ""


def bibliography(summary: Summary) -> str:
    """BibTeX of the tool and of this report; the authors of a report are for its reader to fill in."""
    version, commit = summary.provenance.mmstudy, summary.provenance.commit
    tool = [("author", "{The mmstudy authors}"), ("title", "mmstudy: ablation studies for multimodal sequence models")]
    tool += [("version", escape(version))] if version else []
    tool += [("note", f"Commit {escape(commit)}")] if commit else []
    runs = f", {counted(len(summary.runs), 'run')}" if summary.runs else ""
    what = "Study" if summary.ran else "Scores"
    report = [
        ("author", "{Authors of the study}"),
        ("title", f"{{{escape(summary.question)}}}"),
        ("note", f"{what} {escape(summary.study)}{runs}; report made with mmstudy {escape(version or '')}".strip()),
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
