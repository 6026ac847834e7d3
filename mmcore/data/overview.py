"""What a corpus holds, counted: items, seconds, modalities, targets. Reads times and targets, no features."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmcore.data.sources.folder import FolderSource
from mmcore.schema import Parameter


@dataclass(frozen=True)
class ModalityOverview:
    """One modality.

    Args:
        name: as in corpus.yaml. items: how many have it. columns: how many.
        kinds: kind to the number of its columns, the most frequent first.
        rate: rows per second, over the median distance of rows; None for segments, and where rows are steps.
        segments: whether each row has a start and an end.
        target: whether it holds what is predicted.
    """

    name: str
    items: int
    columns: int
    kinds: dict[str, int]
    rate: float | None
    segments: bool
    target: bool


@dataclass(frozen=True)
class ParameterOverview:
    """One predicted parameter, over all items and tracks.

    Args:
        known: targets that are there; items for scope item, else rows.
        classes: class name (else code) to how often it is there; {} for a continuous parameter.
        low, mean, high: of a continuous parameter; None for classes, and where nothing is known.
    """

    parameter: Parameter
    known: int
    classes: dict[str, int]
    low: float | None = None
    mean: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Overview:
    """A corpus in numbers.

    Args:
        items, groups: how many. splits: side to items, {} where the corpus gives no split.
        length: seconds of all items, each from its first time to its last and one row more; steps where rows are steps.
        modalities, parameters: in the order of corpus.yaml.
    """

    items: int
    groups: int
    splits: dict[str, int]
    length: float
    modalities: tuple[ModalityOverview, ...]
    parameters: tuple[ParameterOverview, ...]


def overview_of(source: FolderSource) -> Overview:
    """Count a corpus.

    Every table's times are read, and every target. NaN is neither a time nor a target; infinite targets do not
    count.

    Raises:
        CorpusError: a table breaks the format.
    """
    schema = source.schema
    names = [*schema.modalities]
    if not schema.targets_are_features and schema.targets.scope == "step":
        names.append(schema.targets.from_)
    spans: dict[str, list[tuple[float, float]]] = {}
    modalities: list[ModalityOverview] = []
    for name in names:
        distances: list[np.ndarray] = []
        segments = False
        count = 0
        for item in source.items:
            first_column = source.columns(name)[:1]
            table = source.read(item.name, name, first_column)
            if table is None:
                continue
            count += 1
            if table.time_T is None:
                spans.setdefault(item.name, []).append((0.0, float(len(table.values_TF))))
                continue
            times_T = np.sort(table.time_T[np.isfinite(table.time_T)])
            if not len(times_T):
                continue
            gaps_T = np.diff(times_T)
            if table.end_T is None:
                distances.append(gaps_T)
                last = times_T[-1] + (float(np.median(gaps_T)) if len(gaps_T) else 0.0)
            else:
                segments = True
                last = float(np.nanmax(table.end_T))
            spans.setdefault(item.name, []).append((float(times_T[0]), float(last)))
        if name in schema.modalities:
            modality = schema.modalities[name]
            every = np.concatenate(distances) if distances else np.empty(0)
            usual = float(np.median(every)) if len(every) else 0.0
            kinds = {str(kind): n for kind, n in Counter(modality.kinds).most_common()}
            target = schema.targets.from_ == name
            rate = 1 / usual if usual > 0 else None
            modalities.append(ModalityOverview(name, count, len(modality.columns), kinds, rate, segments, target))
    length = sum(max(last for _, last in one) - min(first for first, _ in one) for one in spans.values())
    splits = dict(Counter(item.split for item in source.items if item.split is not None))
    groups = len({item.group for item in source.items})
    return Overview(len(source.items), groups, splits, length, tuple(modalities), _parameters(source))


def _parameters(source: FolderSource) -> tuple[ParameterOverview, ...]:
    schema = source.schema
    rows = schema.target_columns()
    wanted = [column for row in rows for column in row]
    tables = [source.read(item.name, schema.targets.from_, wanted) for item in source.items]
    parts = [table.values_TF for table in tables if table is not None]
    values_NC = np.concatenate(parts) if parts else np.empty((0, len(wanted)), np.float32)
    width = len(schema.targets.parameters)
    return tuple(_parameter(p, values_NC[:, at::width].ravel()) for at, p in enumerate(schema.targets.parameters))


def _parameter(parameter: Parameter, values: np.ndarray) -> ParameterOverview:
    known = values[np.isfinite(values)]
    if parameter.kind == "continuous":
        if not len(known):
            return ParameterOverview(parameter, 0, {})
        known = known.astype(np.float64)
        return ParameterOverview(parameter, len(known), {}, float(known.min()), float(known.mean()), float(known.max()))
    names = parameter.labels or tuple(str(code) for code in range(parameter.classes or 2))
    counts = {name: int((known == code).sum()) for code, name in enumerate(names)}
    return ParameterOverview(parameter, len(known), counts)
