"""A timeline as the table that models learn from: 20 tracks of 12 parameters at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.timelines.model import REST, Clip, LeftOut, Timeline
from mmcore.data.sources.seed_layout import LAYOUTS, SEED_TRACKS
from mmcore.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

PARAMETERS = LAYOUTS[12]
TRACKS = SEED_TRACKS
MOST_STEPS = 10_000_000
AT_REST = np.array([0.0, 0.0, *(curve.keyframes[0].value for curve in REST.curves().values())])
"""Of a track on which nothing is seen."""


@dataclass(frozen=True)
class TrackTable:
    """Every track at every step. S steps, K tracks, P parameters.

    Args:
        time_S: seconds of the timeline; a step has the values of its first moment.
        values_SKP: in the units of :mod:`experiments.timelines.model`; where nothing is seen, ``active`` 0,
            ``asset_id`` 0 and the transform at rest.
        assets: the media and nested sequences by ``asset_id``. left_out: tracks beyond the last of the table.
    """

    time_S: np.ndarray
    values_SKP: np.ndarray
    assets: tuple[str, ...]
    left_out: tuple[LeftOut, ...]

    def frame(self) -> pd.DataFrame:
        """Columns ``time`` and ``0_active`` … ``19_crop_b``, track by track; ``attrs``: ``assets`` and ``left_out``."""
        import pandas as pd

        S, K, P = self.values_SKP.shape
        names = [f"{k}_{p}" for k in range(K) for p in PARAMETERS]
        frame = pd.DataFrame(self.values_SKP.reshape(S, K * P), columns=names)
        frame.insert(0, "time", self.time_S)
        frame.attrs |= {"assets": list(self.assets), "left_out": [str(one) for one in self.left_out]}
        return frame


def timeline_table(timeline: Timeline, step: float, *, end: float | None = None) -> pd.DataFrame:
    """:func:`track_table` as a frame, for a timeline that lasts until ``end``."""
    return track_table(timeline, step, end=end).frame()


def track_table(
    timeline: Timeline, step: float, *, end: float | None = None, assets: Sequence[str] | None = None
) -> TrackTable:
    """Sample a timeline.

    Args:
        timeline: its first :data:`TRACKS` tracks are taken, from the lowest up.
        step: seconds; rows are at 0, step, 2 · step …
        end: rows go up to this second, or to the timeline's end if that is earlier. None: to the timeline's end.
        assets: names of sources in the order of their ``asset_id``; None: as the timeline shows one after another.

    Returns:
        The table; an empty timeline has one row in which nothing is active.

    Raises:
        CorpusError: the step is not positive, there would be too many rows, or a source is not among ``assets``.
    """
    length = float(timeline.duration) if end is None else min(end, float(timeline.duration))
    if not (step > 0 and math.isfinite(step)):
        raise CorpusError("a step must last some time", expected="seconds above 0", found=f"{step}")
    # A hair less, so that 0.3 / 0.1 is three steps and no fourth begins at the end.
    S = max(1, math.ceil(length / step - 1e-9)) if end is None else max(1, math.floor(length / step + 1e-9) + 1)
    if S > MOST_STEPS:
        raise CorpusError("a table of a timeline has a limit", expected=f"{MOST_STEPS:,} steps", found=f"{S:,}")
    time_S = np.round(step * np.arange(S), 6)
    shown = [track for track in timeline.tracks[:TRACKS]]
    clips = [(k, clip) for k, track in enumerate(shown) if track.enabled for clip in track.clips if clip.enabled]
    known = list(assets) if assets is not None else _by_first_use([clip for _, clip in clips])
    values_SKP = np.tile(AT_REST, (S, TRACKS, 1))
    for k, clip in clips:
        source = clip.source or clip.name
        if source not in known:
            raise CorpusError(
                "every source of a timeline needs a number", expected=", ".join(known), found=f"'{source}'"
            )
        first, last = np.searchsorted(time_S, (float(clip.start) - 1e-6, float(clip.end) - 1e-6))
        within_N = time_S[first:last] - float(clip.start)
        values_SKP[first:last, k, 0] = 1
        values_SKP[first:last, k, 1] = known.index(source)
        for p, curve in enumerate(clip.transform.curves().values(), start=2):
            values_SKP[first:last, k, p] = curve.at(within_N)
    return TrackTable(time_S, values_SKP.astype(np.float32), tuple(known), _beyond(timeline))


def _by_first_use(clips: list[Clip]) -> list[str]:
    ordered = sorted(clips, key=lambda clip: clip.start)
    return list(dict.fromkeys(clip.source or clip.name for clip in ordered))


def _beyond(timeline: Timeline) -> tuple[LeftOut, ...]:
    beyond = timeline.tracks[TRACKS:]
    if not beyond:
        return ()
    clips = sum(len(track.clips) for track in beyond)
    return (LeftOut(f"{len(beyond)} tracks above the {TRACKS}th with {clips} clips: the table has {TRACKS} tracks"),)
