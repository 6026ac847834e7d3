"""What an analysis of corruption answers."""

from __future__ import annotations

from mmcore.answers.parts import Untyped


class CorruptionResult(Untyped):
    """Still a plain mapping."""
