"""What an analysis of errors answers."""

from __future__ import annotations

from mmcore.answers.parts import Untyped


class ErrorsResult(Untyped):
    """Still a plain mapping."""
