"""Folders of Hugging Face ``datasets``: sequences become modalities, scalars labels, groups, names and conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmcore.data.importers.arrow_files import Shard, features_of, find_shards, opened
from mmcore.data.importers.gathering import LONG_TEXT, Gathering
from mmcore.data.importers.labels import chosen, finite
from mmcore.data.importers.rows import clock_of, same_rows
from mmcore.data.importers.sample import SIDES, Imported, Options, Sample, Stream, check_claim
from mmcore.data.sources.writing import new_corpus
from mmcore.errors import CorpusError
from mmcore.language import sentence

TARGETS = ("label", "labels", "target", "y")
GROUPS = ("group", "groups")
ITEMS = ("item", "id", "name")


@dataclass
class _Plan:
    """What becomes of each column."""

    target: str
    scope: str
    modalities: list[str]
    group: str | None
    item: str | None
    conditions: list[str]
    classes: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def import_datasets(path: Path, folder: Path, options: Options) -> Imported:
    """Write a dataset as a corpus: a row is an item.

    Columns of lists of numbers are modalities with one column, lists of lists and ``Array2D`` modalities (rows,
    columns). A target that is a scalar has scope item, one that is a list has one label per step. Names of a
    ``ClassLabel`` become names of classes.

    Args:
        path: a folder of ``save_to_disk``, of Parquet files, or one such file.
        folder: is created; must not exist, or be empty.
        options: target, group and item: columns; rates by modality, for all or for none.

    Raises:
        CorpusError: torn files, no modality or label, shards with other columns, modalities with different numbers of
            rows and no rates.
    """
    where = str(path)
    shards = find_shards(path)
    with opened(shards[0].path) as (schema, _):
        columns = {field.name: storage_of(field.type) for field in schema}
    plan = _plan(columns, features_of(shards), options, where)
    clock = clock_of(plan.modalities, options, where, plan.target if plan.scope == "step" else None)
    unknown = sorted({shard.split for shard in shards if shard.split and shard.split.lower() not in SIDES})
    with new_corpus(folder) as partial:
        gathering = Gathering(partial, where)
        gathering.left_out.update(dict.fromkeys(plan.left_out, 1))
        for name in unknown:
            gathering.left_out[sentence("split '{name}': not train, validation or test", name=name)] = 1
        at = 0
        for shard in shards:
            if shard.split in unknown:
                continue
            for row in _rows(shard, columns, plan):
                sample = _sample(row, at, shard, plan, where)
                at += 1
                if not options.rates:
                    same_rows({m: len(s.values_TF) for m, s in sample.streams.items()}, sample.name, where)
                if finite(sample.labels):
                    gathering.add(sample)
                else:
                    gathering.left_out[sentence("item without a label")] += 1
        return gathering.finish(
            folder, path.stem, [plan.target], scope=plan.scope, step=clock.step, clocks=clock.keys,
            label_clock=clock.of_labels(plan.target, plan.scope), classes=plan.classes, guessed=clock.notes,
        )  # fmt: skip


def storage_of(kind: pa.DataType) -> pa.DataType:
    """The plain type below an extension such as ``Array2D``."""
    return storage_of(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def depth_of(kind: pa.DataType) -> int | None:
    """0 for a number, 1 for a list of numbers, 2 for a list of lists; None for what holds anything else."""
    kind, depth = storage_of(kind), 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = storage_of(kind.value_type), depth + 1
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return depth if number else None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _plan(columns: Mapping[str, pa.DataType], features: Mapping[str, Any], options: Options, where: str) -> _Plan:
    scalars = [name for name, kind in columns.items() if depth_of(kind) == 0 or _is_text(kind)]
    fit = [name for name, kind in columns.items() if depth_of(kind) in (0, 1) or _is_text(kind)]
    if options.target is None:
        # A list of numbers is a modality unless the user says that it is the target.
        target = chosen(None, scalars, TARGETS, "a column of labels", "--target", where)
    else:
        target = chosen(options.target, fit, (), "labels", "--target", where)
    group = chosen(options.group, scalars, (), "", "--group", where) if options.group else _first(scalars, GROUPS)
    item = chosen(options.item, scalars, (), "", "--item", where) if options.item else _first(scalars, ITEMS)
    taken = {target, group, item}
    plan = _Plan(target, "step" if depth_of(columns[target]) == 1 else "item", [], group, item, [])
    for name, kind in columns.items():
        said = features.get(name)
        names = _class_names(said)
        if names is not None:
            plan.classes[name] = names
        if name in taken:
            continue
        if depth_of(kind) in (1, 2):
            plan.modalities.append(name)
        elif name in scalars:
            plan.conditions.append(name)
        else:
            plan.left_out.append(
                sentence(
                    "{name}: {kind} is neither numbers (rows, columns) nor a scalar", name=name, kind=str(kind)[:60]
                )
            )
    if not plan.modalities:
        raise CorpusError(
            "a modality is a column of lists of numbers, or of lists of lists",
            found=", ".join(f"{name} {kind}" for name, kind in columns.items())[:200],
            next_step="Map audio, images or text to features first, and save the dataset again",
            where=where,
        )
    return plan


def _first(names: list[str], usual: tuple[str, ...]) -> str | None:
    return next((name for name in usual if name in names), None)


def _class_names(said: Any) -> list[str] | None:
    """Names of a ``ClassLabel``, or of a list of them."""
    while isinstance(said, dict | list):
        if isinstance(said, list):
            said = said[0] if said else None
        elif said.get("_type") == "ClassLabel":
            names = said.get("names")
            return [str(name) for name in names] if isinstance(names, list) and names else None
        else:
            said = said.get("feature")
    return None


def _rows(shard: Shard, columns: Mapping[str, pa.DataType], plan: _Plan) -> Iterator[dict[str, pa.Scalar]]:
    wanted = [plan.target, *plan.modalities, *plan.conditions, *(name for name in (plan.group, plan.item) if name)]
    with opened(shard.path) as (schema, batches):
        for name in dict.fromkeys(wanted):
            if name not in schema.names or storage_of(schema.field(name).type) != columns[name]:
                raise CorpusError(
                    f"all files of a dataset must have column '{name}' of type {columns[name]}"[:160],
                    found=str(schema.field(name).type)[:80] if name in schema.names else ", ".join(schema.names)[:160],
                    next_step="Save the dataset again",
                    where=str(shard.path),
                )
        for batch in batches:
            parts = {name: batch.column(name) for name in dict.fromkeys(wanted)}
            for at in range(batch.num_rows):
                yield {name: column[at] for name, column in parts.items()}


def _sample(row: Mapping[str, pa.Scalar], at: int, shard: Shard, plan: _Plan, where: str) -> Sample:
    name = _text(row[plan.item]) if plan.item else ""
    name = name or f"{shard.split or 'item'}_{at:05d}"
    streams = {}
    for modality in plan.modalities:
        values_TF = _table(row[modality], modality, name, where)
        if values_TF is not None:
            streams[modality] = Stream(values_TF)
    target = row[plan.target]
    values = target.as_py()
    cells = (values or []) if plan.scope == "step" else [values]
    if _is_text(target.type):
        label = np.array([cell or "" for cell in cells])
    elif any(cell is None for cell in cells) or pa.types.is_floating(getattr(target.type, "value_type", target.type)):
        label = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
    else:
        label = np.array(cells, np.int64 if all(abs(cell) < 1 << 53 for cell in cells) else np.float64)
    conditions = {}
    for column in plan.conditions:
        text = _text(row[column])
        names = plan.classes.get(column)
        if names and text.isdecimal() and int(text) < len(names):
            text = names[int(text)]
        conditions[column] = text[:LONG_TEXT]
    group = _text(row[plan.group]) if plan.group else None
    return Sample(name, group, shard.split, streams, {plan.target: label}, conditions)


def _text(cell: pa.Scalar) -> str:
    value = cell.as_py()
    return "" if value is None else str(value).strip()


def _table(cell: pa.Scalar, modality: str, item: str, where: str) -> np.ndarray | None:
    """A cell as (rows, columns) float32; None where it is null. Null numbers are NaN."""
    values: Any = cell.value if isinstance(cell, pa.ExtensionScalar) else cell
    values = values.values if values is not None and values.is_valid else None
    if values is None:
        return None
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    rows = len(values)
    width = 1
    if depth_of(values.type):
        if values.null_count:
            raise _ragged(modality, item, "a row that is null", where)
        widths = np.unique(pc.call_function("list_value_length", [values]).to_numpy(zero_copy_only=False))
        if len(widths) > 1:
            raise _ragged(modality, item, f"rows of {widths[0]} to {widths[-1]} numbers", where)
        width = int(widths[0]) if len(widths) else 0
        check_claim((rows, width), 4, f"'{modality}' of item '{item}'", where)
        values = values.flatten()
    numbers = values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float32).reshape(rows, width) if rows and width else None


def _ragged(modality: str, item: str, found: str, where: str) -> CorpusError:
    return CorpusError(
        f"every row of modality '{modality}' must have the same columns",
        found=f"{found} in item '{item}'",
        next_step="Correct the column, and save the dataset again",
        where=where,
    )
