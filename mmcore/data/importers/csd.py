"""Computational sequences of CMU-MultimodalSDK: HDF5 files with features and intervals by item.

``ROOT/data/ITEM/features`` (T, F) and ``ROOT/data/ITEM/intervals`` (T, 2) in seconds, ``ROOT/metadata``. Labels are
such a sequence, too. Items named ``video[3]`` are segments of a video. Source: Zadeh et al. 2018, "Multi-attention
recurrent network for human communication comprehension", and the files that its SDK writes.

T rows, F columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcore.data.importers.csd_file import Sequence as CsdSequence
from mmcore.data.importers.csd_file import open_sequence
from mmcore.data.importers.gathering import Gathering
from mmcore.data.importers.labels import finite
from mmcore.data.importers.published import video_of
from mmcore.data.importers.rows import STEP
from mmcore.data.importers.sample import Imported, Options, Sample, Stream, some
from mmcore.data.sources.writing import new_corpus
from mmcore.data.sources.written import WrittenClock
from mmcore.errors import CorpusError, nearest
from mmcore.language import sentence, sentence_of

MOSEI = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
"""Columns of the labels of CMU-MOSEI, in the order of the SDK's documentation."""
SEGMENT, WHOLE = "segment", "video"
"""Values of --item: an item for each label, or for each entry of the files."""


@dataclass(frozen=True)
class _Labels:
    """The sequence of labels: names of its columns, which one is predicted, and whether the names are a guess."""

    sequence: CsdSequence
    columns: tuple[str, ...]
    target: str
    note: str | None


def import_csd(paths: Sequence[Path], folder: Path, options: Options) -> Imported:
    """Write computational sequences as a corpus: each one a modality of segments with start and end.

    An item has the name of its entry. Where entries have several labels, each label holds for its interval (scope
    step), or with ``item: segment`` each label becomes an item (scope item), and the others' rows are cut at its ends.

    Args:
        paths: .csd files, or folders of them; one of them holds the labels.
        folder: is created; must not exist, or be empty.
        options: target: a column of the labels, or the name of their sequence; item: ``video`` or ``segment``.

    Raises:
        CorpusError: h5py is not installed; torn files; no or several sequences of labels; no common entries.
    """
    files = _files(paths)
    where = str(paths[0])
    for option, given in (("--group", options.group), ("--sampling-rate", options.rates)):
        if given:
            raise CorpusError(
                f"{option} has no meaning for csd",
                expected="groups are the videos, and intervals say when rows are",
                next_step="Leave it out",
                where=where,
            )
    if options.item not in (None, SEGMENT, WHOLE):
        raise CorpusError(
            f"--item of csd is {SEGMENT} or {WHOLE}",
            found=repr(options.item)[:60],
            next_step=nearest(options.item, (SEGMENT, WHOLE)),
            where=where,
        )
    with ExitStack() as stack:
        sequences = [stack.enter_context(open_sequence(path)) for path in files]
        twice = [name for name, count in Counter(one.name for one in sequences).items() if count > 1]
        if twice:
            raise CorpusError(
                "each computational sequence has a name of its own",
                found=f"'{twice[0]}' in two files",
                next_step="Keep one of them",
                where=where,
            )
        labels = _labels(sequences, options, where)
        streams = [one for one in sequences if one is not labels.sequence]
        with new_corpus(folder) as partial:
            gathering = Gathering(partial, where)
            names = _common(labels.sequence, streams, gathering, where)
            several = any(len(_read_labels(labels, name)[1]) > 1 for name in names)
            cut = options.item == SEGMENT
            per_step = several and not cut
            for name in names:
                for sample in _samples(name, labels, streams, cut, per_step, gathering):
                    gathering.add(sample)
            notes = [sentence("step {step} s", step=STEP), *([labels.note] if labels.note else [])]
            if per_step:
                notes.append(
                    sentence(
                        "a label holds for its interval; --item {segment} makes an item of each, which is the usual "
                        "choice",
                        segment=SEGMENT,
                    )
                )
            times: WrittenClock = {"start": "start", "end": "end"}
            return gathering.finish(
                folder, folder_title(paths[0]), [labels.target], scope="step" if per_step else "item", step=STEP,
                clocks={one.name: times for one in streams}, label_clock=times if per_step else {}, guessed=notes,
            )  # fmt: skip


def folder_title(path: Path) -> str:
    """A corpus's name after its source."""
    return path.resolve().stem or "corpus"


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.csd")) if path.is_dir() else [path]
    if len(files) < 2:
        raise CorpusError(
            "an import of computational sequences needs labels and at least one modality",
            expected="a folder with two .csd files or more, or their paths",
            found=", ".join(file.name for file in files) or "none",
            next_step="Name the folder where the SDK stored them",
            where=str(paths[0]),
        )
    return files


