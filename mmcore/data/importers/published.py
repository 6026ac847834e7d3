"""Published arrays of clips, as MMSA and MulT ship them: parts train, valid, test of padded arrays (N, T, F)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers import padding
from mmcore.data.importers.gathering import Gathering
from mmcore.data.importers.labels import finite
from mmcore.data.importers.rows import STEP, number
from mmcore.data.importers.sample import SIDES, Imported, Options, Sample, Stream
from mmcore.data.sources.pickles import read_pickle
from mmcore.data.sources.writing import new_corpus
from mmcore.data.sources.written import WrittenClock
from mmcore.errors import CorpusError, nearest
from mmcore.language import sentence, sentence_of

_VIDEO = re.compile(r"(.+?)(?:\$_\$.*|\[[^\[\]]*\])")


@dataclass(frozen=True)
class Part:
    """One side of the published split.

    Args:
        side: as the file names it.
        names: of the N items.
        groups: what an item belongs to; None: itself.
        arrays: modality to (N, T, F).
        masks: modality to (N, T), not 0 where a row is real; for those that have one.
        lengths: modality to (N,) rows; for those that have them.
        labels: column to (N,).
    """

    side: str
    names: Sequence[str]
    groups: Sequence[str | None]
    arrays: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    lengths: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]


def read_parts(path: Path, kind: str) -> dict[str, Mapping[str, object]]:
    """The parts of a published pickle, by the names that the file gives them.

    Raises:
        CorpusError: see :func:`read_pickle`; no dictionary of such parts.
    """
    data = read_pickle(path)
    if not isinstance(data, dict):
        raise _other(path, kind, f"a {type(data).__name__}")
    parts = {str(side): part for side, part in data.items() if str(side).lower() in SIDES and isinstance(part, dict)}
    if not parts:
        raise _other(path, kind, "a dictionary of " + (", ".join(str(key) for key in data)[:100] or "nothing"))
    return {side: {str(key): value for key, value in part.items()} for side, part in parts.items()}


def _other(path: Path, kind: str, found: str) -> CorpusError:
    return CorpusError(
        f"a pickle of {kind} is a dictionary of the parts train, valid and test, each a dictionary of arrays",
        found=found,
        next_step="Save other layouts with numpy.savez, then: mmstudy data import numpy FILE --out DIR",
        where=str(path),
    )


def texts(values: Any) -> list[str] | None:
    """A list or array of text or bytes as text; None for anything else."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(listed, list | tuple):
        return None
    out = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in listed]
    return out if all(isinstance(value, str) for value in out) else None


def video_of(name: str) -> str | None:
    """The video that a clip was cut from: ``v`` of ``v$_$3`` and of ``v[3]``; None if the name holds none."""
    found = _VIDEO.fullmatch(name)
    return found[1] if found else None


def check_arrays(arrays: Mapping[str, np.ndarray], count: int, side: str, path: Path) -> None:
    """Refuse modalities that do not fit their part.

    Raises:
        CorpusError: no modality, or one with another number of items.
    """
    if not arrays:
        raise CorpusError(
            f"part '{side}' must hold at least one modality",
            expected="arrays (items, rows, columns) such as text, audio, vision",
            found="none",
            next_step="Save the arrays with these axes",
            where=str(path),
        )
    for name, array in arrays.items():
        if 0 in array.shape[1:]:
            raise CorpusError(
                f"array '{name}' of part '{side}' must have rows and columns",
                found=f"shape {array.shape}",
                next_step="Compare the file with its original",
                where=str(path),
            )
        if len(array) != count:
            raise CorpusError(
                f"all arrays of part '{side}' must have one entry per item",
                expected=f"{count}, as its ids or labels have",
                found=f"{len(array)} in '{name}'",
                next_step="Compare the file with its original",
                where=str(path),
            )


def write_parts(
    parts: Sequence[Part],
    path: Path,
    folder: Path,
    options: Options,
    targets: Sequence[str],
    *,
    classes: Mapping[str, Sequence[str]] | None = None,
    left_out: Sequence[str] = (),
    guessed: Sequence[str] = (),
) -> Imported:
    """Write parts as a corpus: padding removed, the published split kept.

    Where all modalities have the same rows in every item, rows are steps. Otherwise modalities with a rate have
    seconds; the others are spread evenly over their item, from its start to its end, since the file holds no times.

    Raises:
        CorpusError: see :class:`Gathering`; a rate for a modality that is not there.
    """
    modalities = list(dict.fromkeys(name for part in parts for name in part.arrays))
    for name in options.rates:
        if name not in modalities:
            raise CorpusError(
                f"--sampling-rate names '{name}', which is not there",
                next_step=nearest(name, modalities),
                where=str(path),
            )
    notes = list(guessed)
    ranges, range_notes = _ranges(parts)
    notes += range_notes
    aligned = not options.rates and _agree(parts, ranges)
    if aligned:
        ranges = [dict.fromkeys(one, padding.united(one)) for one in ranges]
    rows = {
        name: sum(int((one[name][:, 1] - one[name][:, 0]).sum()) for one in ranges if name in one)
        for name in modalities
    }
    sparse = min((name for name in modalities if rows[name]), key=lambda name: rows[name], default=modalities[0])
    with new_corpus(folder) as partial:
        gathering = Gathering(partial, str(path))
        gathering.left_out.update(dict.fromkeys(left_out, 1))
        padded = 0
        for part, one in zip(parts, ranges, strict=True):
            for at, name in enumerate(part.names):
                labels = {column: values[at : at + 1] for column, values in part.labels.items()}
                if not finite({target: labels[target] for target in targets}):
                    gathering.left_out[sentence("item without a label")] += 1
                    continue
                values = {m: array[at, slice(*one[m][at])] for m, array in part.arrays.items()}
                padded += sum(array.shape[1] - len(values[m]) for m, array in part.arrays.items())
                streams = {m: Stream(values[m]) for m in values} if aligned else _timed(values, options, sparse)
                gathering.add(Sample(name, part.groups[at], part.side, streams, labels))
        if padded:
            gathering.left_out[
                sentence_of(padded, "padding: 1 row at the end of an item", "padding: {n} rows at the ends of items")
            ] = 1
        if all(group is None for part in parts for group in part.groups):
            notes.append(
                sentence(
                    "the file names no videos, so every item is a group of its own, and clips of one video or speaker "
                    "may lie on both sides of drawn splits; fill the column group of items.csv"
                )
            )
        step, clocks, reference = _clocks(aligned, modalities, options, sparse, notes)
        return gathering.finish(
            folder, path.stem, targets, scope="item", step=step, clocks=clocks, reference=reference, classes=classes,
            guessed=notes,
        )  # fmt: skip


