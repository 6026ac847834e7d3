"""Cells far outside their column's usual range over all items: sentinels such as −99999, faults of a sensor, and items
in other units.

I items, N grid steps of all items, S steps of one, T rows of a table, F columns, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.data.normalisation import counted_targets, usual_targets, usual_values
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import FolderSource
from mmcore.data.usual import Usual
from mmcore.quality import QualityRow

NAMED_COLUMNS = 3
"""Loud columns named in a row of the quality report; all are counted."""
OTHER_UNITS = 100.0
"""An item goes more than this many times as far from the median as every other one, where its unit is in doubt."""
FEW_ITEMS = 0.1
"""Share of the items that may be in other units; one always may."""
LEAST_ITEMS = 8
"""With fewer items none is called an exception."""


@dataclass(frozen=True)
class _Suspect:
    """An item whose cells on the grid are loud in some column; ``columns`` and ``usual`` are of these alone."""

    item: str
    table: str
    columns: list[int]
    names: list[str]
    usual: Usual


@dataclass(frozen=True)
class Range:
    """How far the columns of a modality go: usually, and in each item.

    Args:
        usual: over all items.
        known: the items that have steps. ends_I2F: the least and greatest value of each column in each of them; NaN:
            it has none.
    """

    usual: Usual
    known: list[int]
    ends_I2F: np.ndarray

    @property
    def loud_IF(self) -> np.ndarray:
        """Whether a column has a loud cell in an item."""
        found = [self.usual.loud(ends_2F).any(axis=0) for ends_2F in self.ends_I2F]
        return np.array(found, bool).reshape(len(found), self.ends_I2F.shape[2])


def ranges_of(prepared: Prepared) -> dict[str, Range]:
    """Of each modality that has continuous columns."""
    spans = [(item.offset, item.offset + item.steps) for item in prepared.items]
    known = [i for i, (first, last) in enumerate(spans) if first < last]
    ranges = {}
    for name, modality in prepared.schema.modalities.items():
        if "continuous" not in modality.kinds:
            continue
        values_NF = prepared.values[name]
        ends_I2F = np.full((len(known), 2, len(modality.columns)), np.nan, np.float32)
        for ends_2F, i in zip(ends_I2F, known, strict=True):
            values_SF = np.asarray(values_NF[slice(*spans[i])])
            # Two passes over the extremes are several times as fast as one over every cell.
            ends_2F[:] = np.fmin.reduce(values_SF, axis=0), np.fmax.reduce(values_SF, axis=0)
        ranges[name] = Range(usual_values(values_NF, spans, modality.kinds), known, ends_I2F)
    return ranges


def mark_loud(
    source: FolderSource, prepared: Prepared, quality: Sequence[QualityRow], ranges: Mapping[str, Range]
) -> list[QualityRow]:
    """The quality rows with ``loud`` and ``loud_values``, and with a warning that says what to do.

    The usual range is computed from all items together, on the grid, so an item with nothing but sentinels is found.
    Only the tables of items with loud cells are read again, for their original values and times.

    Args:
        source: the corpus.
        prepared: its store, with arrays that are whole.
        quality: rows of :func:`mmcore.data.quality.quality_row`.
        ranges: see :func:`ranges_of`.

    Raises:
        CorpusError: a table breaks the format.
    """
    rows = {(row.item, row.modality): replace(row, loud=0, loud_values=()) for row in quality}
    for suspect in (*_inputs(prepared, ranges), *_targets(prepared)):
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


def mark_units(prepared: Prepared, quality: Sequence[QualityRow], ranges: Mapping[str, Range]) -> list[QualityRow]:
    """The quality rows with a warning where a column goes far beyond in one item what it reaches in all others.

    As where one recording is in millimetres and the others are in metres. Its cells are too many to be faults of a
    sensor (:mod:`mmcore.data.usual`), so they take part in the scale of all items. Silence is no other unit: an item
    that goes less far than others is left alone, and so is a column that does not vary in the others.

    Args:
        prepared: its store, with arrays that are whole.
        quality: rows as :func:`mark_loud` gives them.
        ranges: see :func:`ranges_of`.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    for name, found in ranges.items():
        modality, ends_I2F = prepared.schema.modalities[name], found.ends_I2F.astype(np.float64)
        # Loud cells have a warning of their own, and do not say how far usual ones go.
        far_IF = np.where(found.loud_IF, np.nan, np.abs(ends_I2F - found.usual.centre_F).max(axis=1))
        for f in (at for at, kind in enumerate(modality.kinds) if kind == "continuous"):
            for i, times in beyond(far_IF[:, f]):
                low, high = ends_I2F[i, :, f]
                texts.setdefault((prepared.items[found.known[i]].name, name), []).append(
                    f"'{modality.columns[f]}' goes from {low:.6g} to {high:.6g}, {_times(times)} times as far from the "
                    "median of all items as in any other one"
                )
    return [_with_units(row, texts.get((row.item, row.modality), [])) for row in quality]


def _with_units(row: QualityRow, texts: Sequence[str]) -> QualityRow:
    if not texts:
        return row
    more = f"; and {len(texts) - NAMED_COLUMNS} columns more" if len(texts) > NAMED_COLUMNS else ""
    warning = (
        f"other units? {'; '.join(texts[:NAMED_COLUMNS])}{more}. The scale of a column is learnt from all items, so "
        "this one may decide it: if it has another unit, convert its table"
    )
    return replace(row, warnings=(*row.warnings, warning))


def beyond(far_I: np.ndarray) -> list[tuple[int, float]]:
    """Items that go much farther than all others, and how many times as far: :data:`OTHER_UNITS` times or more.

    Args:
        far_I: how far each goes from the median; one that is not finite does not count. Of fewer than
            :data:`LEAST_ITEMS` none is found, nor where more than :data:`FEW_ITEMS` of them go so far.
    """
    known = np.flatnonzero(np.isfinite(far_I))
    if len(known) < LEAST_ITEMS:
        return []
    order = known[np.argsort(far_I[known], kind="stable")]
    for few in range(1, max(1, int(FEW_ITEMS * len(known))) + 1):
        others, least = float(far_I[order[-few - 1]]), float(far_I[order[-few]])
        if others > 0 and least > OTHER_UNITS * others:
            return [(int(i), float(far_I[i]) / others) for i in order[-few:]]
    return []


def _inputs(prepared: Prepared, ranges: Mapping[str, Range]) -> Iterator[_Suspect]:
    for name, found in ranges.items():
        names = prepared.schema.modalities[name].columns
        for i, loud_F in zip(found.known, found.loud_IF, strict=True):
            columns = np.flatnonzero(loud_F).tolist()
            if columns:
                item = prepared.items[i].name
                yield _Suspect(item, name, columns, [names[f] for f in columns], found.usual.of(columns))


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
