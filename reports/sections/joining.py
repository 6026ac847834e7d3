"""Clauses and parts one after another, as the language of this moment separates them."""

from __future__ import annotations

from collections.abc import Iterable

from mmcore.language import say


def clauses(parts: Iterable[str]) -> str:
    """Clauses of one sentence that stand beside one another: ``a; b; c``."""
    whole = ""
    for part in filter(None, parts):
        whole = say("{before}; {after}", before=whole, after=part) if whole else part
    return whole


def commas(parts: Iterable[str]) -> str:
    """Parts of one clause without an ``and``: ``a, b, c``."""
    return say(", ").join(parts)


def quoted(name: str) -> str:
    """A user's own name, in the quotes of the language."""
    return say("'{name}'", name=name)
