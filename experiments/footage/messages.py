"""What a worker of an import hears and says: one JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from mmcore.frozen import Frozen


class Start(Frozen):
    """The first message to a worker."""

    features: str
    """As in ``--features``."""
    root: Path
    """Of the store."""
    threads: int
    """For decoders."""


class Job(Frozen):
    """A file to compute."""

    path: Path


class Progress(Frozen):
    """Another part of the file is done."""

    kind: Literal["progress"] = "progress"
    share: float
    """Of the whole file."""


class Extracted(Frozen):
    """What a file gave."""

    kind: Literal["extracted"] = "extracted"
    content: str
    """The hash of its content, under which its tables are kept."""
    seconds: float
    """Of the longest of its streams."""
    computed: bool
    """Whether anything had to be computed."""
    cues: tuple[tuple[float, float], ...] | None
    """Start and end, in seconds, of the subtitles inside it; None: it has none."""
    notes: tuple[str, ...]
    """Which streams were taken, what was damaged or left out."""


class Broken(Frozen):
    """A file that was left out."""

    kind: Literal["broken"] = "broken"
    reason: str
    """Why, in words."""
    full: bool = False
    """Whether it was for want of room on the disk, which ends the whole."""


Said: TypeAlias = Annotated[Progress | Extracted | Broken, Field(discriminator="kind")]
SAID: TypeAdapter[Progress | Extracted | Broken] = TypeAdapter(Said)


def line_of(message: Frozen) -> str:
    """A message as a line."""
    return message.model_dump_json() + "\n"
