"""One item, from its tables to its grid: streams in order, steps, aligned values, targets, quality rows.

S grid steps, F raw features, M modalities, K tracks, P parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.config import DataConfig
from mmcore.data.alignment import Aligned, Stream, align, align_by_position, breaks_of, regular_grid, tidy
from mmcore.data.pooling import EPSILON, FASTER, Pooling
from mmcore.data.quality import quality_row
from mmcore.data.sources.folder import FolderSource
from mmcore.data.timing import with_times
from mmcore.errors import CorpusError
from mmcore.language import number_of
from mmcore.quality import QualityRow
from mmcore.schema import DEFAULT_RESAMPLE, CorpusSchema, Kind, Resample, Targets


@dataclass(frozen=True)
class GriddedItem:
    """An item on its grid.

    Args:
        steps: S; 0 where its streams share no time.
        breaks: steps that follow a gap of the reference above ``max_gap``.
        values: modality to (S, F) float32, NaN where not usable.
        present_SM: which modality is usable at which step.
        target_SKP: raw values, NaN where there is no target; (1, K, P) for scope item.
        quality: one row per modality, and one for targets in a table of their own.
    """

    steps: int
    breaks: tuple[int, ...]
    values: dict[str, np.ndarray]
    present_SM: np.ndarray
    target_SKP: np.ndarray
    quality: list[QualityRow]


def on_grid(source: FolderSource, item: str, config: DataConfig) -> GriddedItem:
    """Read an item's tables and bring them onto its grid.

    The grid is the reference's own times. Without a reference, and for an item that lacks it, it is regular over the
    span of the targets, where they are a table of their own with times, else over all that any modality covers: a
    stream is absent outside its own span. Where rows are steps (``step: null``) it is as long as the reference, as
    that table, or as the longest modality.

    Args:
        source: the corpus.
        item: its name.
        config: its tolerance, max_gap and interpolation.

    Raises:
        CorpusError: a table breaks the format, a class code that does not exist, a value too large for float16.
    """
    schema = source.schema
    where = f"{source.folder}: item '{item}'"
    streams = _streams(source, item)
    grid_S, steps = _grid(schema, streams, config.max_gap, where)
    aligned = {name: _aligned(schema, name, stream, grid_S, steps, config) for name, stream in streams.items()}
    present_SM = np.zeros((steps, len(schema.modalities)), bool)
    values: dict[str, np.ndarray] = {}
    for at, (name, modality) in enumerate(schema.modalities.items()):
        one = aligned[name]
        if one is None:
            values[name] = np.full((steps, len(modality.columns)), np.nan, np.float32)
            continue
        if modality.storage == "float16":
            _check_half(one.values_SF, modality.columns, f"{where}, modality '{name}'")
        values[name] = one.values_SF
        present_SM[:, at] = one.present_S
    rows = [
        quality_row(item, name, _columns(schema, name), stream, aligned[name], steps, config.max_gap)
        for name, stream in streams.items()
    ]
    rows = _with_times(schema, rows, streams, aligned, grid_S)
    rows = [_with_pooling(schema, row, streams[row.modality], aligned[row.modality]) for row in rows]
    quality = _with_pace(schema, rows, streams, grid_S)
    breaks = () if grid_S is None else breaks_of(grid_S, config.max_gap)
    target_SKP = _target(schema, streams, aligned, steps, where)
    return GriddedItem(steps, breaks, values, present_SM, target_SKP, quality)


def grid_times(source: FolderSource, item: str, config: DataConfig) -> np.ndarray | None:
    """The seconds (S,) of an item's steps, as :func:`on_grid` has them; None where rows are steps.

    Raises:
        CorpusError: a table breaks the format.
    """
    where = f"{source.folder}: item '{item}'"
    return _grid(source.schema, _streams(source, item), config.max_gap, where)[0]


def _columns(schema: CorpusSchema, name: str) -> tuple[str, ...]:
    if name in schema.modalities:
        return schema.modalities[name].columns
    return tuple(column for row in schema.target_columns() for column in row)


def _kinds(schema: CorpusSchema, name: str) -> Sequence[Kind]:
    if name in schema.modalities:
        return schema.modalities[name].kinds
    kinds: list[Kind] = []
    for _ in range(schema.targets.tracks):
        for parameter in schema.targets.parameters:
            kinds.append(parameter.kind)
    return kinds


def _streams(source: FolderSource, item: str) -> dict[str, Stream | None]:
    """Every modality in schema order, then the target's own table where there is one."""
    names = [*source.schema.modalities]
    if not source.schema.targets_are_features:
        names.append(source.schema.targets.from_)
    tables = {name: source.read(item, name) for name in names}
    return {name: None if table is None else tidy(table) for name, table in tables.items()}


