"""What the words of analyses are about: other items of the corpus, or the very items that were tested.

Where each repeat draws its own test items, repeats differ in all that chance decides, and a word that holds over
repeats holds for other items like these. Where all repeats share their test items, repeats differ in training alone: a
word that holds over them holds for these items; it is not known whether it holds for others. The section says so.
"""

from __future__ import annotations

from dataclasses import replace

from reports.model.section import Finding, Section, SectionTable
from reports.numbers import counted
from reports.records.frame import StudyResults

SUFFIX = "on these test items"
"""What is added to a label."""
OPEN = ("not shown", "not known", "undecided", "failed")
"""Labels that claim nothing, and so need no scope."""


def scoped(section: Section, results: StudyResults) -> Section:
    """A section whose words say what they are about; as it is where each repeat drew its own test items."""
    if results.drawn == "each_repeat":
        return section
    items = len(set(results.items["item"]))
    those = f"the same {counted(items, 'test item')}" if items else "the same test items"
    note = (
        f"All repeats share {those}: repeats differ in training alone, so every word here is about these items. "
        "It is not known whether it holds for other items of the corpus."
    )
    return replace(
        section,
        lead=f"{section.lead} {note}",
        findings=tuple(_finding(one) for one in section.findings),
        tables=tuple(_table(one) for one in section.tables),
        limits=f"{section.limits} Words are about these test items only.".strip(),
    )


def _finding(finding: Finding) -> Finding:
    """Claims, whether they have a label or not, say what they are about in their text and label."""
    if finding.label in OPEN:
        return finding
    label = f"{finding.label} {SUFFIX}" if finding.label else ""
    return replace(finding, text=f"{SUFFIX.capitalize()}: {finding.text}", label=label)


def _table(table: SectionTable) -> SectionTable:
    return replace(table, caption=f"{table.caption} ({SUFFIX})")
