"""Reads a timeline's file, whatever editing program wrote it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from experiments.timelines.edl import read_edl
from experiments.timelines.fcpxml import read_fcpxml
from experiments.timelines.mlt import read_mlt
from experiments.timelines.model import Timeline
from experiments.timelines.otio import read_otio
from experiments.timelines.tree import read_content, read_tree
from experiments.timelines.xmeml import read_xmeml
from mmcore.errors import CorpusError

TIMELINE_SUFFIXES = (".otio", ".xml", ".fcpxml", ".kdenlive", ".mlt", ".edl")
"""Of the files that are read, in lower case. What an .xml holds, its first element says."""


def read_timeline(path: Path, rate: Fraction | None = None) -> Timeline:
    """Read OpenTimelineIO, xmeml, FCPXML, Kdenlive's MLT or a CMX3600 edit list.

    Args:
        path: its suffix is one of :data:`TIMELINE_SUFFIXES`.
        rate: frames a second of an edit list that does not say them; None: it must say them.

    Returns:
        The timeline. What the file holds besides is in ``left_out``; nothing is guessed.

    Raises:
        CorpusError: no such file, another kind of file, or one that cannot be understood; says where.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in TIMELINE_SUFFIXES:
        raise CorpusError(
            "a timeline's file must have a suffix that says its kind",
            expected=", ".join(TIMELINE_SUFFIXES),
            found=f"'{path.suffix}'",
            where=str(path),
            next_step="Export it as xmeml, FCPXML or OTIO",
        )
    match suffix:
        case ".otio":
            return read_otio(read_content(path), str(path))
        case ".edl":
            return read_edl(read_content(path), str(path), rate)
        case _:
            root = read_tree(path)
    match root.tag:
        case "xmeml":
            return read_xmeml(root, str(path))
        case "fcpxml":
            return read_fcpxml(root, str(path))
        case "mlt":
            return read_mlt(root, str(path))
        case other:
            raise CorpusError(
                "an XML timeline begins with one of three elements",
                expected="<xmeml>, <fcpxml> or <mlt>",
                found=f"<{other}>",
                where=f"{path}:{root.line}",
                next_step="Export it from the editing program as Final Cut Pro XML",
            )
