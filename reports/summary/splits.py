"""The splits that a report was scored on, as short digests for its JSON."""

from __future__ import annotations

import hashlib
from typing import cast

import pandas as pd

from mmcore.facts import SplitFacts
from reports.model.provenance import RepeatSplit, Splits
from reports.records.frame import StudyResults


def splits_of(results: StudyResults) -> Splits:
    """The split of every repeat that has a finished run."""
    first: dict[int, tuple[str, SplitFacts]] = {}
    for run in results.done:
        if run.split.sides:
            first.setdefault(run.repeat, (run.arm, run.split))
    places = cast(dict[tuple[str, int], list[int]], results.items.groupby(["arm", "repeat"], sort=False).indices)
    repeats = []
    for repeat, (arm, split) in sorted(first.items()):
        scored = results.items.iloc[places.get((arm, repeat), [])]
        repeats.append(
            RepeatSplit(
                repeat=repeat,
                train_groups=split.groups("train"),
                test_groups=split.groups("test"),
                items=int(scored["item"].nunique()),
                targets=_digest(scored),
                naive_loss=float(scored["naive_loss"].sum()),
            )
        )
    return Splits(results.drawn, tuple(repeats))


def _digest(scored: pd.DataFrame) -> str:
    rows = sorted(zip(scored["item"], scored["component"], scored["count"], strict=True))
    text = "\n".join(f"{item}\t{component}\t{count}" for item, component, count in rows)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
