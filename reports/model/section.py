"""A section of a report: what an analysis found, as plain data that any page can show in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mmcore.language import language, later, say

ON_THESE_ITEMS: Final = later("on these test items")
"""What is added to a label that claims nothing for other items."""
Tone = Literal["good", "bad", "open", "plain"]
"""How a finding's label is coloured: holds, does not hold, cannot be said, or no judgement at all."""


class Word(str):
    """A cell that is a word of ours, not a user's name: a key in English for files, shown in the reader's language.

    Args:
        meaning: what ``say`` says with ``values`` in other languages than English, where the key alone means something
            else on another page; empty: the key.

    Example:
        >>> Word("useful · used").shown
        'useful · used'
    """

    __slots__ = ("_meaning", "_values")

    def __new__(cls, key: str, meaning: str = "", **values: object) -> Word:
        word = super().__new__(cls, key)
        word._meaning, word._values = meaning, values
        return word

    @property
    def shown(self) -> str:
        """In the language of this moment; of several words with `` · `` between them each by itself."""
        if self._meaning and language() != "en":
            return say(self._meaning, **self._values)
        return " · ".join(say(part) for part in self.split(" · "))


@dataclass(frozen=True)
class Table:
    """A plain table of cells that are numbers, text or None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Finding:
    """One thing that was found, in words that need no statistics.

    Args:
        text: one sentence.
        label: a word of a closed list of the analysis (``faithful``, ``redundant``), a key in English; empty: none.
        tone: of the label.
        evidence: the numbers behind it, with interval and n.
    """

    text: str
    label: str = ""
    tone: Tone = "plain"
    evidence: str = ""

    @property
    def shown(self) -> str:
        """The label in the language of this moment; ``label`` itself stays a key."""
        plain = self.label.removesuffix(f" {ON_THESE_ITEMS}")
        said = say(plain) if plain else ""
        return said if plain == self.label else say("{label} on these test items", label=said)


@dataclass(frozen=True)
class SectionTable:
    """A table of a section, also written as ``tables/SECTION_NAME.csv``.

    Args:
        name: a file's stem. caption: one sentence, with units. table: numbers in full precision; its columns, and
            words in its cells, are keys in English.
        folded: behind a line that opens it: long tables.
    """

    name: str
    caption: str
    table: Table
    folded: bool = True


@dataclass(frozen=True)
class Section:
    """What one analysis has to say.

    Args:
        key: an identifier of the page, and the first part of the names of files.
        title: a heading of a few words.
        question: one sentence with a question mark.
        lead: how it was measured and how to read it, in plain words.
        findings: the answer, most important first.
        figures: names of figures, in order; one that has nothing to draw is left out.
        tables: the numbers.
        limits: what this does not show, and what failed; empty: nothing to add.
    """

    key: str
    title: str
    question: str
    lead: str
    findings: tuple[Finding, ...] = ()
    figures: tuple[str, ...] = ()
    tables: tuple[SectionTable, ...] = ()
    limits: str = ""


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table from rows."""
    return Table(tuple(columns), tuple(tuple(row) for row in rows))
