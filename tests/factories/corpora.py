"""Corpora of a few rows, for tests of commands."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

LENGTHS = (41, 60, 125, 90, 48, 70, 55, 66, 52, 80, 44, 58)


def write_actions(folder: Path, lengths: Sequence[int] = LENGTHS, scope: str = "item", copied: bool = False) -> Path:
    """Two sensors and a class for each item, or each step; with ``copied`` the foot has the hand's column, doubled."""
    rng = np.random.default_rng(0)
    schema = {
        "format": 1,
        "name": "actions",
        "step": 0.1,
        "modalities": {"hand": {"features": [{"name": "x"}]}, "foot": {"features": [{"name": "y"}]}},
        "targets": {
            "from": "action",
            "scope": scope,
            "parameters": [{"name": "action", "kind": "categorical", "classes": 2, "component": "action"}],
        },
    }
    for name in ("hand", "foot", "action"):
        (folder / name).mkdir(parents=True)
    (folder / "corpus.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    lines = ["item,group"]
    for i, steps in enumerate(lengths):
        time, item = np.arange(steps) / 10, f"clip{i:02d}"
        lines.append(f"{item},{item}")
        x, y = i % 2 + rng.normal(size=steps), rng.normal(size=steps)
        tables = {
            "hand": {"time": time, "x": x},
            "foot": {"time": time, "y": 2 * x if copied else y},
            "action": {"action": [i % 2]} if scope == "item" else {"time": time, "action": [i % 2] * steps},
        }
        for name, columns in tables.items():
            pd.DataFrame(columns).to_csv(folder / name / f"{item}.csv", index=False)
    (folder / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def with_a_second_target(corpus: Path, folder: Path) -> Path:
    """A copy of the tiny corpus with a component beside its position, so that weights have something to weigh."""
    shutil.copytree(corpus, folder)
    schema = (folder / "corpus.yaml").read_text(encoding="utf-8")
    schema = schema.replace("{name: 0_x}", "{name: 0_x}, {name: 0_y}")
    schema += "    - {name: y, component: size}\n"
    (folder / "corpus.yaml").write_text(schema, encoding="utf-8")
    for path in (folder / "track").iterdir():
        table = pd.read_parquet(path)
        table.assign(**{"0_y": table["0_x"].shift(1, fill_value=0.0) ** 2}).to_parquet(path)
    return folder
