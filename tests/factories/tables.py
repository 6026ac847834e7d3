"""Small tables in memory, and a corpus folder made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmcore.data.sources.folder import FolderSource
from mmcore.data.sources.frames import draft_corpus, write_draft

Tables = dict[str, dict[str, pd.DataFrame]]
"""Modality, or targets, to item to table."""

NAMES = ["a", "b", "c"]
MOOD = pd.Series(["sad", "glad", "sad"], index=NAMES, name="mood")


def sound(steps: int = 6, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    time = np.arange(steps) / 2
    return pd.DataFrame({"time": time, "level": rng.normal(size=steps), "on": rng.integers(0, 2, steps).astype(bool)})


def sounds() -> dict[str, pd.DataFrame]:
    return {name: sound(seed=at) for at, name in enumerate(NAMES)}


def written(folder: Path, *args: Any, **options: Any) -> FolderSource:
    return FolderSource(write_draft(draft_corpus(*args, **options), folder))
