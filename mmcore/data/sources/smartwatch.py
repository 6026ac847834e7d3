"""The smartwatch recordings of the package seglearn, as a corpus: which exercise is it?

140 recordings at 50 Hz of 10 subjects doing 7 shoulder exercises. Source: Burns, Leung, Hardisty, Whyne, Henry &
McLachlin 2018, "Shoulder physiotherapy exercise recognition: machine learning the inertial signals from a
smartwatch"; shipped with seglearn (BSD-3).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from mmcore.data.sources.pickles import read_pickle
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError
from mmcore.files import open_file

RATE = 50
"""Samples a second."""
STEP = 0.2
"""Seconds of a step: ten samples. The longest recording then has 262 steps, so that a model sees all of it at once."""
SPREAD = "_std"
"""Suffix of an axis's name for its movement within a step, which its mean does not show."""
STREAMS = {"accelerometer": ("ax", "ay", "az"), "gyroscope": ("wx", "wy", "wz")}
SIDES = {0: "left", 1: "right"}


def import_smartwatch(folder: Path, source: Path | None = None) -> Path:
    """Write the recordings as a corpus: task label, scope item, one group per subject.

    Tables hold all samples, each axis twice: a step has their mean and their standard deviation.

    Args:
        folder: is created; must not exist, or be empty.
        source: the file ``watch_dataset.npy``; None: that of the installed seglearn, which is not imported.

    Returns:
        The folder.

    Raises:
        CorpusError: seglearn is not installed, or the file is not what it should be.
    """
    path = find_recordings() if source is None else Path(source)
    data = read_recordings(path)
    labels = [str(label) for label in data["y_labels"]]
    columns = [str(name) for name in data["X_labels"]]
    with new_corpus(Path(folder)) as partial:
        rows = []
        for index, recording_TF in enumerate(data["X"]):
            name, subject = f"recording_{index:03d}", int(data["subject"][index])
            time_T = np.round(np.arange(len(recording_TF)) / RATE, 4)
            for stream, axes in STREAMS.items():
                values = {axis: recording_TF[:, columns.index(axis)].astype(np.float32) for axis in axes}
                values |= {axis + SPREAD: values[axis] for axis in axes}
                write_table(partial / stream / f"{name}.parquet", {"time": time_T, **values})
            exercise = int(data["y"][index])
            write_table(partial / "exercise" / f"{name}.parquet", {"exercise": np.array([exercise], np.int64)})
            side = SIDES[int(data["side"][index])]
            rows.append([name, f"subject_{subject:02d}", side, labels[exercise]])
        write_items(partial, ["item", "group", "side", "exercise"], rows)
        write_yaml(partial / "corpus.yaml", _schema(labels))
    return Path(folder)


def find_recordings() -> Path:
    """The file within the installed package, found without importing it.

    Raises:
        CorpusError: seglearn is not installed, or without the file.
    """
    spec = importlib.util.find_spec("seglearn")
    if spec is None or not spec.submodule_search_locations:
        raise CorpusError(
            "the smartwatch recordings come with the package seglearn",
            found="no such package",
            next_step='Install it: pip install "mmstudy[smartwatch]"',
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    if not path.is_file():
        raise CorpusError(
            "the package seglearn should hold the smartwatch recordings",
            expected="a file data/watch_dataset.npy",
            next_step='Install it again: pip install --force-reinstall "mmstudy[smartwatch]"',
            where=str(path),
        )
    return path


class Recordings(TypedDict):
    """The contents of the file, N recordings by the names that seglearn gives."""

    X: Sequence[np.ndarray]
    """Each (T, F): samples by columns."""
    X_labels: Sequence[str]
    """Names of the F columns."""
    y: Sequence[int]
    """Codes of the exercises."""
    y_labels: Sequence[str]
    """Names of the exercises, in the order of codes."""
    subject: Sequence[int]
    """Numbers of the persons."""
    side: Sequence[int]
    """0: left, 1: right."""


def read_recordings(path: Path) -> Recordings:
    """The dictionary in the file, checked.

    The file is a pickle within an .npy file; it is read without unpickling, see :mod:`mmcore.data.sources.pickles`.

    Raises:
        CorpusError: another kind of file, a pickle that asks for anything but arrays, or arrays that do not fit
            together.
    """
    try:
        with open_file(path) as file:
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version](file)
            if dtype != np.dtype(object) or shape != ():
                raise ValueError(f"an array of {dtype} with shape {shape}")
            offset = file.tell()
        data = read_pickle(path, offset)
        if isinstance(data, np.ndarray):
            data = data.item()
        _check(data)
    except CorpusError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:
        raise CorpusError(
            "the file does not hold the smartwatch recordings",
            expected="seglearn's dictionary of X, y, subject, side, X_labels, y_labels",
            found=f"{type(error).__name__}: {error}"[:200],
            next_step='Install the tested version: pip install "mmstudy[smartwatch]"',
            where=str(path),
        ) from None
    return data


def _check(data: Any) -> None:
    count = len(data["X"])
    wanted = {axis for axes in STREAMS.values() for axis in axes}
    if not wanted <= {str(name) for name in data["X_labels"]}:
        raise ValueError(f"columns {data['X_labels']}")
    for name in ("y", "subject", "side"):
        if len(data[name]) != count:
            raise ValueError(f"{len(data[name])} values of {name} for {count} recordings")
    if not all(0 <= int(code) < len(data["y_labels"]) for code in data["y"]):
        raise ValueError("an exercise without a label")
    if not all(int(side) in SIDES for side in data["side"]):
        raise ValueError("a side that is neither 0 nor 1")
    for recording_TF in data["X"]:
        if recording_TF.ndim != 2 or recording_TF.shape[1] != len(data["X_labels"]) or recording_TF.dtype.kind != "f":
            raise ValueError(f"a recording of shape {recording_TF.shape} and type {recording_TF.dtype}")


def _schema(labels: list[str]) -> WrittenCorpus:
    return {
        "format": 1,
        "name": "smartwatch",
        "step": STEP,
        "reference": None,
        "modalities": {
            stream: {
                "features": [
                    *({"name": axis} for axis in axes),
                    *({"name": axis + SPREAD, "resample": "std"} for axis in axes),
                ]
            }
            for stream, axes in STREAMS.items()
        },
        "targets": {
            "from": "exercise",
            "scope": "item",
            "parameters": [
                {
                    "name": "exercise",
                    "kind": "categorical",
                    "classes": len(labels),
                    "labels": labels,
                    "component": "exercise",
                }
            ],
        },
    }
