"""A corpus from what lies in memory: frames and arrays in, a corpus folder of format 1 out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mmcore.complaints import complaint
from mmcore.data.sources.folder import content_key
from mmcore.data.sources.frame_clock import check_timed, clock_of, seconds_of_items, step_of
from mmcore.data.sources.frame_items import Listed, list_items
from mmcore.data.sources.frame_kinds import Column, features_of, kind_of, parameters_of
from mmcore.data.sources.frame_tables import RawTable, read_tables
from mmcore.data.sources.frame_targets import OwnTargets, own_targets, shared_targets
from mmcore.data.sources.given import Data, Faults, ModalityData, TargetData, plain, suggest
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.data.sources.written import WrittenCorpus, WrittenModality, WrittenTargets
from mmcore.errors import CorpusError
from mmcore.files import read_bytes, unopened
from mmcore.schema import CorpusSchema

MADE = "made.json"
"""In the folder of a corpus that was written from memory: from which data, and the content key at that time."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A corpus that is checked and not yet written.

    Args:
        schema: the contents of corpus.yaml.
        items: the contents of items.csv.
        tables: modality (or targets) to item to column to values.
    """

    schema: WrittenCorpus
    items: Listed
    tables: dict[str, dict[str, dict[str, np.ndarray]]]

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits over all that would be written; equal data give equal keys."""
        whole = hashlib.blake2b(digest_size=16)
        whole.update(json.dumps([self.schema, self.items.header, self.items.rows]).encode())
        for name, tables in self.tables.items():
            for item, columns in tables.items():
                for column, values_T in columns.items():
                    head = json.dumps([name, item, column, values_T.dtype.str, len(values_T)])
                    text = values_T.dtype == object
                    data = json.dumps(values_T.tolist()).encode() if text else np.ascontiguousarray(values_T).tobytes()
                    whole.update(head.encode() + data)
        return whole.hexdigest()


def draft_corpus(
    items: Any,
    modalities: Mapping[Any, Any],
    targets: Any,
    *,
    name: str = "corpus",
    step: float | None = None,
    reference: str | None = None,
) -> Draft:
    """Check everything that was handed over, and lay it out as format 1 has it.

    Args:
        items, modalities, targets, step, reference: see :meth:`experiments.corpus.Corpus.from_frames`.

    Raises:
        CorpusError: what is wrong, all of it in one message, with modality and item.
    """
    faults = Faults()
    if not isinstance(modalities, Mapping) or not modalities:
        faults.add(
            "modalities must be a mapping of name to tables",
            found="an empty one" if isinstance(modalities, Mapping) else f"a {type(modalities).__name__}",
            next_step='Write modalities={"audio": {"first": frame}}',
        )
        faults.stop()
    given: dict[str, Data] = {
        plain(key): one if isinstance(one, ModalityData) else ModalityData(one) for key, one in modalities.items()
    }
    raw = {key: read_tables(data, key, faults) for key, data in given.items()}
    target = targets if isinstance(targets, TargetData) else TargetData(targets)
    own: OwnTargets | None = None
    if not isinstance(target.tables, str):
        own = own_targets(target, {item for tables in raw.values() for item in tables}, faults)
        if own.name in given:
            faults.add(
                "targets need another name than a modality",
                name=own.name,
                next_step='Name the table: TargetData(tables, name="labels")',
            )
            faults.stop()
        raw[own.name] = own.tables
        given[own.name] = target
    listed = list_items(items, raw, faults)
    faults.stop()

    per_item = {own.name: raw.pop(own.name)} if own is not None and own.scope == "item" else {}
    raw = seconds_of_items(raw, given, faults)
    if step is None:
        step = step_of(raw, given, own.name if own else plain(target.tables), faults)
    check_timed(raw, given, step, faults)
    raw |= per_item
    columns = {key: _columns(key, tables, given[key], faults) for key, tables in raw.items()}
    streams: dict[str, WrittenModality] = {}
    for key in map(plain, modalities):
        data = given[key]
        features = features_of(key, columns[key], data, faults)
        if isinstance(data, ModalityData) and data.storage != "float32":
            streams[key] = {**clock_of(data, raw[key]), "storage": data.storage, "features": features}
        else:
            streams[key] = {**clock_of(data, raw[key]), "features": features}
    predicted: WrittenTargets | None
    if own is None:
        predicted = shared_targets(target, columns.get(plain(target.tables)), list(streams), faults)
    else:
        clock = clock_of(target, own.tables)
        parameters = parameters_of(columns[own.name], target)
        predicted = {"from": own.name, "scope": own.scope, **clock, "parameters": parameters}
    faults.stop()
    assert predicted is not None
    schema: WrittenCorpus = {
        "format": 1, "name": name, "step": step, "reference": reference, "modalities": streams, "targets": predicted,
    }  # fmt: skip
    _validate(schema, faults)
    faults.stop()
    return Draft(schema, listed, {key: _written(tables, columns[key]) for key, tables in raw.items()})


