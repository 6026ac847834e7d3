"""From a folder of footage, with or without timelines, to a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from experiments.footage.batch import Display, extract_all
from experiments.footage.corpus import Item, Written, check_target, write_corpus
from experiments.footage.edits import Edit, edit_of
from experiments.footage.features import Chosen
from experiments.footage.grid import STEP
from experiments.footage.listing import Clip, cues_beside, groups_of, subtitles_beside
from experiments.footage.messages import Broken, Extracted
from experiments.footage.store import FootageStore
from mmcore.data.importers.sample import Imported, some
from mmcore.data.sources.schema_file import read_schema
from mmcore.data.sources.writing import new_corpus
from mmcore.errors import CorpusError
from mmcore.language import number_of, say_of
from reports.numbers import about

MOST_LINES = 20
"""Lines about single files that are printed; the others are counted."""
Shown = Callable[[Sequence[Clip]], AbstractContextManager[Display]]
"""Makes a display of the work on files."""


@dataclass(frozen=True)
class Request:
    """What a user asks of an import.

    Args:
        clips: the files. features: what to compute, as in ``--features``. chosen: the same, looked up.
        timelines: a folder of editing timelines; None: none. target: columns to predict. like: the corpus whose
            targets are to be predicted; None: none. by_folder: whether the files of a folder are one group.
        workers: processes.
    """

    clips: tuple[Clip, ...]
    features: str
    chosen: Chosen
    timelines: Path | None = None
    target: str | None = None
    like: Path | None = None
    by_folder: bool = False
    workers: int = 1


def import_footage(folder: Path, out: Path, request: Request, store: FootageStore, shown: Shown) -> Imported:
    """Compute what is missing and write the corpus.

    Args:
        folder: of the footage, whose name becomes that of the corpus.

    Raises:
        CorpusError: no file can be used; ``out`` holds something already; see :func:`write_corpus`.
    """
    if request.target is not None:
        check_target(request.chosen, request.target)
    like = None if request.like is None else read_schema(request.like)
    with new_corpus(out) as partial:
        with shown(request.clips) as display:
            outcomes = extract_all(request.clips, request.features, store, request.workers, display)
        left_out = list(request.chosen.left_out)
        pairs = list(zip(request.clips, outcomes, strict=True))
        broken = [f"{clip.shown}: {found.reason}" for clip, found in pairs if isinstance(found, Broken)]
        whole = [(clip, found) for clip, found in pairs if isinstance(found, Extracted) and found.seconds]
        lacking = [clip.shown for clip, found in pairs if isinstance(found, Extracted) and not found.seconds]
        if lacking:
            left_out.append(
                f"{number_of(len(lacking), 'file')} without what {request.features} is computed from: {some(lacking)}"
            )
        if not whole:
            raise CorpusError(
                f"an import of footage needs at least one file of which {request.features} can be computed",
                found="; ".join([*broken[:3], *left_out[len(request.chosen.left_out) :]]),
                where=str(folder),
            )
        if broken:
            left_out.append(f"{len(broken)} of {number_of(len(pairs), 'file')} that cannot be decoded:")
            left_out += _few([f"  {line}" for line in broken])
        notes: list[str] = [f"{clip.shown}: {note}" for clip, found in whole for note in found.notes]
        groups = groups_of([clip for clip, _ in whole], [found.content for _, found in whole], request.by_folder)
        alike = sum(group not in (clip.item, clip.folder) for (clip, _), group in zip(whole, groups, strict=True))
        if alike:
            notes.append(
                say_of(
                    alike,
                    "1 file has the content of another one and shares its group",
                    "{n} files have the content of another one and share its group",
                )
            )
        items = []
        for (clip, found), group in zip(whole, groups, strict=True):
            edit = Edit(None) if request.timelines is None else edit_of(clip, found.seconds, request.timelines)
            if request.timelines is not None and edit.table_SF is None:
                left_out.append(f"{clip.shown}: {'; '.join(edit.notes)}")
                continue
            notes += [f"{clip.shown}: {note}" for note in edit.notes]
            items.append(Item(clip, found, group, _cues(clip, found, notes), edit.table_SF))
        if not items:
            raise CorpusError(
                "an import with timelines needs at least one that is read",
                expected="a timeline with the name of a file of footage: take.xml for take.mp4",
                found="; ".join(left_out[-3:]),
                where=str(request.timelines),
            )
        written = write_corpus(partial, folder.resolve().name, items, request.chosen, store, request.target, like)
    notes = [*request.chosen.guessed, *_few(notes)]
    return Imported(out, tuple(_wrote(written)), tuple(left_out), (), tuple(notes))


def _cues(clip: Clip, found: Extracted, notes: list[str]) -> tuple[tuple[float, float], ...] | None:
    """Of the file of subtitles beside a clip, else of those inside it."""
    beside = subtitles_beside(clip.path)
    if beside is None:
        return found.cues
    try:
        return cues_beside(beside)
    except CorpusError as error:
        notes.append(f"subtitles left out: {error}")
        return found.cues


def _wrote(written: Written) -> list[str]:
    lines = [f"{number_of(written.items, 'item')}, {about(written.seconds)} of footage, a row each {STEP} s"]
    for modality, columns in written.columns.items():
        absent = written.absent[modality]
        there = f", absent in {number_of(absent, 'item')}" if absent else ""
        lines.append(f"{modality}: {number_of(columns, 'column')}{there}")
    return [*lines, f"targets: {some(written.targets, 12)}"]


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"… and {number_of(more, 'more line')}"] if more > 0 else [])]
