"""Writes what was computed of footage as a corpus.

S steps, F columns, K tracks, P parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from experiments.footage.features import TEXT, Chosen, Part
from experiments.footage.grid import STEP, steps_until, times
from experiments.footage.listing import Clip
from experiments.footage.messages import Extracted
from experiments.footage.store import FootageStore
from mmcore.clock import TIME
from mmcore.columns import expand
from mmcore.data.sources.seed_layout import ASSETS, LAYOUTS, track_features, track_parameters
from mmcore.data.sources.writing import TableWriter, write_items, write_yaml
from mmcore.data.sources.written import (
    WrittenCorpus,
    WrittenExtractor,
    WrittenFeature,
    WrittenModality,
    WrittenParameter,
    WrittenTargets,
)
from mmcore.errors import CorpusError, nearest
from mmcore.frozen import without_defaults
from mmcore.schema import CorpusSchema

TRACKS = 20
"""Editing tracks of a corpus with timelines, as in the seed's layout."""
BLOCK = 3000
"""Rows that are written at once: five minutes."""
USUAL_TARGETS = (("scene_change", "visual_motion"), ("audio_is_speaking", "audio_energy_rms"))
"""What is predicted where the user says nothing: the first of these pairs that the corpus has."""


@dataclass(frozen=True)
class Item:
    """One file of footage on its way into the corpus.

    Args:
        group: what a split never divides. cues: start and end, in seconds, of its subtitles; None: it has none, which
            says nothing about whether there is text. track_SF: times and the parameters of its editing tracks; None:
            no timelines were asked for.
    """

    clip: Clip
    extracted: Extracted
    group: str
    cues: tuple[tuple[float, float], ...] | None
    track_SF: np.ndarray | None = None


@dataclass(frozen=True)
class Written:
    """What a corpus came to hold.

    Args:
        items: how many. seconds: of footage in all. columns: how many each modality has. absent: items without it.
        targets: what is predicted.
    """

    items: int
    seconds: float
    columns: Mapping[str, int]
    absent: Mapping[str, int]
    targets: tuple[str, ...]


def write_corpus(
    folder: Path,
    name: str,
    items: Sequence[Item],
    chosen: Chosen,
    store: FootageStore,
    target: str | None,
    like: CorpusSchema | None = None,
) -> Written:
    """Write ``corpus.yaml``, ``items.csv`` and the tables; items are read one after another, in pieces.

    Args:
        folder: an empty one. target: columns that are predicted, with commas between them; None: the tracks, or where
            no item has any the usual columns. like: of the corpus whose targets are to be predicted; None: none.

    Raises:
        CorpusError: a target that is no column, columns of several modalities, or one that is no target.
    """
    with_text = any(item.cues is not None for item in items) and any(part.kind == "sound" for part in chosen.parts)
    modalities = _modalities(chosen.parts, with_text)
    rows = {name: 0 for name in modalities}
    for item in items:
        for modality in modalities:
            parts = [part for part in chosen.parts if part.modality == modality]
            cues = item.cues if with_text and modality == "audio" else None
            path = folder / modality / f"{item.clip.item}.parquet"
            rows[modality] += _write_item(path, parts, store, item.extracted, cues, with_text and modality == "audio")
    tracked = [item for item in items if item.track_SF is not None]
    classes = ASSETS
    for item in tracked:
        assert item.track_SF is not None
        columns = [TIME, *track_columns()]
        with TableWriter(folder / "track" / f"{item.clip.item}.parquet", columns) as table:
            table.write(item.track_SF)
        assets = [at for at, column in enumerate(columns) if column.endswith("_asset_id")]
        classes = max(classes, int(np.nanmax(item.track_SF[:, assets], initial=0)) + 1)
    there = {modality: one for modality, one in modalities.items() if rows[modality]}
    if tracked:
        there["track"] = {"features": track_features(TRACKS, LAYOUTS[12])}
    if like is not None:
        targets = _as_in(like, there, folder, items)
    else:
        targets = _tracks(classes) if tracked and target is None else _columns(there, target)
    schema: WrittenCorpus = {
        "format": 1,
        "name": name,
        "step": STEP,
        "reference": "track" if tracked and target is None else None,
        "modalities": there,
        "targets": targets,
    }
    write_yaml(folder / "corpus.yaml", schema)
    write_items(
        folder,
        ["item", "group", "file", "seconds"],
        [[item.clip.item, item.group, item.clip.shown, f"{item.extracted.seconds:.1f}"] for item in items],
    )
    return Written(
        len(items),
        sum(item.extracted.seconds for item in items),
        {modality: sum(len(expand(f["name"])) for f in one["features"]) for modality, one in there.items()},
        {
            modality: sum(not (folder / modality / f"{item.clip.item}.parquet").exists() for item in items)
            for modality in there
        },
        tuple(parameter["name"] for parameter in targets["parameters"]),
    )


def check_target(chosen: Chosen, target: str) -> None:
    """Refuse a wrong target before anything is computed.

    Raises:
        CorpusError: see :func:`write_corpus`.
    """
    _columns(_modalities(chosen.parts, with_text=True), target)


def track_columns() -> list[str]:
    """The columns of the modality ``track``, track by track."""
    return [f"{track}_{parameter}" for track in range(TRACKS) for parameter in LAYOUTS[12]]