def _ranges(parts: Sequence[Part]) -> tuple[list[dict[str, np.ndarray]], list[str]]:
    """Ranges of real rows by part and modality, and what was assumed."""
    zeros = [{name: padding.zero_rows(array) for name, array in part.arrays.items()} for part in parts]
    bare = [
        {name: zero for name, zero in one.items() if name not in part.masks and name not in part.lengths}
        for part, one in zip(parts, zeros, strict=True)
    ]
    side = padding.padded_side({f"{at} {name}": zero for at, one in enumerate(bare) for name, zero in one.items()})
    out: list[dict[str, np.ndarray]] = []
    odd = 0
    for part, one in zip(parts, zeros, strict=True):
        ranges: dict[str, np.ndarray] = {}
        for name, zero_NT in one.items():
            if name in part.masks:
                ranges[name] = padding.ranges_of_mask(part.masks[name])
            elif name in part.lengths:
                ranges[name], count = padding.ranges_of_lengths(part.lengths[name], zero_NT)
                odd += count
            else:
                ranges[name] = padding.ranges_of_zeros(zero_NT, side)
        out.append(ranges)
    notes = []
    names = sorted({name for one in bare for name in one})
    if names:
        listed = ", ".join(names)
        notes.append(
            sentence(
                "{names}: no lengths in the file, so rows of zeros at the front of items are padding", names=listed
            )
            if side == "front"
            else sentence(
                "{names}: no lengths in the file, so rows of zeros at the end of items are padding", names=listed
            )
        )
    if odd:
        notes.append(
            sentence_of(
                odd,
                "1 array holds numbers beyond its length; the length counts",
                "{n} arrays hold numbers beyond their length; the length counts",
            )
        )
    return out, notes


def _agree(parts: Sequence[Part], ranges: Sequence[Mapping[str, np.ndarray]]) -> bool:
    """Whether rows of one place belong together in all modalities."""
    for part, one in zip(parts, ranges, strict=True):
        if len({array.shape[1] for array in part.arrays.values()}) > 1:
            return False
        counted = [one[name][:, 1] - one[name][:, 0] for name in part.lengths]
        if any((lengths_N != counted[0]).any() for lengths_N in counted):
            return False
    return True


def _timed(values: Mapping[str, np.ndarray], options: Options, sparse: str) -> dict[str, Stream]:
    """Streams whose times say where in the item each row lies."""
    rates = {name: options.hertz(name) for name in values}
    seconds = [len(values[name]) / rate for name, rate in rates.items() if rate and len(values[name])]
    # Without any rate the unit of time is a row of the sparsest modality.
    length = max(seconds) if seconds else float(len(values.get(sparse, ())) or max(map(len, values.values())))
    streams = {}
    for name, array in values.items():
        spread = {"time": np.arange(len(array)) * (length / max(len(array), 1))}
        streams[name] = Stream(array, {} if rates[name] else spread)
    return streams


def _clocks(
    aligned: bool, modalities: Sequence[str], options: Options, sparse: str, notes: list[str]
) -> tuple[float | None, dict[str, WrittenClock], str | None]:
    if aligned:
        return None, {}, None
    clocks: dict[str, WrittenClock] = {name: {"sampling_rate": number(rate)} for name, rate in options.rates.items()}
    bare = [name for name in modalities if name not in options.rates]
    if bare:
        notes.append(
            sentence(
                "{names}: no times in the file and no --sampling-rate, so rows are spread evenly from the start of an "
                "item to its end",
                names=", ".join(bare),
            )
        )
    if not options.rates:
        notes.append(
            sentence(
                "step 1 is one row of {modality}, the modality with the fewest rows; the file says no seconds",
                modality=sparse,
            )
        )
        return 1.0, clocks, sparse
    notes.append(sentence("step {step} s", step=STEP))
    return STEP, clocks, None
