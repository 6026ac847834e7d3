"""What a check is, without its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reports.checks.evidence import Evidence, Found


@dataclass(frozen=True)
class Rule:
    """A check, without its outcome.

    Args:
        code: never reused for another check.
        title: what is looked for.
        how: when exactly it warns.
        reason: why it matters.
        advice: what to do.
        look: finds the outcome.
    """

    code: str
    title: str
    how: str
    reason: str
    advice: str
    look: Callable[[Evidence], Found]
