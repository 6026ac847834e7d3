"""Which entry of the glossary explains a heading or a verdict of a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmcore.language import say
from reports.output.glossary import TERMS, meaning_of

_ENTRIES = {
    "against": "arm",
    "reference": "arm",
    "arms": "arm",
    "baseline": "naive baselines",
    "comparison": "arm",
    "its bootstrap interval": "bootstrap interval",
    "floor after holm": "floor",
    "better": "verdict",
    "worse": "verdict",
    "better on these items": "verdict",
    "worse on these items": "verdict",
    "equivalent on these items": "verdict",
    "sign-flip p after holm": "sign-flip p",
    "permutation p after holm": "permutation p",
    "too few repeats": "floor",
    "low": "interval",
    "high": "interval",
    "p after holm": "holm",
    "repeats": "repeat",
    "repeats with a score": "repeat",
    "won": "share of repeats won",
}
"""Headings in lower case that an entry of another name explains."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary; ``anchor``: its place on the page."""

    name: str
    meaning: str
    anchor: str


def terms(entries: Sequence[tuple[str, str]] | None = None) -> tuple[Term, ...]:
    """The glossary in its order.

    Args:
        entries: term and meaning, as :func:`reports.output.glossary.terms_of` gives them for a report; None: all.
    """
    if entries is None:
        entries = [(name, meaning_of(meaning)) for name, meaning in TERMS]
    return tuple(Term(name, meaning, f"word-{_slug(name)}") for name, meaning in entries)


def explained(words: str, names: Collection[str] = (), known: Collection[Term] | None = None) -> Term | None:
    """What explains a heading; None where no entry does.

    Args:
        words: a heading in English, as it is printed there, or the name of a term in the reader's language;
            ``95 % interval`` is an interval, ``difference (ms)`` has its unit left out.
        names: of arms, components and the like, which are names even where they read like a term.
        known: the report's own glossary; None: the whole.

    Example:
        >>> explained("p after Holm").name, explained("95 % interval").name, explained("code")
        ('Holm', 'interval', None)
    """
    if words in names:
        return None
    every = terms() if known is None else known
    if already := next((term for term in every if words == say(term.name)), None):
        return already
    plain = re.sub(r"^[\d.]+\s%\s|\s\(.*\)$", "", words).strip().lower()
    entry = _ENTRIES.get(plain, plain)
    return next((term for term in every if term.name.lower() == entry), None)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