def _modalities(parts: Sequence[Part], with_text: bool) -> dict[str, WrittenModality]:
    found: dict[str, WrittenModality] = {}
    for part in parts:
        modality = found.setdefault(part.modality, {"features": []})
        modality["features"] += part.features
        if part.kind == "sound" and with_text:
            modality["features"].append(TEXT)
        extractors: list[WrittenExtractor] = [
            WrittenExtractor(**one.model_dump(exclude_none=True)) for one in part.extractors
        ]
        modality["extractors"] = [*modality.get("extractors", []), *extractors]
    for name, modality in found.items():
        if name == "visual":
            found[name] = {"storage": "float16", **modality}
    return found


def _write_item(
    path: Path,
    parts: Sequence[Part],
    store: FootageStore,
    extracted: Extracted,
    cues: Sequence[tuple[float, float]] | None,
    with_text: bool,
) -> int:
    """Write a modality of an item, its parts side by side; its number of rows, 0 where nothing was written."""
    tables = [store.rows(extracted.content, part) for part in parts]
    lengths = [len(table) for table in tables]
    steps = max(lengths, default=0)
    if not steps and cues:
        steps = steps_until(extracted.seconds)
    if not steps:
        return 0
    columns = [TIME, *(name for part in parts for feature in part.features for name in expand(feature["name"]))]
    if with_text:
        at = columns.index("silence_duration_ms") + 1
        columns.insert(at, TEXT["name"])
    time_S = times(steps)
    with TableWriter(path, columns) as writer:
        for first in range(0, steps, BLOCK):
            last = min(first + BLOCK, steps)
            pieces = [_padded(table[first:last], last - first) for table in tables]
            values_SF = np.concatenate([time_S[first:last, None], *pieces], axis=1)
            if with_text:
                values_SF = np.insert(values_SF, columns.index(TEXT["name"]), _text(cues, time_S[first:last]), axis=1)
            writer.write(values_SF)
    return steps


def _padded(rows_SF: np.ndarray, steps: int) -> np.ndarray:
    """A stream that is over has no values in the steps that others still have."""
    missing = steps - len(rows_SF)
    filled = np.full((missing, rows_SF.shape[1]), np.nan, np.float32)
    return np.concatenate([rows_SF, filled]) if missing else np.asarray(rows_SF)


def _text(cues: Sequence[tuple[float, float]] | None, time_S: np.ndarray) -> np.ndarray:
    """Whether a subtitle is shown at each time (S,); NaN where the item has no subtitles."""
    if cues is None:
        return np.full(len(time_S), np.nan)
    shown_S = np.zeros(len(time_S))
    for start, end in cues:
        shown_S[np.searchsorted(time_S, start - 1e-6) : np.searchsorted(time_S, end - 1e-6)] = 1.0
    return shown_S


def _as_in(
    like: CorpusSchema, there: dict[str, WrittenModality], folder: Path, items: Sequence[Item]
) -> WrittenTargets:
    """The targets of another corpus; if the footage lacks the modality that they are columns of, that is empty."""
    source = like.targets.from_
    if like.targets_are_features and source not in there:
        # Nothing computed it here, whatever did there.
        modality = like.modalities[source].model_copy(update={"extractors": ()})
        there[source] = cast(WrittenModality, without_defaults(modality))
        for item in items:
            # A row without a value: a corpus whose items all lack a modality is taken for one that lost its files.
            with TableWriter(folder / source / f"{item.clip.item}.parquet", [TIME, *modality.columns]) as table:
                table.write(np.array([[STEP, *[np.nan] * len(modality.columns)]]))
    targets = without_defaults(like.targets)
    return cast(WrittenTargets, {"from": targets.pop("from_"), **targets})


def _tracks(classes: int) -> WrittenTargets:
    return {"from": "track", "tracks": TRACKS, "parameters": track_parameters(LAYOUTS[12], classes)}


def _columns(modalities: Mapping[str, WrittenModality], target: str | None) -> WrittenTargets:
    """Columns of one modality as targets of one track."""
    features: dict[str, tuple[str, WrittenFeature]] = {
        column: (modality, feature)
        for modality, one in modalities.items()
        for feature in one["features"]
        for column in expand(feature["name"])
    }
    if target is None:
        names = next((pair for pair in USUAL_TARGETS if set(pair) <= set(features)), tuple(features)[:1])
    else:
        names = tuple(dict.fromkeys(word.strip() for word in target.split(",") if word.strip()))
    for name in names:
        if name not in features:
            raise CorpusError(f"--target names '{name}', which is no column", next_step=nearest(name, list(features)))
        if features[name][1].get("kind") == "categorical":
            raise CorpusError(
                f"--target names '{name}', a number that has no fixed classes",
                next_step="Name a column that is 0 or 1, or one that measures",
            )
    sources = list(dict.fromkeys(features[name][0] for name in names))
    if len(sources) != 1:
        raise CorpusError(
            "targets are columns of one modality",
            found=", ".join(f"{name} of {features[name][0]}" for name in names) or "none",
            next_step="Name columns of one of them",
        )
    parameters: list[WrittenParameter] = []
    for name in names:
        kind = features[name][1].get("kind", "continuous")
        parameters.append(
            {"name": name, "kind": "continuous" if kind == "embedding" else kind, "component": name}
        )  # fmt: skip
    return {"from": sources[0], "parameters": parameters}
