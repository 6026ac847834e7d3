"""Verdicts, differences and checks as parts of a card."""

from __future__ import annotations

from mmcore.language import say
from reports.cards.card import Interval, Line, Tone
from reports.statistics.intervals import Estimate
from reports.statistics.verdicts import THESE_ITEMS, Verdict


def tone_of(verdict: Verdict) -> Tone:
    """How a verdict is marked."""
    match verdict.removesuffix(THESE_ITEMS):
        case "better":
            return "better"
        case "worse":
            return "worse"
        case "equivalent":
            return "equivalent"
        case _:
            return "open"


def verdict_line(text: str, verdict: Verdict, detail: str = "") -> Line:
    """A verdict in words."""
    return Line(text, tone_of(verdict), verdict.endswith(THESE_ITEMS), detail)


def check_line(code: str, title: str, text: str) -> Line:
    """A check that warns."""
    return Line(say("Warning {code}: {title}.", code=code, title=title), "warning", detail=text)


def difference_row(label: str, shown: Estimate, verdict: Verdict, strong: bool, margin: float | None) -> Interval:
    """A difference with the interval that belongs to its verdict."""
    tone, limited = tone_of(verdict), verdict.endswith(THESE_ITEMS)
    return Interval(label, shown.mean, shown.low, shown.high, tone, tone != "open" and not limited, strong, margin)
