"""The checks for a terminal and for scripts."""

from __future__ import annotations

import textwrap
from collections import Counter

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
    counts = listing([counted(warnings, "warning"), *(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))])
    header = f"{'code':<6}  {'outcome':<14}  looks for"
    blocks = [f"{summary.study}: {counts}", "", header, *(_block(c) for c in summary.checks)]
    # The real minus sign is missing from the code pages of some terminals.
    return "\n".join(blocks).replace("−", "-")


def checks_as_json(summary: Summary) -> dict[str, object]:
    """The checks as plain data for JSON."""
    names = ("code", "title", "outcome", "text", "reason", "advice", "more")
    return {"study": summary.study, "checks": [{name: getattr(c, name) for name in names} for c in summary.checks]}


def _block(check: Check) -> str:
    line = f"{check.code}  {check.outcome:<14}  {check.title}"
    if check.outcome != "warning":
        return line + (f". {check.text}" if check.text else "")
    parts = (check.text, f"Why it matters: {check.reason}", f"What to do: {check.advice} See {check.more}")
    # Paths and commands stay whole.
    fill = textwrap.TextWrapper(
        COLUMNS,
        initial_indent=INDENT,
        subsequent_indent=INDENT + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([line, *map(fill.fill, parts)])
