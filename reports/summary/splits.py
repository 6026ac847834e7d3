"""What a report was scored on, small enough for its JSON: by it two reports can be held together without records."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pandas as pd

from reports.records.frame import StudyResults


def splits_of(results: StudyResults) -> dict[str, Any]:
    """The split of every repeat that has a finished run, as plain data.

    Returns:
        ``{"drawn": how, "repeats": [{"repeat", "train_groups", "test_groups", "items", "targets", "naive_loss"}]}``.
        ``targets`` is a digest of the tested items and of how many targets of each component were scored;
        ``naive_loss`` adds up the naive losses on them, which also follow what stood on the training side. All arms of
        a repeat share them, which was checked when their records were mixed. [] where nothing is finished.
    """
    first: dict[int, dict[str, Any]] = {}
    for run in results.run_rows:
        if run["status"] == "done":
            first.setdefault(int(run["repeat"]), run)
    places = cast(dict[tuple[str, int], Any], results.items.groupby(["arm", "repeat"], sort=False).indices)
    repeats = []
    for repeat, run in sorted(first.items()):
        place = places.get((run["arm"], repeat))
        scored = results.items.iloc[[] if place is None else place]
        repeats.append(
            {
                "repeat": repeat,
                "train_groups": run["train_groups"],
                "test_groups": run["test_groups"],
                "items": int(scored["item"].nunique()),
                "targets": _digest(scored),
                "naive_loss": float(scored["naive_loss"].sum()),
            }
        )
    return {"drawn": results.drawn, "repeats": repeats}


def _digest(scored: pd.DataFrame) -> str:
    rows = sorted(zip(scored["item"], scored["component"], scored["count"], strict=True))
    text = "\n".join(f"{item}\t{component}\t{count}" for item, component, count in rows)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
