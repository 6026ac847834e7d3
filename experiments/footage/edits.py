"""The editing timeline of a clip as the table of its tracks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.footage.grid import STEP
from experiments.footage.listing import Clip
from mmcore.errors import CorpusError


@dataclass(frozen=True)
class Edit:
    """What a timeline gave.

    Args:
        table_SF: the time, then each parameter of each track; None: there is no timeline, or it cannot be read.
        notes: what was left out, and why.
    """

    table_SF: np.ndarray | None
    notes: tuple[str, ...] = ()


def edit_of(clip: Clip, seconds: float, folder: Path) -> Edit:
    """The timeline with the name of a clip, up to the end of the clip; time 0 of both is the same moment.

    Args:
        folder: holds the timelines, in folders as those of the footage or all in one place.
    """
    from experiments.timelines.reading import TIMELINE_SUFFIXES, read_timeline
    from experiments.timelines.table import timeline_table

    inside = Path(clip.shown).with_suffix("")
    places = dict.fromkeys((folder / inside, folder / inside.name))
    found = [
        path
        for place in places
        for path in sorted(place.parent.glob("*"))
        if path.stem == place.name and path.suffix.lower() in TIMELINE_SUFFIXES
    ]
    if not found:
        return Edit(None, ("no timeline of its name",))
    path, *others = found
    notes = [f"several timelines; took {path.name}"] if others else []
    try:
        timeline = read_timeline(path)
        table = timeline_table(timeline, STEP, end=seconds)
    except CorpusError as error:
        return Edit(None, (*notes, f"timeline left out: {error}"))
    notes += [f"{path.name}: left out {one}" for one in (*timeline.left_out, *table.attrs["left_out"])]
    return Edit(table.to_numpy(np.float64), tuple(notes))