def _labels(sequences: Sequence[CsdSequence], options: Options, where: str) -> _Labels:
    """The sequence of labels: the one that is named so, or that --target names."""
    named = [one for one in sequences if one.name == options.target]
    found = named or [one for one in sequences if re.search("label|opinion", one.name, re.IGNORECASE)]
    if len(found) != 1:
        raise CorpusError(
            "one computational sequence must hold the labels",
            expected="one whose name has the word label",
            found=" and ".join(one.name for one in found or sequences)[:200],
            next_step="Name it: --target NAME",
            where=where,
        )
    sequence = found[0]
    first = next((read for item in sequence.items if (read := sequence.read(item)) is not None), None)
    if first is None:
        raise CorpusError(
            "labels must be numbers",
            found="text, or no entry",
            next_step="Name another sequence: --target NAME",
            where=str(sequence.path),
        )
    width = first[0].shape[1]
    note = None
    if sequence.dimensions is not None and len(set(sequence.dimensions)) == width == len(sequence.dimensions):
        columns = sequence.dimensions
    elif width == len(MOSEI):
        columns, note = MOSEI, sentence("7 columns of labels are those of CMU-MOSEI: {names}", names=", ".join(MOSEI))
    else:
        columns = ("label",) if width == 1 else tuple(f"label_{at}" for at in range(width))
    target = columns[0] if named or options.target is None else options.target
    if target not in columns:
        raise CorpusError(
            f"--target names '{target}', which is neither a column of the labels nor a sequence",
            next_step=nearest(target, [*columns, *(one.name for one in sequences)]),
            where=where,
        )
    return _Labels(sequence, columns, target, note)


def _common(labels: CsdSequence, streams: Sequence[CsdSequence], gathering: Gathering, where: str) -> list[str]:
    """Entries that have labels and a modality, in the order of the labels."""
    there = [set(one.items) for one in streams]
    names = [name for name in labels.items if any(name in items for items in there)]
    without = set().union(*there) - set(labels.items)
    if without:
        gathering.left_out[
            sentence_of(
                len(without),
                "1 entry without a label: {names}",
                "{n} entries without a label: {names}",
                names=some(sorted(without)),
            )
        ] = 1
    bare = [name for name in labels.items if name not in names]
    if bare:
        gathering.left_out[
            sentence_of(
                len(bare),
                "1 label without any modality: {names}",
                "{n} labels without any modality: {names}",
                names=some(bare),
            )
        ] = 1
    if not names:
        raise CorpusError(
            "labels and modalities must have common entries",
            found=f"labels of {some(list(labels.items), 2)}, '{streams[0].name}' of {some(list(streams[0].items), 2)}",
            next_step="Align all of them to the labels with the SDK, or none of them",
            where=where,
        )
    return names


def _read_labels(labels: _Labels, name: str) -> tuple[np.ndarray, np.ndarray]:
    read = labels.sequence.read(name)
    if read is None or read[0].shape[1] != len(labels.columns):
        raise CorpusError(
            "all entries of the labels must have the same columns",
            expected=f"{len(labels.columns)} numbers a row",
            found="text" if read is None else f"{read[0].shape[1]} in '{name}'",
            next_step="Compare the file with its original",
            where=str(labels.sequence.path),
        )
    return read


def _samples(
    name: str, labels: _Labels, streams: Sequence[CsdSequence], cut: bool, per_step: bool, gathering: Gathering
) -> Iterator[Sample]:
    values_LC, intervals_L2 = _read_labels(labels, name)
    read = {}
    for one in streams:
        if name not in one.items:
            continue
        pair = one.read(name)
        if pair is None:
            gathering.left_out[sentence("{name}: holds text and no numbers", name=one.name)] = 1
        elif not (pair[1][:, 1] > pair[1][:, 0]).any():
            gathering.left_out[sentence("entry of {name} without an interval that lasts", name=one.name)] += 1
        else:
            read[one.name] = pair
    group = video_of(name) or name
    if not cut:
        columns = {column: values_LC[:, at] for at, column in enumerate(labels.columns)}
        if per_step:
            columns = {"start": intervals_L2[:, 0], "end": intervals_L2[:, 1], **columns}
        if finite({labels.target: columns[labels.target]}):
            yield Sample(name, group, None, {m: _stream(*pair) for m, pair in read.items()}, columns)
        else:
            gathering.left_out[sentence("entry without a label")] += 1
        return
    for at, (start, end) in enumerate(intervals_L2):
        columns = {column: values_LC[at : at + 1, place] for place, column in enumerate(labels.columns)}
        if not finite({labels.target: columns[labels.target]}) or not end > start:
            gathering.left_out[sentence("segment without a label, or that ends before it starts")] += 1
            continue
        pieces = {}
        for modality, (values_TF, times_T2) in read.items():
            inside_T = (times_T2[:, 0] < end) & (times_T2[:, 1] > start)
            times = np.clip(times_T2[inside_T], start, end) - start
            pieces[modality] = _stream(values_TF[inside_T], times)
        yield Sample(name if len(intervals_L2) == 1 else f"{name}[{at}]", group, None, pieces, columns)


def _stream(values_TF: np.ndarray, times_T2: np.ndarray) -> Stream:
    return Stream(values_TF, {"start": times_T2[:, 0], "end": times_T2[:, 1]})
