"""Converts the files of the seed experiment into a corpus.

    VIDEO_features.csv           time and the audio features
    VIDEO_visual_features.csv    time and the visual features, clip_0 … among them
    *_sequences.npz              sequences (N, S, K·P) or (N, S, K, P); masks (N, S), True = a real step; video ids (N,)

Arrays may be called sequences, X, data or features; masks or mask; video_ids, video_id, ids, videos or names. Without
masks every step is real. P is 12, or 9 as in the experiment's older layout, see :func:`layout_of`; columns run track by
track. Consecutive sequences of a video are joined in the order in which they stand, 0.1 s a step; padding at a
sequence's end takes no time, a hole within one does.

N sequences, S steps, K tracks, P parameters.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmcore.clock import TIME
from mmcore.data.sources.folder import check_item_name
from mmcore.data.sources.special import TORN, open_archive, refuse_bomb, refuse_no_file
from mmcore.data.sources.tables import read_table
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.data.sources.written import WrittenCorpus, WrittenFeature, WrittenModality, WrittenParameter
from mmcore.errors import CorpusError

STEP = 0.1
LAYOUTS = {
    12: (
        "active", "asset_id", "scale", "x", "y", "anchor_x", "anchor_y", "rotation", "crop_l", "crop_r", "crop_t",
        "crop_b",
    ),
    9: ("active", "asset_id", "scale", "x", "y", "crop_l", "crop_r", "crop_t", "crop_b"),
}  # fmt: skip
KEYS = {
    "sequences": ("sequences", "X", "data", "features"),
    "masks": ("masks", "mask"),
    "video ids": ("video_ids", "video_id", "ids", "videos", "names"),
}
COMPONENTS = {
    "asset_id": "asset", "x": "position", "y": "position", "anchor_x": "position", "anchor_y": "position",
    "crop_l": "crop", "crop_r": "crop", "crop_t": "crop", "crop_b": "crop",
}  # fmt: skip
BINARY = ("audio_is_speaking", "text_is_active", "scene_change")
COUNTS = ("face_count",)
SEED_TRACKS = 20
ASSETS = 10
"""Asset classes of the seed's model; more where the data hold more."""
SUFFIX = {"audio": "_features.csv", "visual": "_visual_features.csv"}


def import_seed_layout(source: Path, folder: Path) -> Path:
    """Convert the seed's files.

    Args:
        source: holds exactly one ``*_sequences.npz``, and the .csv files beside it; a video without one of them lacks
            that modality.
        folder: is created; must not exist, or be empty.

    Returns:
        The folder.

    Raises:
        CorpusError: no or several .npz files, missing or odd arrays, feature files whose columns differ between videos.
    """
    source, folder = Path(source), Path(folder)
    path = _only_npz(source)
    sequences_NSKP, masks_NS, videos = read_sequences(path)
    tracks, parameters = sequences_NSKP.shape[2:]
    names = LAYOUTS[parameters]
    headers: dict[str, list[str]] = {}
    with new_corpus(folder) as partial:
        order = list(dict.fromkeys(videos))
        for video in order:
            mine = [at for at, name in enumerate(videos) if name == video]
            time_S, values_SKP = _joined(sequences_NSKP[mine], masks_NS[mine])
            columns = {f"{k}_{p}": values_SKP[:, k, at] for k in range(tracks) for at, p in enumerate(names)}
            write_table(partial / "track" / f"{video}.parquet", {TIME: time_S, **columns})
            for modality, suffix in SUFFIX.items():
                features = source / f"{video}{suffix}"
                if features.is_file():
                    _copy_features(features, partial / modality / f"{video}.parquet", headers.setdefault(modality, []))
        write_items(partial, ["item", "group"], [[video, video] for video in order])
        assets = sequences_NSKP[..., names.index("asset_id")][masks_NS]
        classes = max(ASSETS, int(np.nanmax(assets, initial=0)) + 1)
        write_yaml(partial / "corpus.yaml", _schema(headers, tracks, names, classes))
    return folder


