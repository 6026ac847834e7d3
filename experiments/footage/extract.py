"""Computes the features of one file and keeps them; memory does not grow with the length of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from experiments.footage import media
from experiments.footage.features import Part
from experiments.footage.grid import STEP
from experiments.footage.messages import Extracted
from experiments.footage.sight import Sight
from experiments.footage.sound import Listener, listen
from experiments.footage.store import FootageStore, Writing, content_of
from experiments.footage.watching import listener_of, watcher_of
from mmcore.errors import CorpusError

OnSeconds = Callable[[float], None]
"""Is told how many more seconds of a file are done."""
TELL_EVERY = 50
"""Steps after which it is told how far the work is."""


def extract(
    path: Path, parts: Sequence[Part], store: FootageStore, threads: int = 1, on_seconds: OnSeconds = lambda _: None
) -> Extracted:
    """Compute the parts of a file that are not kept yet.

    Args:
        threads: for decoders and models. on_seconds: progress, twice as much as the file is long where both its sound
            and its pictures are computed.

    Raises:
        CorpusError: no media file, or nothing in it can be decoded.
    """
    survey = media.survey(path)
    content = content_of(path)
    missing = [part for part in parts if store.header(content, part) is None]
    failures: list[CorpusError] = []
    for heard, there in ((True, survey.audio is not None), (False, survey.video is not None)):
        mine = [part for part in missing if part.heard is heard]
        if not mine:
            continue
        writings = [Writing(store, content, part) for part in mine]
        damage, notes = media.Damage(), []
        try:
            try:
                if there and heard:
                    _hear(path, survey, writings, damage, on_seconds)
                elif there:
                    _see(path, survey, writings, threads, damage, on_seconds)
            except CorpusError as error:
                # The other kind of stream may be whole.
                failures.append(error)
                notes.append(f"{'sound' if heard else 'video'} left out: found {error.found}")
            notes += damage.lines("sound" if heard else "video")
            for writing in writings:
                writing.keep(notes)
        finally:
            for writing in writings:
                writing.drop()
    headers = [store.header(content, part) for part in parts]
    rows = max((header.rows for header in headers if header is not None), default=0)
    if failures and not rows:
        raise failures[0]
    notes = dict.fromkeys(note for header in headers if header is not None for note in header.notes)
    cues = tuple(media.cues(path, survey)) if survey.text is not None else None
    return Extracted(
        content=content, seconds=rows * STEP, computed=bool(missing), cues=cues, notes=(*survey.notes, *notes)
    )


def _hear(
    path: Path, survey: media.Survey, writings: list[Writing], damage: media.Damage, on_seconds: OnSeconds
) -> None:
    listeners: list[Listener] = [listener_of(writing.part) for writing in writings]
    for step, rows in enumerate(listen(media.blocks(path, survey, damage), listeners), 1):
        for writing, row_F in zip(writings, rows, strict=True):
            writing.add(row_F)
        if step % TELL_EVERY == 0:
            on_seconds(TELL_EVERY * STEP)


def _see(
    path: Path,
    survey: media.Survey,
    writings: list[Writing],
    threads: int,
    damage: media.Damage,
    on_seconds: OnSeconds,
) -> None:
    sight = Sight()
    watchers = {writing.part.kind: watcher_of(writing.part, 1) for writing in writings if writing.part.kind != "sight"}
    for step, shown in enumerate(media.pictures(path, survey, threads, damage), 1):
        seen_F = sight.see(shown.picture_HW3)
        cut = bool(np.nan_to_num(seen_F[0]))
        for writing in writings:
            kind = writing.part.kind
            writing.add(seen_F if kind == "sight" else watchers[kind].see(shown.picture_HW3, cut))
        if step % TELL_EVERY == 0:
            on_seconds(TELL_EVERY * STEP)
