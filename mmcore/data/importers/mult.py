"""Pickles of MulT: vision, audio, text (N, T, F), labels and ids, in parts train, valid, test.

Source: Tsai et al. 2019, "Multimodal transformer for unaligned multimodal language sequences", and its data loader.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers.labels import chosen
from mmcore.data.importers.published import Part, check_arrays, read_parts, texts, video_of, write_parts
from mmcore.data.importers.sample import Imported, Options
from mmcore.errors import CorpusError
from mmcore.language import sentence

EMOTIONS = ("neutral", "happy", "sad", "angry")
"""The order of MulT's IEMOCAP labels, as its metrics have it."""


def import_mult(path: Path, folder: Path, options: Options) -> Imported:
    """Write a pickle of MulT as a corpus: scope item, one group per video, the published split.

    Labels (N, 1, 1) are a number; (N, K, 2) are K yes or no, as for the four emotions of IEMOCAP.

    Args:
        path: the .pkl; it is read without unpickling.
        folder: is created; must not exist, or be empty.
        options: target: a column of labels, default all; item: the key with ids, default ``id``; rates by modality for
            unaligned files.

    Raises:
        CorpusError: no such pickle, missing keys, arrays that do not fit together.
    """
    if options.group is not None:
        raise CorpusError(
            "--group has no meaning for mult",
            expected="ids that name the video",
            next_step="Leave it out, and change the column group of items.csv afterwards",
            where=str(path),
        )
    raw = read_parts(path, "MulT")
    guessed: list[str] = []
    parts = [_part(side, part, options, path) for side, part in raw.items()]
    columns = list(parts[0].labels)
    if columns == list(EMOTIONS):
        guessed.append(
            sentence("labels are the emotions of IEMOCAP in MulT's order: {names}", names=", ".join(EMOTIONS))
        )
    targets = [chosen(options.target, columns, (), "labels", "--target", str(path))] if options.target else columns
    key = options.item or "id"
    kept = {*parts[0].arrays, "labels", key}
    reasons = [
        sentence("{key}: no array (items, rows, columns)", key=name)
        for name in next(iter(raw.values()))
        if name not in kept
    ]
    if any(key not in part for part in raw.values()):
        reasons.append(sentence("ids: the file has no '{key}', so items are numbered", key=key))
    return write_parts(parts, path, folder, options, targets, left_out=reasons, guessed=guessed)


def _part(side: str, part: Mapping[str, object], options: Options, path: Path) -> Part:
    where = str(path)
    arrays = {
        name: array
        for name, array in part.items()
        if isinstance(array, np.ndarray) and array.ndim == 3 and array.dtype.kind in "fiu" and name != "labels"
    }
    labels = _labels(part.get("labels"), side, where)
    count = len(next(iter(labels.values())))
    check_arrays(arrays, count, side, path)
    ids = part.get(options.item or "id")
    if ids is None and options.item is not None:
        chosen(options.item, list(part), (), "ids", "--item", where)
    names, groups = _names(ids, side, count, where)
    return Part(side, names, groups, arrays, {}, {}, labels)


def _labels(values: Any, side: str, where: str) -> dict[str, np.ndarray]:
    array = values if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" else None
    if array is None or not 1 <= array.ndim <= 3 or not len(array) or 0 in array.shape:
        raise CorpusError(
            f"part '{side}' must hold an array of labels",
            expected="labels of shape (N, 1, 1), or (N, K, 2) for K yes or no",
            found="none" if values is None else f"{type(values).__name__} of shape {getattr(values, 'shape', '?')}",
            next_step="Compare the file with its original",
            where=where,
        )
    labels_NKV = array.reshape(len(array), -1, 1) if array.ndim < 3 else array
    if labels_NKV.shape[2] > 1:
        codes_NK = labels_NKV.argmax(axis=2)
        names = EMOTIONS if labels_NKV.shape[1:] == (4, 2) else [f"label_{at}" for at in range(codes_NK.shape[1])]
        return {name: codes_NK[:, at] for at, name in enumerate(names)}
    wide = labels_NKV.shape[1]
    return {"label" if wide == 1 else f"label_{at}": labels_NKV[:, at, 0] for at in range(wide)}


def _names(ids: Any, side: str, count: int, where: str) -> tuple[list[str], list[str | None]]:
    """Names of clips and their videos: from (video, start, end), or from one text each."""
    if ids is None:
        return [f"{side}_{at:05d}" for at in range(count)], [None] * count
    listed = ids.tolist() if isinstance(ids, np.ndarray) else ids
    if not isinstance(listed, list | tuple) or not listed:
        rows = None
    elif isinstance(listed[0], list | tuple):
        rows = [texts([str(cell) if isinstance(cell, int | float) else cell for cell in row]) for row in listed]
    else:
        single = texts([str(cell) if isinstance(cell, int | float) else cell for cell in listed])
        rows = None if single is None else [[name] for name in single]
    if rows is None or len(rows) != count or not all(rows):
        raise CorpusError(
            f"ids of part '{side}' must name every item",
            expected=f"{count} × (video, start, end), or {count} texts",
            found=f"{type(ids).__name__} of shape {getattr(ids, 'shape', '?')}",
            next_step="Compare the file with its original",
            where=where,
        )
    names, groups = [], []
    for row in rows:
        assert row is not None
        names.append(f"{row[0]}[{'-'.join(row[1:])}]" if len(row) > 1 else row[0])
        groups.append(row[0] if len(row) > 1 else video_of(row[0]))
    return names, groups
