"""The folder of a new user: recordings as they come from tools, with a truth that is known.

Audio says which class a segment has, the picture says half of it (one class against the others), sentences say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = ("calm", "happy", "sad")
FRAME_RATE = 30000 / 1001
MISSPELT = ("clip_04", "clip_O4")
"""An item, and how its file of pictures is called."""


@dataclass(frozen=True)
class Recorded:
    """What was written: the folder, and per item its seconds."""

    folder: Path
    seconds: dict[str, float]


def write_raw_folder(folder: Path, items: int = 30, shortest: float = 12.0) -> Recorded:
    """Write audio at 100 Hz in milliseconds (CSV), pictures at 29.97 a second (.npy), subtitles (.srt) and one table of
    segment labels with class names; three files are missing, and one name is misspelt."""
    rng = np.random.default_rng(7)
    for name in ("audio", "visual", "subtitles"):
        (folder / name).mkdir(parents=True)
    labels: list[tuple[str, float, float, str]] = []
    seconds: dict[str, float] = {}
    for at in range(items):
        item = f"clip_{at:02d}"
        length = shortest + float(rng.uniform(0, 8))
        seconds[item] = length
        ends = np.append(np.arange(2.5, length - 1, 2.5), length)
        classes = rng.integers(0, 3, len(ends))
        starts = np.append(0.0, ends[:-1])
        labels += [(item, s, e, CLASSES[c]) for s, e, c in zip(starts.round(2), ends.round(2), classes, strict=True)]
        if at != 11:
            _audio(folder / "audio" / f"{item}.csv", length, ends, classes, rng)
        if at != 17:
            name = MISSPELT[1] if item == MISSPELT[0] else item
            _visual(folder / "visual" / f"{name}.npy", length, ends, classes, rng)
        if at != 23:
            _subtitles(folder / "subtitles" / f"{item}.srt", length, rng)
    table = pd.DataFrame(labels, columns=pd.Index(["video", "start", "end", "label"]))
    table.to_csv(folder / "labels.csv", index=False)
    (folder / "notes.txt").write_text("recorded in May\n")
    return Recorded(folder, seconds)


def _class_at(times_T: np.ndarray, ends: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return classes[np.minimum(np.searchsorted(ends, times_T, side="right"), len(ends) - 1)]


def _audio(path: Path, length: float, ends: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> None:
    times_T = np.arange(int(length * 100)) / 100
    class_T = _class_at(times_T, ends, classes)
    noise_TF = rng.normal(size=(len(times_T), 3))
    frame = pd.DataFrame(
        {
            "timestamp": (times_T * 1000).round().astype(int),
            "energy": (class_T == 1) * 2.0 + noise_TF[:, 0],
            "pitch": (class_T == 2) * 2.0 + noise_TF[:, 1],
            "jitter": noise_TF[:, 2],
        }
    )
    frame.round(4).to_csv(path, index=False)


def _visual(path: Path, length: float, ends: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> None:
    times_T = np.arange(int(length * FRAME_RATE)) / FRAME_RATE
    values_TF = rng.normal(size=(len(times_T), 4))
    values_TF[:, 0] += 2.0 * (_class_at(times_T, ends, classes) == 1)
    np.save(path, values_TF.astype(np.float32))


def _subtitles(path: Path, length: float, rng: np.random.Generator) -> None:
    words = ["we", "went", "there", "and", "saw", "that", "it", "was", "good", "again", "today"]
    blocks, at, number = [], float(rng.uniform(0, 1)), 1
    while at < length - 1:
        end = min(at + float(rng.uniform(0.8, 2.5)), length)
        text = " ".join(rng.choice(words, rng.integers(2, 9)))
        blocks.append(f"{number}\n{_clock(at)} --> {_clock(end)}\n{text}\n")
        at, number = end + float(rng.uniform(0.2, 1.5)), number + 1
    path.write_text("\n".join(blocks))


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"00:{whole // 60:02d}:{whole % 60:02d},{thousandths:03d}"
