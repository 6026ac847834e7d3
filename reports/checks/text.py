"""The checks for a terminal and for scripts."""

from __future__ import annotations

from collections import Counter

from mmcore.language import say
from reports.lines import filled, padded
from reports.model.report import Check, Summary
from reports.numbers import counted, listing

COLUMNS = 100
"""Width of the terminal text."""

INDENT = " " * 8
"""Puts what belongs to a check under its outcome."""


def checks_as_text(summary: Summary) -> str:
    """A line a check, and under a warning what was found, why it matters and what to do; plain, also when piped."""
    outcomes = Counter(c.outcome for c in summary.checks)
    warnings = outcomes.pop("warning", 0)
    counts = listing(
        [
            counted(warnings, "warning"),
            *(say("{n} {outcome}", n=n, outcome=say(outcome)) for outcome, n in sorted(outcomes.items())),
        ]
    )
    header = _line(say("code"), say("outcome"), say("looks for"))
    blocks = [f"{summary.study}: {counts}", "", header, *(_block(c) for c in summary.checks)]
    # The real minus sign is missing from the code pages of some terminals.
    return "\n".join(blocks).replace("−", "-")


def checks_as_json(summary: Summary) -> dict[str, object]:
    """The checks as plain data for JSON."""
    names = ("code", "title", "outcome", "text", "reason", "advice", "more")
    return {"study": summary.study, "checks": [{name: getattr(c, name) for name in names} for c in summary.checks]}


def _line(code: str, outcome: str, title: str) -> str:
    """A code, an outcome and a title in columns, whatever the width of their letters."""
    return f"{padded(code, 6)}  {padded(outcome, 14)}  {title}"


def _block(check: Check) -> str:
    line = _line(check.code, say(check.outcome), check.title)
    if check.outcome != "warning":
        return say("{line}. {text}", line=line, text=check.text) if check.text else line
    parts = (
        check.text,
        say("Why it matters: {reason}", reason=check.reason),
        say("What to do: {advice} See {more}", advice=check.advice, more=check.more),
    )
    return "\n".join([line, *(filled(part, COLUMNS, INDENT, INDENT + "  ") for part in parts)])
