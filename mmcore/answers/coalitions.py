"""What an analysis of coalitions answers."""

from __future__ import annotations

from mmcore.answers.parts import Untyped


class CoalitionsResult(Untyped):
    """Still a plain mapping."""
