"""How fast the data of the seed experiment's size are simulated, prepared and served: batches of 16 × 100 × 766.

python benchmarks/bench_loader.py [--corpus FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from mmcore.config import DataConfig, Forecast, SplitConfig
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import content_key
from mmcore.data.sources.simulated import simulate
from mmcore.data.splits import draw_split
from mmcore.seeding import generator


def main() -> None:
    """Print seconds per stage and batches a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="a corpus to use instead of the simulated one")
    given = parser.parse_args().corpus
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        config = DataConfig()
        start = time.perf_counter()
        folder = given or simulate(Path(scratch) / "corpus", "seed")
        start = _say("simulate", start)
        content_key(folder)
        start = _say("content key", start)
        prepared = prepare(folder, config, Path(scratch) / "cache")
        start = _say("prepare", start)
        prepare(folder, config, Path(scratch) / "cache")
        start = _say("open again", start)
        split = draw_split(prepared.items, SplitConfig(), 0)
        normaliser = fit_normaliser(prepared, split.train)
        _say("fit normaliser", start)
        modalities = list(prepared.schema.modalities)
        loader = Loader(prepared, normaliser, config, Forecast(), modalities, split.train, batch=16)
        for epoch in (1, 2):
            start = time.perf_counter()
            for _ in loader.batches(generator(0, "order", epoch).permutation(loader.windows)):
                pass
            seconds = time.perf_counter() - start
            width = sum(values.shape[1] for values in prepared.values.values())
            print(f"epoch {epoch}: {len(loader) / seconds:.0f} batches/s of 16 × {config.window} × {width}")


def _say(stage: str, start: float) -> float:
    now = time.perf_counter()
    print(f"{stage:15} {now - start:6.2f} s")
    return now


if __name__ == "__main__":
    main()
