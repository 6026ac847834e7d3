"""A tiny corpus that tests write, bend and break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from factories.tables import Tables

from mmcore.data.sources.written import WrittenCorpus

TINY: WrittenCorpus = {
    "format": 1,
    "name": "tiny",
    "step": 1.0,
    "reference": "track",
    "modalities": {
        "sound": {"features": [{"name": "level"}, {"name": "speaking", "kind": "binary"}]},
        "image": {"storage": "float16", "features": [{"name": "clip_{0..2}", "kind": "embedding"}]},
        "track": {
            "features": [
                {"name": "{0..1}_on", "kind": "binary"},
                {"name": "{0..1}_kind", "kind": "categorical"},
                {"name": "{0..1}_x"},
            ]
        },
    },
    "targets": {
        "from": "track",
        "tracks": 2,
        "parameters": [
            {"name": "on", "kind": "binary", "component": "on"},
            {"name": "kind", "kind": "categorical", "classes": 3, "component": "kind", "when": "on"},
            {"name": "x", "component": "x", "when": "on"},
        ],
    },
}


@pytest.fixture
def tiny_schema() -> WrittenCorpus:
    """A copy of the schema, to be bent."""
    return yaml.safe_load(yaml.safe_dump(TINY, sort_keys=False))


@pytest.fixture(scope="session")
def tiny_tables() -> Callable[..., Tables]:
    """Tables of the tiny corpus: item lengths by name; ``c`` lacks the image."""

    def build(lengths: Mapping[str, int] | None = None) -> Tables:
        tables: Tables = {"sound": {}, "image": {}, "track": {}}
        for index, (name, steps) in enumerate((lengths or {"a": 12, "b": 7, "c": 9, "d": 5}).items()):
            rng = np.random.default_rng(index)
            time = np.arange(steps, dtype=float)
            clip = rng.normal(size=(steps, 3))
            tables["sound"][name] = pd.DataFrame(
                {"time": time, "level": rng.normal(size=steps), "speaking": rng.integers(0, 2, steps)}
            )
            if name != "c":
                tables["image"][name] = pd.DataFrame({"time": time, **{f"clip_{e}": clip[:, e] for e in range(3)}})
            track: dict[str, np.ndarray] = {"time": time}
            for k in range(2):
                track[f"{k}_on"] = rng.integers(0, 2, steps)
                track[f"{k}_kind"] = rng.integers(0, 3, steps)
                track[f"{k}_x"] = 5 + 2 * rng.normal(size=steps)
            tables["track"][name] = pd.DataFrame(track)
        return tables

    return build


@pytest.fixture(scope="session")
def write_corpus(tiny_tables: Callable[..., Tables]) -> Callable[..., Path]:
    """Writes a corpus into a folder; whatever is not given is the tiny one."""

    def write(
        folder: Path,
        schema: WrittenCorpus | None = None,
        tables: Tables | None = None,
        items: str | None = None,
        suffix: str = ".csv",
    ) -> Path:
        folder.mkdir()
        tables = tiny_tables() if tables is None else tables
        (folder / "corpus.yaml").write_text(yaml.safe_dump(schema or TINY, sort_keys=False))
        names = list(dict.fromkeys(item for frames in tables.values() for item in frames))
        text = "item,group\n" + "".join(f"{item},g{item}\n" for item in names)
        (folder / "items.csv").write_text(text if items is None else items)
        for modality, frames in tables.items():
            (folder / modality).mkdir()
            for item, frame in frames.items():
                path = folder / modality / f"{item}{suffix}"
                match suffix:
                    case ".csv":
                        frame.to_csv(path, index=False)
                    case ".feather":
                        frame.to_feather(path)
                    case _:
                        frame.to_parquet(path, index=False)
        return folder

    return write


@pytest.fixture
def write_tiny(write_corpus: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """The same, by name, in the test's own folder."""
    return lambda name="corpus", **parts: write_corpus(tmp_path / name, **parts)
