"""Writes a timeline as the file that its suffix names."""

from __future__ import annotations

from pathlib import Path

from experiments.timelines.model import LeftOut, Timeline
from mmcore.atomic import write_atomically
from mmcore.errors import ConfigError

WRITTEN = (".otio", ".xml", ".fcpxml", ".edl")


def check_target(path: Path) -> None:
    """Refuse a file whose suffix names no form that is written.

    Raises:
        ConfigError: says which ones are.
    """
    if path.suffix.lower() not in WRITTEN:
        raise ConfigError(
            "the suffix of the file says its form",
            expected=", ".join(WRITTEN),
            found=f"'{path.suffix}'",
            where=str(path),
            next_step="Premiere and DaVinci Resolve open .xml, Final Cut Pro .fcpxml",
        )


def write_timeline(timeline: Timeline, path: Path) -> tuple[LeftOut, ...]:
    """Write OpenTimelineIO, xmeml (.xml), FCPXML or an edit list. Times go to the nearest frame.

    Returns:
        What the file's form cannot hold, or the writer leaves out.

    Raises:
        ConfigError: another suffix, or a library that is not installed.
        OSError: the file cannot be written.
    """
    path = Path(path)
    check_target(path)
    match path.suffix.lower():
        case ".otio":
            from experiments.timelines.write_otio import otio_of as form
        case ".xml":
            from experiments.timelines.write_xmeml import xmeml_of as form
        case ".fcpxml":
            from experiments.timelines.write_fcpxml import fcpxml_of as form
        case _:
            from experiments.timelines.write_edl import edl_of as form
    content, left_out = form(timeline)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(content))
    return left_out
