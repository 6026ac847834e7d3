"""Lines that begin with a word in a column of its own, such as ``metric   skill``; clauses behind one another."""

from __future__ import annotations

from rich.cells import cell_len

from mmcore.language import later, say
from reports.lines import padded

LABELS = (
    later("corpus"), later("code"), later("metric"), later("split"), later("preset"), later("window"),
    later("changed"), later("search"), later("then"),
)  # fmt: skip
_WIDTH = 9
"""Columns for a label at least."""


def labelled(label: str, text: str) -> str:
    """A text behind one of :data:`LABELS`; all labels are as wide as the widest of their language."""
    return padded(say(label), width()) + text


def width() -> int:
    """Columns of a label with the space behind it."""
    return max(_WIDTH, *(cell_len(say(label)) + 1 for label in LABELS))


def clauses(*parts: str) -> str:
    """Clauses behind one another; empty ones are left out."""
    return say("; ").join(filter(None, parts))
