"""NumPy archives and folders of .npy files: modalities (N, T, F), labels, groups, sides and lengths.

N items, T rows, F columns. Names: ``y`` or ``labels``; ``groups``; ``split``; ``items``; ``lengths_MODALITY``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers.gathering import LONG_TEXT, Gathering
from mmcore.data.importers.labels import chosen, finite
from mmcore.data.importers.rows import clock_of, same_rows
from mmcore.data.importers.sample import Imported, Options, Sample, Stream, some
from mmcore.data.importers.stored import StoredArray, open_arrays
from mmcore.data.sources.writing import new_corpus
from mmcore.errors import CorpusError
from mmcore.language import sentence

TARGETS = ("y", "labels", "label", "targets", "target")
GROUPS = ("groups", "group")
ITEMS = ("items", "item", "ids", "id", "names")
SPLITS = ("split", "splits")


def import_numpy(path: Path, folder: Path, options: Options) -> Imported:
    """Write arrays as a corpus.

    Arrays of numbers (N, T, F) are modalities. Labels are (N,) or (N, P): one per item; (N, T, P), or (N, T) where T is
    that of every modality: one per step. Without rates, rows are steps.

    Args:
        path: an .npz archive, or a folder of .npy files.
        folder: is created; must not exist, or be empty.
        options: target, group and item: names of arrays, defaults as this module says; rates by modality, for all or
            for none.

    Raises:
        CorpusError: see :func:`open_arrays`; no modality or label; arrays with different numbers of items; modalities
            with different numbers of rows and no rates.
    """
    where = str(path)
    arrays = open_arrays(path)
    target = chosen(options.target, list(arrays), TARGETS, "labels", "--target", where)
    count = arrays[target].shape[0] if arrays[target].shape else 0
    modalities = {
        name: array
        for name, array in arrays.items()
        if len(array.shape) == 3 and array.dtype.kind in "fiu" and name != target
    }
    _check_modalities(modalities, arrays, where)
    y = _Labels(arrays[target], modalities, where)
    clock = clock_of(list(modalities), options, where, target if y.scope == "step" else None)
    group = _optional(options.group, GROUPS, arrays, "--group", where)
    item = _optional(options.item, ITEMS, arrays, "--item", where)
    split = _optional(None, SPLITS, arrays, "", where)
    taken = {target, group, item, split, *modalities, *(f"lengths_{name}" for name in modalities)}
    conditions, reasons = _conditions(arrays, taken - {None}, count)
    named = {name: _texts(arrays[name], count, where) for name in (group, item, split, *conditions) if name}
    lengths = {name: _lengths(arrays, name, count, where) for name in modalities}
    for name in (target, *modalities):
        if arrays[name].shape[0] != count:
            raise _no_match(name, arrays[name], count, target, where)
    with new_corpus(folder) as partial:
        gathering = Gathering(partial, where)
        gathering.left_out.update(dict.fromkeys(reasons, 1))
        walks: dict[str, Iterator[np.ndarray]] = {name: array.items() for name, array in modalities.items()}
        for at, values in enumerate(y.array.items()):
            name = named[item][at] if item else f"item_{at:05d}"
            streams = {m: Stream(next(walk)[: lengths[m][at]]) for m, walk in walks.items()}
            if not options.rates:
                same_rows({m: len(stream.values_TF) for m, stream in streams.items()}, name, where)
            rows = max(len(stream.values_TF) for stream in streams.values())
            labels = y.columns(values, rows)
            if not finite(labels):
                gathering.left_out[sentence("item without a label")] += 1
                continue
            extra = {column: named[column][at] for column in conditions}
            side = named[split][at] if split else None
            gathering.add(Sample(name, named[group][at] if group else None, side, streams, labels, extra))
        return gathering.finish(
            folder, path.stem, y.names, scope=y.scope, step=clock.step, clocks=clock.keys,
            label_clock=clock.of_labels(target, y.scope), guessed=clock.notes,
        )  # fmt: skip


class _Labels:
    """How an array of labels is cut into columns."""

    def __init__(self, array: StoredArray, modalities: dict[str, StoredArray], where: str) -> None:
        rows = {one.shape[1] for one in modalities.values()}
        per_step = len(array.shape) == 3 or (len(array.shape) == 2 and rows == {array.shape[1]} and rows != {1})
        if not 1 <= len(array.shape) <= 3 or array.dtype.kind not in "fiubUS" or 0 in array.shape[1:]:
            raise CorpusError(
                f"labels '{array.name}' must be numbers or text, one or a few per item or per step",
                expected="(N,), (N, P), (N, T) or (N, T, P)",
                found=f"{array.dtype} of shape {array.shape}",
                next_step="Name another array: --target NAME",
                where=where,
            )
        self.array, self.scope = array, "step" if per_step else "item"
        width = 1 if len(array.shape) == 1 or (per_step and len(array.shape) == 2) else array.shape[-1]
        self.names = [array.name] if width == 1 else [f"{array.name}_{at}" for at in range(width)]

    def columns(self, values: np.ndarray, rows: int) -> dict[str, np.ndarray]:
        """The columns of one item; per step no more rows than its modalities have."""
        text = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
        table_TP = text.reshape(-1, len(self.names))[: rows if self.scope == "step" else None]
        return {name: np.ascontiguousarray(table_TP[:, at]) for at, name in enumerate(self.names)}


def _check_modalities(modalities: dict[str, StoredArray], arrays: dict[str, StoredArray], where: str) -> None:
    if not modalities:
        raise CorpusError(
            "a modality is an array of numbers (items, rows, columns)",
            found="; ".join(f"{name} {array.shape}" for name, array in arrays.items())[:200],
            next_step="Save a single column as x[:, :, None], and one vector per item as x[:, None, :]",
            where=where,
        )


def _optional(
    wanted: str | None, usual: tuple[str, ...], arrays: dict[str, StoredArray], option: str, where: str
) -> str | None:
    if wanted is None:
        return next((name for name in usual if name in arrays), None)
    return chosen(wanted, list(arrays), (), "", option, where)


def _texts(array: StoredArray, count: int, where: str) -> list[str]:
    """One text per item."""
    if array.shape not in ((count,), (count, 1)) or array.dtype.kind not in "fiubUS":
        raise CorpusError(
            f"array '{array.name}' must hold one entry per item",
            expected=f"shape ({count},)",
            found=f"{array.dtype} of shape {array.shape}",
            next_step="Save it with one entry per item, or name another one",
            where=where,
        )
    return [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array.whole().reshape(-1).tolist()
    ]


def _lengths(arrays: dict[str, StoredArray], modality: str, count: int, where: str) -> list[int | None]:
    array = arrays.get(f"lengths_{modality}")
    if array is None:
        return [None] * count
    rows = arrays[modality].shape[1]
    numbers = array.whole().reshape(-1) if array.dtype.kind in "iu" else np.empty(0, np.int64)
    if len(numbers) != count or (count and not (numbers.min() >= 0 and numbers.max() <= rows)):
        raise CorpusError(
            f"array '{array.name}' must hold a number of rows for every item",
            expected=f"{count} whole numbers from 0 to {rows}",
            found=f"{array.dtype} of shape {array.shape}"
            + (f", {numbers.min()} to {numbers.max()}" if len(numbers) else ""),
            next_step="Correct it, or leave it out where no row is padding",
            where=where,
        )
    return [int(number) for number in numbers]


def _conditions(arrays: dict[str, StoredArray], taken: set[Any], count: int) -> tuple[list[str], list[str]]:
    """Further arrays of one entry per item, and why others are left out."""
    kept, reasons = [], []
    for name, array in arrays.items():
        if name in taken:
            continue
        if array.shape != (count,) or array.dtype.kind not in "iubUS":
            reasons.append(
                sentence(
                    "{name}: {kind} of shape {shape} is neither a modality nor one entry per item",
                    name=name,
                    kind=array.dtype,
                    shape=array.shape,
                )
            )
        elif array.dtype.itemsize > LONG_TEXT * 4:
            reasons.append(sentence("{name}: text to read, no condition", name=name))
        else:
            kept.append(name)
    return kept, reasons


def _no_match(name: str, array: StoredArray, count: int, target: str, where: str) -> CorpusError:
    return CorpusError(
        "all arrays must have one entry per item",
        expected=f"{count} entries, as {some([target])} has",
        found=f"{array.shape[0]} in '{name}'",
        next_step="Save the arrays of the same items, or name other labels: --target NAME",
        where=where,
    )
