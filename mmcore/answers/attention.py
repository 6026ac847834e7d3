"""What an analysis of attention answers."""

from __future__ import annotations

from mmcore.answers.parts import Untyped


class AttentionResult(Untyped):
    """Still a plain mapping."""
