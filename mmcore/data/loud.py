"""Cells far outside their column's usual range over all items: sentinels such as −99999, and faults of a sensor.

N grid steps of all items, S steps of one, T rows of a table, F columns, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.data.normalisation import counted_targets, usual_targets, usual_values
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import FolderSource
from mmcore.data.usual import Usual
from mmcore.quality import QualityRow

NAMED_COLUMNS = 3
"""Loud columns named in a row of the quality report; all are counted."""


@dataclass(frozen=True)
class _Suspect:
    """An item whose cells on the grid are loud in some column; ``columns`` and ``usual`` are of these alone."""

    item: str
    table: str
    columns: list[int]
    names: list[str]
    usual: Usual


def mark_loud(source: FolderSource, prepared: Prepared, quality: Sequence[QualityRow]) -> list[QualityRow]:
    """The quality rows with ``loud`` and ``loud_values``, and with a warning that says what to do.

    The usual range is computed from all items together, on the grid, so an item with nothing but sentinels is found.
    Only the tables of items with loud cells are read again, for their original values and times.

    Args:
        source: the corpus.
        prepared: its store, with arrays that are whole.
        quality: rows of :func:`mmcore.data.quality.quality_row`.

    Raises:
        CorpusError: a table breaks the format.
    """
    rows = {(row.item, row.modality): replace(row, loud=0, loud_values=()) for row in quality}
    for suspect in (*_inputs(prepared), *_targets(prepared)):
        table = source.read(suspect.item, suspect.table)
        if table is None:
            continue
        values_TF = np.where(np.isinf(table.values_TF), np.float32(np.nan), table.values_TF)[:, suspect.columns]
        loud_TF = suspect.usual.loud(values_TF)
        distance_TF = suspect.usual.distance(values_TF)
        cells, texts = 0, []
        for f in np.flatnonzero(loud_TF.any(axis=0)):
            at = int(np.nanargmax(distance_TF[:, f]))
            value, times = float(values_TF[at, f]), float(distance_TF[at, f])
            count = int(loud_TF[:, f].sum())
            when = f"row {at + 1}" if table.time_T is None else f"{table.time_T[at]:.6g} s"
            cells += count
            if len(texts) < NAMED_COLUMNS:
                many = "value" if count == 1 else "values"
                texts.append(
                    f"{count} {many} of '{suspect.names[f]}' up to {_times(times)} times its usual range, "
                    f"such as {value:.8g} at {when}"
                )
        if texts:
            key = f"modalities.{suspect.table}" if suspect.table in prepared.schema.modalities else "targets"
            warning = (
                f"loud: {'; '.join(texts)}. {_counted(prepared, suspect)}Correct the table; or, where such a number "
                f"means that there is no value, list it in {key}.missing_values of corpus.yaml"
            )
            row = rows[suspect.item, suspect.table]
            rows[row.item, row.modality] = replace(
                row, loud=cells, loud_values=tuple(texts), warnings=(*row.warnings, warning)
            )
    return [*rows.values()]


def _inputs(prepared: Prepared) -> Iterator[_Suspect]:
    spans = [(item.offset, item.offset + item.steps) for item in prepared.items]
    for name, modality in prepared.schema.modalities.items():
        numbers = [at for at, kind in enumerate(modality.kinds) if kind == "continuous"]
        if not numbers:
            continue
        values_NF = prepared.values[name]
        usual = usual_values(values_NF, spans, modality.kinds)
        for item, (first, last) in zip(prepared.items, spans, strict=True):
            if first == last:
                continue
            values_SF = np.asarray(values_NF[first:last])
            # Two passes over the extremes are several times as fast as one over every cell.
            ends_2F = np.stack([np.fmin.reduce(values_SF, axis=0), np.fmax.reduce(values_SF, axis=0)])
            columns = np.flatnonzero(usual.loud(ends_2F).any(axis=0)).tolist()
            if columns:
                yield _Suspect(item.name, name, columns, [modality.columns[f] for f in columns], usual.of(columns))


def _targets(prepared: Prepared) -> Iterator[_Suspect]:
    """Targets in a table of their own; others are columns of a modality."""
    schema = prepared.schema
    if schema.targets_are_features:
        return
    P = len(schema.targets.parameters)
    names = [column for row in schema.target_columns() for column in row]
    blocks = [counted_targets(prepared, index) for index in range(len(prepared.items))]
    usual = usual_targets(schema.targets, blocks)
    for item, block in zip(prepared.items, blocks, strict=True):
        loud_P = np.asarray(usual.loud(block).any(axis=0))
        columns = [at for at in range(len(names)) if loud_P[at % P]]
        if columns:
            usual_F = usual.of([at % P for at in columns])
            yield _Suspect(item.name, schema.targets.from_, columns, [names[at] for at in columns], usual_F)


def _counted(prepared: Prepared, suspect: _Suspect) -> str:
    """A sentence on the effect of loud targets; empty if no column is a target."""
    schema = prepared.schema
    targets = {column for row in schema.target_columns() for column in row}
    if suspect.table != schema.targets.from_ or not targets.intersection(suspect.names):
        return ""
    return "Targets count in the loss and in scores as they are. "


def _times(times: float) -> str:
    return f"{times:,.0f}" if times < 1e6 else f"{times:.0e}"
