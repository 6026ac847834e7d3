"""Made-up scores of other code, and results of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.records.foreign import Request, foreign_results, own_measure
from reports.records.frame import StudyResults
from reports.records.origin import Foreign


def scores(
    arms: Mapping[str, float], repeats: int = 8, *, noise: float = 0.01, parts: Sequence[str] = (), seed: int = 0
) -> pd.DataFrame:
    """A tidy table: each arm's level, and noise of its own in every repeat (and part)."""
    rng = np.random.default_rng(seed)
    rows = [
        (arm, repeat, part, level + noise * rng.normal())
        for arm, level in arms.items()
        for repeat in range(repeats)
        for part in (parts or (None,))
    ]
    frame = pd.DataFrame(rows, columns=["arm", "repeat", "component", "value"])
    return frame if parts else frame.drop(columns="component")


def results(
    frame: pd.DataFrame, *, higher: bool = True, margin: float | None = None, settings: Any = None, **foreign: Any
) -> StudyResults:
    """Results of a tidy table; its first arm is the reference."""
    request = Request(
        name="judge-made_up",
        question="Which is better?",
        measure=own_measure("my_score", higher),
        reference=str(frame["arm"].iloc[0]),
        margin=margin,
        foreign=Foreign(**foreign),
        settings=settings or {},
    )
    return foreign_results(frame, request)
