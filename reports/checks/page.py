"""The page of all checks: ``python -m reports.checks.page > docs/checks.md``."""

from __future__ import annotations

import textwrap

from reports.checks.rules import RULES, Rule

HEAD = """\
# Checks

Facts that a reader must know before believing a verdict. Every report runs all checks and starts with their warnings.
`mmstudy check STUDY` prints them; with `--strict` it ends with exit code 1 if any check warns, and so do `run` and
`report`. An outcome is *passed*, *warning*, *not applicable* (the study has nothing that the check could be about) or
*not run* (the records do not hold what it needs). A warning is not a verdict: it names what the verdict cannot rule
out. Codes are never reused.

This page is made from `reports/checks/rules.py`: `python -m reports.checks.page > docs/checks.md`.
"""

TAIL = """
## What needs no check

- *Mixed corpora, tasks, splits or targets.* mmstudy refuses runs that differ in them, and names them, before it
summarises anything.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return HEAD + _overview() + "".join(_entry(rule) for rule in RULES) + TAIL


def _overview() -> str:
    """All checks in a table, each with a link to its entry."""
    rows = (f"| [{rule.code}](#{rule.code.lower()}) | {rule.title} |" for rule in RULES)
    return "\n".join(("", "| check | warns of |", "|---|---|", *rows)) + "\n"


def _entry(rule: Rule) -> str:
    parts = (f"**{rule.title}.** {rule.how}", f"*Why it matters.* {rule.reason}", f"*What to do.* {rule.advice}")
    return (
        f"\n## {rule.code}\n" + "\n\n".join(textwrap.fill(part, 120, break_on_hyphens=False) for part in parts) + "\n"
    )


if __name__ == "__main__":
    print(page(), end="")