def _grid(
    schema: CorpusSchema, streams: dict[str, Stream | None], max_gap: float, where: str
) -> tuple[np.ndarray | None, int]:
    """Grid times (None where rows are steps) and the number of steps.

    An item that lacks the reference modality gets the regular grid, like all items where there is no reference.
    """
    have = [s for name in schema.modalities if (s := streams[name]) is not None and len(s.values_TF)]
    if not schema.targets_are_features and schema.targets.scope == "step":
        labels = streams[schema.targets.from_]
        if labels is not None and len(labels.values_TF):
            have = [labels]
    reference = streams[schema.reference] if schema.reference else None
    if schema.step is None:
        return None, len(reference.values_TF) if reference else max((len(s.values_TF) for s in have), default=0)
    if reference is not None and reference.time_T is not None:
        return reference.time_T, len(reference.time_T)
    spans = [span for stream in have if (span := _steps_span(stream, schema.step)) is not None]
    grid_S = regular_grid(spans, schema.step, max_gap, where)
    return grid_S, len(grid_S)


def _steps_span(stream: Stream, step: float) -> tuple[float, float] | None:
    """The first and last time at which a step may find the stream: with a segment's end it is over."""
    if stream.span is None or stream.end_T is None:
        return stream.span
    first, last = stream.span
    return first, max(first, last - 2 * EPSILON * max(1.0, step))


def _with_times(
    schema: CorpusSchema,
    quality: Sequence[QualityRow],
    streams: dict[str, Stream | None],
    aligned: dict[str, Aligned | None],
    grid_S: np.ndarray | None,
) -> list[QualityRow]:
    """Judge every stream's times by where the others are; of two alone, the one that the grid is not made for."""
    present = {name: one.present_S for name, one in aligned.items() if one is not None and one.present_S.any()}
    rows = [name for name, stream in streams.items() if aligned[name] is not None and stream and stream.rows]
    anchor = schema.reference if schema.reference in rows else schema.targets.from_
    judged = []
    for row in quality:
        name = row.modality
        others = [there_S for other, there_S in present.items() if other != name]
        others_S = np.logical_or.reduce(others) if others and not (name == anchor and len(rows) == 2) else None
        width = 0.0 if grid_S is None else _width(schema, grid_S)
        judged.append(with_times(row, streams[name], aligned[name], grid_S, others_S, width))
    return judged


def _with_pooling(schema: CorpusSchema, row: QualityRow, stream: Stream | None, one: Aligned | None) -> QualityRow:
    """The row with what pooling leaves out, and where a column's ``resample`` means nothing."""
    if stream is None or one is None or stream.time_T is None:
        return row
    columns, resamples = _columns(schema, row.modality), _resamples(schema, row.modality)
    together, warnings = 0, list(row.warnings)
    if stream.equal is not None:
        together = sum(_pools_equal_times(schema, row.modality))
    elif not one.pooled and len(stream.time_T) > 1:
        spread = [column for column, how in zip(columns, resamples, strict=True) if how == "std"]
        if spread:
            warnings.append(
                f"resample: std has no meaning for '{spread[0]}'"
                + (f" and {number_of(len(spread) - 1, 'more column')}" if len(spread) > 1 else "")
                + ": no step has several rows, and one row has no standard deviation. The values themselves are read"
            )
    if one.missed:
        are, lie = ("is", "lies") if one.missed == 1 else ("are", "lie")
        segments = number_of(one.missed, "segment")
        warnings.append(f"{segments} {are} shorter than a step, {lie} between two steps and {are} not read")
    return replace(row, equal_times_pooled=together, warnings=tuple(warnings))


def _with_pace(
    schema: CorpusSchema, quality: Sequence[QualityRow], streams: dict[str, Stream | None], grid_S: np.ndarray | None
) -> list[QualityRow]:
    """The rows with a warning of a reference that is faster than the declared step: its own times are the grid, so
    nothing is pooled."""
    if grid_S is None or schema.reference is None or schema.step is None or streams[schema.reference] is None:
        return [*quality]
    width = _width(schema, grid_S)
    if schema.step <= FASTER * width:
        return [*quality]
    warning = (
        f"its rows lie {width:.4g} s apart and are the steps, as it is the reference: step {schema.step:g} is not "
        f"used. For steps of {schema.step:g} s leave reference out of corpus.yaml"
    )
    return [
        replace(row, warnings=(*row.warnings, warning)) if row.modality == schema.reference else row for row in quality
    ]


