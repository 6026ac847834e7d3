"""What a check is, without its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reports.checks.evidence import Evidence, Found

About = Literal["scores", "runs", "models"]
"""What a check looks at: scores, whoever made them; how runs went, which is known if mmstudy started them; or models,
corpora and configs, which are known if mmstudy trained the models itself."""


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
        about: what it needs: for scores of other code it may not apply.
    """

    code: str
    title: str
    how: str
    reason: str
    advice: str
    look: Callable[[Evidence], Found]
    about: About = "models"
