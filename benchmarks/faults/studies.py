"""The studies of a campaign: as small as a study can be, some with a search, some with training code of their own."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["command", "function", "looks", "own search", "plain", "analyses", "tpe search", "grid search"]
KINDS: tuple[Kind, ...] = (
    "command", "function", "looks", "own search", "plain", "analyses", "tpe search", "grid search",
)  # fmt: skip
CHEAP: tuple[Kind, ...] = ("command", "function", "looks", "own search")
"""Their training code is the user's own, and needs no torch."""
SEARCHES: tuple[Kind, ...] = ("own search", "tpe search", "grid search")

SCRIPT = """\
import json, random, sys
from pathlib import Path

rate, fusion, seed, out = float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
score = 0.7 + random.Random(seed).gauss(0, 0.02) + (0.05 if fusion == "gated" else 0.0) - abs(rate - 0.01)
with open(out / "epochs.jsonl", "w") as epochs:
    for epoch in range(1, 4):
        row = {"epoch": epoch, "accuracy": score - 0.1 / epoch, "validation/accuracy": score - 0.2 / epoch}
        print(json.dumps(row), file=epochs, flush=True)
(out / "scores.json").write_text(json.dumps({"accuracy": score, "validation/accuracy": score - 0.01}))
"""

FUNCTION = """\
import random


def run(config, repeat, workdir, report):
    score = 0.7 + random.Random(repeat).gauss(0, 0.02) + (0.05 if config["fusion"] == "gated" else 0.0)
    for epoch in range(1, 3):
        report(epoch=epoch, accuracy=score - 0.1 / epoch)
    return {"accuracy": score}
"""

_OWN = """\
question: Does the gate help?
runner: {{{runner}}}
base: {{lr: 1e-3, fusion: gated}}
arms: {{gated: {{}}, concat: {{fusion: concat}}{third}}}
reference: concat
repeats: {repeats}
metric: accuracy
"""
_COMMAND = 'command: "{python} -S train.py {{lr}} {{fusion}} {{repeat}} {{workdir}}"'
_FUNCTION = 'function: "mine:run"'
_OWN_SEARCH = """\
search:
  space: {{lr: {{kind: log_uniform, low: 1e-4, high: 1e-1, role: scientific}}}}
  sampler: {sampler}
  pruner: {pruner}
  budget: {{trials: 4}}
  repeats: 1
  parallel: 2
"""
_MODELS = """\
question: Does the level help?
preset: null
repeats: 2
reference: track
base:
  data.window: 8
  model: {{width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}}
  training: {{epochs: {epochs}, batch: 8}}
arms: {arms}
"""
_TWO, _ONE = "{both: {}, track: {model.modalities: [track]}}", "{track: {}}"
_ANALYSES = "analyses: [gates, {kind: errors, cases: 2}]\n"
_SEARCH = """\
search:
  space:
    training.batch: {{kind: choice, values: [4, 8], role: scientific}}
    {second}
  sampler: {sampler}
  budget: {{trials: {trials}}}
  repeats: 1
  parallel: 2
"""
_RATE = "training.optimiser.learning_rate: {kind: log_uniform, low: 1e-4, high: 1e-1, role: scientific}"

CORPUS = """\
format: 1
name: tiny
step: 0.1
reference: track
modalities:
  audio: {features: [{name: level}]}
  track: {features: [{name: 0_x}]}
targets:
  from: track
  tracks: 1
  parameters:
    - {name: x, component: position}
"""


@dataclass(frozen=True)
class Made:
    """A study in a folder of its own.

    Args:
        kind: of study. text: of its file. workers: that train it.
    """

    kind: Kind
    text: str
    workers: int

    @property
    def name(self) -> str:
        """The folder that holds what an undisturbed run of it leaves."""
        return self.kind.replace(" ", "_") + f"_{abs(hash_of(self.text)):x}"

    def write(self, folder: Path) -> list[str]:
        """Make it in a folder; returns the words of the command that trains it."""
        folder.mkdir(parents=True, exist_ok=True)
        study = folder / "level.yaml"
        study.write_text(self.text, encoding="utf-8")
        words = ["run", str(study), "--workers", str(self.workers)]
        if self.kind in CHEAP:
            (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
            (folder / "mine.py").write_text(FUNCTION, encoding="utf-8")
            return words
        write_corpus(folder / "corpus")
        return [*words, "--corpus", str(folder / "corpus")]


def hash_of(text: str) -> int:
    """The same in every process."""
    import zlib

    return zlib.crc32(text.encode())


def make(kind: Kind, rng: random.Random) -> Made:
    """A study of this kind; few differ, so that undisturbed ones are trained once."""
    command = _COMMAND.format(python=sys.executable)
    third = rng.choice(["", ", slow: {lr: 1e-2}"])
    texts: dict[Kind, Callable[[], str]] = {
        "command": lambda: _OWN.format(runner=command, third=third, repeats=2),
        "function": lambda: _OWN.format(runner=_FUNCTION, third="", repeats=2),
        "looks": lambda: _OWN.format(runner=command, third="", repeats="{min: 3, max: 6}"),
        "own search": lambda: (
            _OWN.format(runner=f"{command}, max_epochs: 3", third="", repeats=2)
            + _OWN_SEARCH.format(sampler=rng.choice(["random", "tpe"]), pruner=rng.choice(["none", "median"]))
        ),
        "plain": lambda: _MODELS.format(epochs=rng.choice([1, 3]), arms=_TWO),
        "analyses": lambda: _MODELS.format(epochs=1, arms=_TWO) + _ANALYSES,
        "tpe search": lambda: _MODELS.format(epochs=2, arms=_ONE)
        + _SEARCH.format(sampler="tpe", second=_RATE, trials=3),
        "grid search": lambda: _MODELS.format(epochs=2, arms=_ONE)
        + _SEARCH.format(sampler="grid", second="model.norm: {kind: choice, values: [pre, post]}", trials=4),
    }  # fmt: skip
    return Made(kind, texts[kind](), rng.choice([1, 2]))


def write_corpus(folder: Path) -> None:
    """Eight items of 24 steps; x copies the level of the same step."""
    if folder.exists():
        return
    rng = np.random.default_rng(0)
    for name in ("audio", "track"):
        (folder / name).mkdir(parents=True)
    for index in range(8):
        time, level = np.arange(24) * 0.1, rng.normal(size=24)
        pd.DataFrame({"time": time, "level": level}).to_csv(folder / "audio" / f"item{index}.csv", index=False)
        pd.DataFrame({"time": time, "0_x": level}).to_csv(folder / "track" / f"item{index}.csv", index=False)
    rows = ["item,group", *(f"item{index},item{index}" for index in range(8))]
    (folder / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "corpus.yaml").write_text(CORPUS, encoding="utf-8")
