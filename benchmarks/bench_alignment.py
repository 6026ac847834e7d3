"""How long it takes to align a corpus of the seed experiment's size: 110 videos × 1,000 steps × 766 features;
and how long it takes to pool streams at 100 Hz to the same steps.

python benchmarks/bench_alignment.py
"""

from __future__ import annotations

import time

import numpy as np

from mmcore.data.alignment import align, tidy
from mmcore.data.pooling import Pooling
from mmcore.data.sources.tables import Table
from mmcore.schema import Feature, Modality

VIDEOS, STEPS = 110, 1_000
RATE = 100
"""Rows a second of a stream that is pooled, ten a step."""
STREAMS = {
    "audio": Modality(features=(Feature(name="level_{0..1}"), Feature(name="flag_{0..1}", kind="binary"))),
    "visual": Modality(
        features=(
            Feature(name="scene_change", kind="binary"),
            Feature(name="scalar_{0..8}"),
            Feature(name="clip_{0..511}", kind="embedding"),
        )
    ),
    "track": Modality(features=(Feature(name="{0..19}_active", kind="binary"), Feature(name="value_{0..219}"))),
}


def main() -> None:
    """Print seconds per corpus: matched, with every step interpolated, and pooled from ten rows a step."""
    rng = np.random.default_rng(0)
    grid_S = 0.1 * np.arange(STEPS)
    for title, offset in (("every step matched", 0.01), ("every step interpolated", 0.06)):
        for name, modality in STREAMS.items():
            kinds, groups = modality.kinds, modality.embedding_groups
            table = Table(grid_S - offset, rng.normal(size=(STEPS, len(kinds))).astype(np.float32), 0)
            # With the wide tolerance a match is found within 0.03 s; 0.06 s and 0.04 s lie beyond it.
            start = time.perf_counter()
            for _ in range(VIDEOS):
                align(tidy(table), grid_S, kinds, groups, tolerance=0.03, max_gap=5.0)
            seconds = time.perf_counter() - start
            print(f"{title:24} {name:7} {len(kinds):4} features  {seconds:6.2f} s for {VIDEOS} × {STEPS} steps")

    time_T = np.arange(RATE * STEPS // 10) / RATE
    for title, holes in (("pooled from 100 Hz", 0.0), ("pooled, 1 % of cells NaN", 0.01)):
        for name, modality in STREAMS.items():
            values_TF = rng.normal(size=(len(time_T), len(modality.kinds))).astype(np.float32)
            values_TF[rng.random(values_TF.shape) < holes] = np.nan
            table, pooling = Table(time_T, values_TF, 0), Pooling(0.1, modality.resamples)
            start = time.perf_counter()
            for _ in range(VIDEOS):
                align(tidy(table), grid_S, modality.kinds, modality.embedding_groups, 0.03, 5.0, pooling=pooling)
            seconds = time.perf_counter() - start
            width = len(modality.kinds)
            print(f"{title:24} {name:7} {width:4} features  {seconds:6.2f} s for {VIDEOS} × {len(time_T)} rows")


if __name__ == "__main__":
    main()