def _only_npz(source: Path) -> Path:
    if not source.is_dir():
        raise CorpusError("the source must be a folder", where=str(source))
    found = sorted(source.glob("*_sequences.npz"))
    if len(found) != 1:
        raise CorpusError(
            "the seed's layout has one file of sequences",
            expected="exactly one *_sequences.npz",
            found=", ".join(path.name for path in found) or "none",
            where=str(source),
        )
    return found[0]


def read_sequences(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Sequences (N, S, K, P) float32, masks (N, S), video of each sequence; nothing is unpickled.

    Raises:
        CorpusError: a missing array, object arrays, shapes that do not fit together, masks that seem inverted, a
            video id that cannot name a file.
    """
    sequences = _array(path, "sequences")
    ids = _array(path, "video ids")
    masks = _array(path, "masks", required=False)
    if sequences is None or ids is None:
        raise AssertionError("required arrays are there or an error was raised")
    where = str(path)
    if sequences.dtype.kind not in "fiub" or sequences.ndim not in (3, 4):
        raise CorpusError(
            "sequences must be numbers (N, S, K·P) or (N, S, K, P)",
            found=f"{sequences.dtype} {sequences.shape}",
            where=where,
        )
    parameters = layout_of(sequences.shape[2:], where)
    N, S = sequences.shape[:2]
    masks = np.ones((N, S), bool) if masks is None else masks.astype(bool)
    if masks.shape != (N, S) or ids.shape != (N,) or not N:
        raise CorpusError(
            "sequences, masks and video ids must agree",
            expected=f"masks ({N}, {S}) and ids ({N},), N at least 1",
            found=f"{masks.shape} and {ids.shape}",
            where=where,
        )
    if not masks[:, 0].any():
        raise CorpusError(
            "masks must be True where a step is real",
            found="no sequence whose first step is real",
            next_step="Invert the masks: masks = ~masks",
            where=where,
        )
    videos = [str(v.decode() if isinstance(v, bytes) else v) for v in ids.tolist()]
    for video in videos:
        if check_item_name(video) != "ok":
            raise CorpusError("a video id must be able to name a file", found=repr(video), where=where)
    return sequences.reshape(N, S, -1, parameters).astype(np.float32), masks, videos


def layout_of(shape: tuple[int, ...], where: str) -> int:
    """Parameters per track, 12 or 9, from the last axes of the sequences.

    A width that both divide (180 = 20 × 9 = 15 × 12) is taken as the seed's 20 tracks.

    Raises:
        CorpusError: neither fits, or both do and none gives 20 tracks.
    """
    width = shape[0]
    fitting = [p for p in LAYOUTS if (width > 0 and width % p == 0 if len(shape) == 1 else shape[1] == p and width > 0)]
    seeds = [p for p in fitting if width == SEED_TRACKS * p]
    if len(seeds or fitting) != 1:
        raise CorpusError(
            "sequences must hold 12 or 9 parameters per track",
            expected="last axes of K × 12 or K × 9",
            found=f"{' × '.join(map(str, shape))}" + (", which may be either" if fitting else ""),
            next_step="Save them as (N, S, K, P)",
            where=where,
        )
    return (seeds or fitting)[0]


def _array(path: Path, what: str, required: bool = True) -> np.ndarray | None:
    refuse_bomb(path)
    try:
        with path.open("rb") as opened, open_archive(opened) as file:
            name = next((key for key in KEYS[what] if key in file.files), None)
            if name is None:
                if not required:
                    return None
                raise CorpusError(
                    f"the file holds no {what}",
                    expected=" or ".join(KEYS[what]),
                    found=", ".join(file.files) or "no array",
                    where=str(path),
                )
            try:
                return file[name]
            except ValueError:
                raise CorpusError(
                    f"array '{name}' holds Python objects, and nothing is unpickled",
                    next_step=f"Save it again as plain {'text: ids.astype(str)' if what == 'video ids' else 'numbers'}",
                    where=str(path),
                ) from None
    except (*TORN, MemoryError) as error:
        raise CorpusError("the file cannot be read as .npz", found=str(error)[:200], where=str(path)) from None


def _joined(sequences_NSKP: np.ndarray, masks_NS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    times, values, steps = [], [], 0
    for sequence_SKP, mask_S in zip(sequences_NSKP, masks_NS, strict=True):
        real = np.flatnonzero(mask_S)
        times.append(steps + real)
        values.append(sequence_SKP[real])
        steps += int(real[-1]) + 1 if len(real) else 0
    return np.round(STEP * np.concatenate(times), 4), np.concatenate(values)


def _copy_features(path: Path, target: Path, header: list[str]) -> None:
    """Copy one .csv as .parquet; ``header`` is that of the modality, set by its first file."""
    refuse_no_file(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        columns = [name for name in next(csv.reader(file), []) if name != TIME]
    if not header:
        header.extend(columns)
    if set(columns) != set(header):
        odd = sorted(set(columns) ^ set(header))
        raise CorpusError(
            "all videos must have the same features", found=f"'{odd[0]}' in some files only", where=f"{path}:1"
        )
    table = read_table(path, header, (TIME,))
    assert table.time_T is not None
    write_table(target, {TIME: table.time_T, **{name: table.values_TF[:, at] for at, name in enumerate(header)}})


def seed_features(columns: Sequence[str]) -> list[WrittenFeature]:
    """Clip columns are one embedding, whatever their number; flags and counts are known by name."""
    clip = [name for name in columns if name.startswith("clip_") and name[5:].isdigit()]
    features: list[WrittenFeature] = []
    for name in columns:
        if name in clip:
            continue
        kind = "binary" if name in BINARY else "categorical" if name in COUNTS else "continuous"
        features.append({"name": name} if kind == "continuous" else {"name": name, "kind": kind})
    numbers = sorted(int(name[5:]) for name in clip)
    if numbers:
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise CorpusError("clip columns must be numbered without gaps", found=f"{len(numbers)} columns")
        features.append({"name": f"clip_{{{numbers[0]}..{numbers[-1]}}}", "kind": "embedding"})
    return features


def _schema(headers: dict[str, list[str]], tracks: int, names: Sequence[str], classes: int) -> WrittenCorpus:
    modalities: dict[str, WrittenModality] = {
        m: {"features": seed_features(headers[m])} for m in SUFFIX if m in headers
    }
    if "visual" in modalities:
        modalities["visual"] = {"storage": "float16", **modalities["visual"]}
    modalities["track"] = {"features": track_features(tracks, names)}
    return {
        "format": 1,
        "name": "seed",
        "step": STEP,
        "reference": "track",
        "modalities": modalities,
        "targets": {"from": "track", "tracks": tracks, "parameters": track_parameters(names, classes)},
    }


_KINDS = {"active": "binary", "asset_id": "categorical"}


def track_features(tracks: int, names: Sequence[str]) -> list[WrittenFeature]:
    """The columns of editing tracks as a modality: each parameter of all tracks, ``0_x`` to ``19_x``."""
    return [{"name": f"{{0..{tracks - 1}}}_{p}", "kind": _KINDS.get(p, "continuous")} for p in names]


def track_parameters(names: Sequence[str], classes: int) -> list[WrittenParameter]:
    """The parameters of a track as targets, of which all but ``active`` count where the track is active.

    Args:
        classes: of ``asset_id``.
    """
    parameters: list[WrittenParameter] = []
    for name in names:
        kind, component = _KINDS.get(name, "continuous"), COMPONENTS.get(name, name)
        parameter: WrittenParameter = (
            {"name": name, "kind": kind, "classes": classes, "component": component}
            if name == "asset_id"
            else {"name": name, "kind": kind, "component": component}
        )
        if name != "active":
            parameter["when"] = "active"
        parameters.append(parameter)
    return parameters
