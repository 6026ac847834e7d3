"""Pickles of MMSA: text, audio, vision (N, T, F) with lengths and labels, in parts train, valid, test.

Source: Mao et al. 2022, "M-SENA: an integrated platform for multimodal sentiment analysis", and the loader of MMSA.
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

TARGETS = ("regression_labels", "classification_labels", "annotations")
TOKENS = "text_bert"
"""(N, 3, T): token numbers, mask, segments. The mask says how long the text is."""


def import_mmsa(path: Path, folder: Path, options: Options) -> Imported:
    """Write a pickle of MMSA as a corpus: scope item, one group per video, the published split.

    Args:
        path: the .pkl; it is read without unpickling.
        folder: is created; must not exist, or be empty.
        options: target: a key of labels, default ``regression_labels``; group: a key with one text per item; item:
            the key with ids, default ``id``; rates by modality for unaligned files.

    Returns:
        What was written. All keys of labels stay in the tables, so that corpus.yaml can name another.

    Raises:
        CorpusError: no such pickle, missing keys, arrays that do not fit together.
    """
    raw = read_parts(path, "MMSA")
    where = str(path)
    first = next(iter(raw.values()))
    there = [key for key in first if "labels" in key or key == "annotations"]
    target = chosen(options.target, there, TARGETS, "labels of clips", "--target", where)
    parts = [_part(side, part, there, options, path) for side, part in raw.items()]
    kept = {*there, *first.keys() & {options.item or "id", options.group}, *parts[0].arrays}
    kept |= {key for key in first if key.endswith("_lengths")}
    reasons = []
    for key in first:
        if key == TOKENS:
            reasons.append(
                sentence(
                    "{key}: numbers of tokens, which are not measurements; its mask gave the length of text", key=TOKENS
                )
            )
        elif key not in kept:
            reasons.append(sentence("{key}: no array (items, rows, columns)", key=key))
    return write_parts(parts, path, folder, options, [target], left_out=reasons)


def _part(side: str, part: Mapping[str, object], columns: list[str], options: Options, path: Path) -> Part:
    where = str(path)
    key = chosen(options.item, list(part), ("id", "ids"), f"ids of clips in part '{side}'", "--item", where)
    names = texts(part[key])
    if names is None:
        raise _no_texts(key, side, type(part[key]).__name__, where)
    groups: list[str | None] = [video_of(name) for name in names]
    if options.group is not None:
        given = texts(part[chosen(options.group, list(part), (), "groups", "--group", where)])
        if given is None or len(given) != len(names):
            found = "other objects" if given is None else f"{len(given)} for {len(names)} items"
            raise _no_texts(options.group, side, found, where)
        groups = list(given)
    others = {name: array for name, array in part.items() if name not in (TOKENS, *columns)}
    arrays = {
        name: array
        for name, array in others.items()
        if isinstance(array, np.ndarray) and array.ndim == 3 and array.dtype.kind in "fiu"
    }
    check_arrays(arrays, len(names), side, path)
    lengths, masks = {}, {}
    for name in arrays:
        given = part.get(f"{name}_lengths")
        if given is not None:
            lengths[name] = _numbers(given, len(names), f"{name}_lengths", side, where)
    tokens = part.get(TOKENS)
    text = arrays.get("text")
    if isinstance(tokens, np.ndarray) and text is not None and tokens.shape == (len(names), 3, text.shape[1]):
        masks["text"] = tokens[:, 1]
    labels = {column: _label(part.get(column), column, len(names), side, where) for column in columns}
    return Part(side, names, groups, arrays, masks, lengths, labels)


def _no_texts(key: str, side: str, found: str, where: str) -> CorpusError:
    return CorpusError(
        f"'{key}' of part '{side}' must hold one text per item",
        found=found,
        next_step="Name another key: --item KEY for ids, --group KEY for groups",
        where=where,
    )


def _numbers(values: Any, count: int, what: str, side: str, where: str) -> np.ndarray:
    try:
        numbers_N = np.asarray(values, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        numbers_N = np.empty(0)
    if len(numbers_N) != count or not np.isfinite(numbers_N).all() or (numbers_N < 0).any():
        raise CorpusError(
            f"'{what}' of part '{side}' must hold one number of rows per item",
            expected=f"{count} numbers from 0",
            found=f"{len(numbers_N)}",
            next_step="Compare the file with its original",
            where=where,
        )
    return numbers_N


def _label(values: Any, column: str, count: int, side: str, where: str) -> np.ndarray:
    words = texts(values)
    try:
        out_N = np.array(words) if words is not None else np.asarray(values).reshape(-1)
    except ValueError:
        out_N = np.empty(0)
    if out_N.dtype.kind not in "fiubU" or len(out_N) != count:
        raise CorpusError(
            f"'{column}' of part '{side}' must hold one label per item",
            expected=f"{count} numbers or texts",
            found=f"{out_N.dtype} of shape {out_N.shape}",
            next_step="Name another one: --target KEY",
            where=where,
        )
    if column.startswith("classification") and out_N.dtype.kind == "f" and np.array_equal(out_N, np.rint(out_N)):
        return out_N.astype(np.int64)
    return out_N
