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

OnShare = Callable[[float], None]
"""Is told which further share of a file is done."""
TELL_EVERY = 50
"""Steps after which it is told how far the work is."""


def extract(
    path: Path, parts: Sequence[Part], store: FootageStore, threads: int = 1, on_share: OnShare = lambda _: None
) -> Extracted:
    """Compute the parts of a file that are not kept yet.

    Args:
        threads: for decoders. on_share: progress, where the file says how long it is.

    Raises:
        CorpusError: no media file, or nothing in it can be decoded.
    """
    survey = media.survey(path)
    content = content_of(path)
    missing = [part for part in parts if store.header(content, part) is None]
    passes = len({part.heard for part in missing})

    def tell() -> None:
        if survey.seconds:
            on_share(TELL_EVERY * STEP / survey.seconds / passes)

    for heard, there in ((True, survey.audio is not None), (False, survey.video is not None)):
        mine = [part for part in missing if part.heard is heard]
        if not mine:
            continue
        writings = [Writing(store, content, part) for part in mine]
        damage, failed = media.Damage(), None
        try:
            try:
                if there and heard:
                    _hear(path, survey, writings, damage, tell)
                elif there:
                    _see(path, survey, writings, threads, damage, tell)
            except CorpusError as error:
                # The other kind of stream may be whole.
                failed = f"{'sound' if heard else 'video'} left out: {error.rule}; found {error.found}"
            notes = damage.lines("sound" if heard else "video")
            for writing in writings:
                writing.keep([*([failed] if failed else []), *notes], failed)
        finally:
            for writing in writings:
                writing.drop()
    headers = [header for part in parts if (header := store.header(content, part)) is not None]
    rows = max((header.rows for header in headers), default=0)
    reasons = dict.fromkeys(header.failed for header in headers if header.failed is not None)
    if reasons and not rows:
        raise CorpusError("footage must hold what can be decoded", found="; ".join(reasons), where=str(path))
    notes = dict.fromkeys(note for header in headers for note in header.notes)
    cues = tuple(media.cues(path, survey)) if survey.text is not None else None
    return Extracted(
        content=content, seconds=rows * STEP, computed=bool(missing), cues=cues, notes=(*survey.notes, *notes)
    )


def _hear(
    path: Path, survey: media.Survey, writings: list[Writing], damage: media.Damage, tell: Callable[[], None]
) -> None:
    listeners: list[Listener] = [listener_of(writing.part) for writing in writings]
    for step, rows in enumerate(listen(media.blocks(path, survey, damage), listeners), 1):
        for writing, row_F in zip(writings, rows, strict=True):
            writing.add(row_F)
        if step % TELL_EVERY == 0:
            tell()


def _see(
    path: Path,
    survey: media.Survey,
    writings: list[Writing],
    threads: int,
    damage: media.Damage,
    tell: Callable[[], None],
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
            tell()
