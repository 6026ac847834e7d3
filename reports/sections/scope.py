"""What the words of analyses are about: other items of the corpus, or the very items that were tested.

Where each repeat draws its own test items, repeats differ in all that chance decides, and a word that holds over
repeats holds for other items like these. Where all repeats share their test items, repeats differ in training alone: a
word that holds over them holds for these items; it is not known whether it holds for others. The section says so.
"""

from __future__ import annotations

from dataclasses import replace

from mmcore.language import say
from reports.model.section import ON_THESE_ITEMS, Finding, Section, SectionTable
from reports.numbers import counted, prose
from reports.records.frame import StudyResults

OPEN = ("not shown", "not known", "undecided", "failed")
"""Labels that claim nothing, and so need no scope."""


def scoped(section: Section, results: StudyResults) -> Section:
    """A section whose words say what they are about; as it is where each repeat drew its own test items."""
    if results.drawn == "each_repeat":
        return section
    items = len(set(results.items["item"]))
    if items:
        note = say(
            "All repeats share the same {test_items}: repeats differ in training alone, so every word here is about "
            "these items. It is not known whether it holds for other items of the corpus.",
            test_items=counted(items, "test item"),
        )
    else:
        note = say(
            "All repeats share the same test items: repeats differ in training alone, so every word here is about "
            "these items. It is not known whether it holds for other items of the corpus."
        )
    return replace(
        section,
        lead=prose(section.lead, note),
        findings=tuple(_finding(one) for one in section.findings),
        tables=tuple(_table(one) for one in section.tables),
        limits=prose(section.limits, say("Words are about these test items only.")),
    )


def _finding(finding: Finding) -> Finding:
    """Claims, whether they have a label or not, say what they are about in their text and label."""
    if finding.label in OPEN:
        return finding
    label = f"{finding.label} {ON_THESE_ITEMS}" if finding.label else ""
    return replace(finding, text=say("On these test items: {text}", text=finding.text), label=label)


def _table(table: SectionTable) -> SectionTable:
    return replace(table, caption=say("{caption} (on these test items)", caption=table.caption))