def _aligned(
    schema: CorpusSchema,
    name: str,
    stream: Stream | None,
    grid_S: np.ndarray | None,
    steps: int,
    config: DataConfig,
) -> Aligned | None:
    targets = schema.targets
    if stream is None or (name not in schema.modalities and targets.scope == "item"):
        return None
    groups = schema.modalities[name].embedding_groups if name in schema.modalities else ()
    if grid_S is None:
        return align_by_position(stream, steps, groups)
    target = targets.from_ == name and targets.from_ in schema.modalities
    hold = target or config.interpolation == "last"
    pooling = _pooling(schema, name, grid_S)
    return align(stream, grid_S, _kinds(schema, name), groups, config.tolerance, config.max_gap, hold, pooling)


def _pooling(schema: CorpusSchema, name: str, grid_S: np.ndarray) -> Pooling:
    """How a stream is pooled on a grid; target values that do not count because of ``when`` are left out."""
    conditions: dict[int, int] = {}
    if name == schema.targets.from_:
        place = {column: at for at, column in enumerate(_columns(schema, name))}
        names = [p.name for p in schema.targets.parameters]
        for row in schema.target_columns():
            for column, parameter in zip(row, schema.targets.parameters, strict=True):
                if parameter.when is not None:
                    conditions[place[column]] = place[row[names.index(parameter.when)]]
    return Pooling(_width(schema, grid_S), _resamples(schema, name), conditions, _pools_equal_times(schema, name))


def _width(schema: CorpusSchema, grid_S: np.ndarray) -> float:
    """Seconds of a step: as declared, or less where the reference's rows lie closer."""
    assert schema.step is not None, "a timed corpus"
    return min(schema.step, float(np.median(np.diff(grid_S)))) if len(grid_S) > 1 else schema.step


def _resamples(schema: CorpusSchema, name: str) -> Sequence[Resample]:
    if name in schema.modalities:
        return schema.modalities[name].resamples
    own: list[Resample] = [p.resample or DEFAULT_RESAMPLE[p.kind] for p in schema.targets.parameters]
    return own * schema.targets.tracks


def _pools_equal_times(schema: CorpusSchema, name: str) -> Sequence[bool]:
    if name in schema.modalities:
        return schema.modalities[name].pools_equal_times
    return [p.resample is not None for p in schema.targets.parameters] * schema.targets.tracks


def _target(
    schema: CorpusSchema,
    streams: dict[str, Stream | None],
    aligned: dict[str, Aligned | None],
    steps: int,
    where: str,
) -> np.ndarray:
    targets = schema.targets
    shape = (targets.tracks, len(targets.parameters))
    rows = 1 if targets.scope == "item" else steps
    one, stream = aligned[targets.from_], streams[targets.from_]
    if targets.scope == "item":
        values_SF = stream.values_TF if stream is not None else None
    else:
        values_SF = one.values_SF if one is not None else None
    if values_SF is None:
        return np.full((rows, *shape), np.nan, np.float32)
    if targets.from_ in schema.modalities:
        place = {column: at for at, column in enumerate(schema.modalities[targets.from_].columns)}
        values_SF = values_SF[:, [place[column] for row in schema.target_columns() for column in row]]
    target_SKP = values_SF.reshape(rows, *shape).copy()
    _check_codes(target_SKP, targets, f"{where}, table '{targets.from_}'")
    return target_SKP


def _check_half(values_SF: np.ndarray, columns: Sequence[str], where: str) -> None:
    limit = float(np.finfo(np.float16).max)
    beyond_SF = np.abs(values_SF) > limit
    if beyond_SF.any():
        step, column = (int(i) for i in np.argwhere(beyond_SF)[0])
        raise CorpusError(
            "values of a modality stored as float16 must lie within ±65504",
            found=f"{values_SF[step, column]:g} in column '{columns[column]}'",
            next_step="Set storage: float32 in corpus.yaml, or scale the column",
            where=where,
        )


def _check_codes(target_SKP: np.ndarray, targets: Targets, where: str) -> None:
    """Refuse codes that no class has; where ``when`` says that a parameter does not count, they become NaN."""
    names = [p.name for p in targets.parameters]
    for at, parameter in enumerate(targets.parameters):
        if parameter.kind == "continuous":
            continue
        classes = parameter.classes or 2
        codes_SK = target_SKP[:, :, at]
        bad_SK = ~np.isnan(codes_SK) & ((codes_SK < 0) | (codes_SK >= classes) | (codes_SK != np.floor(codes_SK)))
        if parameter.when is not None:
            idle_SK = target_SKP[:, :, names.index(parameter.when)] != 1
            codes_SK[bad_SK & idle_SK] = np.nan
            bad_SK &= ~idle_SK
        if bad_SK.any():
            step, track = (int(i) for i in np.argwhere(bad_SK)[0])
            raise CorpusError(
                f"target '{parameter.name}' of track {track} must hold the codes of its classes",
                expected=f"whole numbers 0 … {classes - 1}",
                found=f"{codes_SK[step, track]:g} at step {step}",
                next_step="Correct the table, or set classes in corpus.yaml",
                where=where,
            )
