"""How a path is shown to people."""

from __future__ import annotations

from pathlib import Path


def near(path: Path) -> str:
    """A path as seen from the current folder where it is inside, else in full."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