def _columns(name: str, tables: Mapping[str, RawTable], data: Data, faults: Faults) -> list[Column]:
    """The columns of a modality or of targets, the same in every table."""
    item, first = next(iter(tables.items()), ("", None))
    if first is None:
        return []
    for other, table in tables.items():
        odd = sorted(set(first.columns) ^ set(table.columns))
        if odd:
            holds, lacks = (item, other) if odd[0] in first.columns else (other, item)
            faults.add(
                "all tables must have the same columns",
                name=name,
                item=other,
                found=f"'{odd[0]}' in item '{holds}' and not in item '{lacks}'",
                next_step="Add it, empty (NaN) where it has no value, or choose columns with ModalityData(columns=[…])",
            )
            return []
    if not first.columns:
        faults.add("a table must have a column besides its times", name=name, item=item)
    for column in first.columns:
        if re.search(r"\{\d+\.\.\d+\}", column):
            faults.add(
                f"column '{column}' must not look like a range of columns", name=name, next_step="Rename it, without {}"
            )
    for option, names in _named(data).items():
        for unknown in sorted(names - set(first.columns)):
            faults.add(
                f"{option} names column '{unknown}', which is not there",
                name=name,
                next_step=suggest(unknown, list(first.columns)),
            )
    return [
        kind_of(name, column, {item: table.columns[column] for item, table in tables.items()}, data, faults)
        for column in first.columns
    ]


def _named(data: Data) -> dict[str, set[str]]:
    """The columns that each option speaks of."""
    found = {"labels": set(data.labels), "units": set(data.units)}
    found |= {"kinds": set(data.kinds) if isinstance(data.kinds, Mapping) else set()}
    found |= {"resample": set(data.resample) if isinstance(data.resample, Mapping) else set()}
    if isinstance(data, TargetData):
        found |= {"components": set(data.components), "when": set(data.when)}
    return found


def _written(tables: Mapping[str, RawTable], columns: Sequence[Column]) -> dict[str, dict[str, np.ndarray]]:
    """What each file holds; a column of class names without any is text as well."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for item, table in tables.items():
        found[item] = dict(table.times)
        for column in columns:
            cells = table.columns[column.name]
            named = column.labels is not None and cells.form == "empty"
            found[item][column.name] = np.full(len(cells.values_T), None, object) if named else cells.values_T
    return found


def _validate(schema: WrittenCorpus, faults: Faults) -> None:
    """What the format itself says about it."""
    try:
        CorpusSchema.model_validate(schema)
    except ValidationError as error:
        for one in error.errors():
            place = ".".join(str(part) for part in one["loc"])
            faults.add(complaint(one), name=place, found=repr(one["input"])[:80])


def write_draft(draft: Draft, folder: Path) -> Path:
    """Write a corpus; where the folder holds this very corpus already, it stays as it is.

    Raises:
        CorpusError: the folder holds something else, or what was written there has been changed since.
    """
    made = folder / MADE
    if made.is_file():
        try:
            content = json.loads(read_bytes(made))
            same = content["key"] == draft.key
            untouched = content_key(folder) == content["content"]
        except OSError as problem:
            raise unopened(CorpusError, "what mmstudy wrote of the corpus", made, problem) from None
        except (ValueError, KeyError, TypeError, CorpusError):
            same, untouched = True, False
        if same and untouched:
            return folder
        if same:
            raise CorpusError(
                "the corpus of these data was changed after it was written",
                next_step="Open it as it is with Corpus.open, or delete it to have it written again",
                where=str(folder),
            )
        raise CorpusError(
            "a corpus is written into a new folder",
            found="a corpus of other data",
            next_step="Name another folder, delete this one, or leave folder out",
            where=str(folder),
        )
    with new_corpus(folder) as partial:
        write_yaml(partial / "corpus.yaml", draft.schema)
        write_items(partial, draft.items.header, draft.items.rows)
        for name, tables in draft.tables.items():
            for item, columns in tables.items():
                write_table(partial / name / f"{item}.parquet", columns)
        content = {"key": draft.key, "content": content_key(partial)}
        (partial / MADE).write_text(json.dumps(content), encoding="utf-8")
    return folder
