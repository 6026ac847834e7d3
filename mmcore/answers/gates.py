"""What an analysis of gates answers."""

from __future__ import annotations

from mmcore.answers.parts import Untyped


class GatesResult(Untyped):
    """Still a plain mapping."""
