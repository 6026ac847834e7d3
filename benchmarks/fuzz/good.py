"""Good input, from which bad input is made: a corpus of six items, a study, and a home with its finished runs."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.execute import failed_record
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import Plan, plan
from experiments.planning.request import Options
from experiments.records import write_record
from mmcore.data.prepare import prepare
from mmcore.facts import CorpusFacts
from mmcore.scores import Score

CORPUS = """\
format: 1
name: small
step: 0.1
reference: track
modalities:
  audio:
    missing_values: [-99]
    features: [{name: level}, {name: loud, kind: binary, resample: max}]
  track: {features: [{name: 0_x}, {name: 0_on, kind: binary}, {name: 0_c, kind: categorical}]}
targets:
  from: track
  parameters:
    - {name: x, component: position, when: on}
    - {name: on, kind: binary, component: active}
    - {name: c, kind: categorical, classes: 3, component: asset}
"""
STUDY = """\
question: Does the level help?
notes: As small as a study can be
preset: null
repeats: 2
reference: both
metric: position/skill
margin: 0.05
alpha: 0.1
comparisons: pairs
analyses: [gates, {kind: errors, cases: 2}]
base:
  data.window: 10
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 2, batch: 8, patience: 1}
  loss.weights: {position: 2.0}
arms:
  both: {}
  track: {model.modalities: [track]}
  wide:
    model: {width: 16, fusion: {kind: low_rank, rank: 3}}
"""
SEARCH = """\
question: Does tuning help?
preset: null
repeats: 2
reference: base
base: {data.window: 10, model: {width: 8, layers: 1, heads: 2, feed_forward: 8}, training: {epochs: 2, batch: 8}}
arms:
  base: {}
search:
  sampler: cma_es
  budget: {trials: 5}
  repeats: 1
  parallel: 2
  space:
    model.dropout: {kind: uniform, low: 0.0, high: 0.5}
    model.layers: {kind: int, low: 1, high: 3, role: scientific}
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-5, high: 1e-1}
"""
DESIGN = """\
question: Which modality helps?
preset: null
repeats: {min: 3, max: 6}
reference: all
comparisons: neighbours
base: {data.window: 10, model: {width: 8, layers: 1, heads: 2, feed_forward: 8}, training: {epochs: 2, batch: 8}}
design:
  - {kind: modality_lattice}
  - {kind: placebo}
"""
STUDIES = (STUDY, STUDY, SEARCH, DESIGN)


@dataclass(frozen=True)
class Good:
    """Where the good input lies.

    Args:
        root: a scratch folder; cases get folders of their own in it.
    """

    root: Path

    @property
    def corpus(self) -> Path:
        """The corpus."""
        return self.root / "good" / "corpus"

    @property
    def study(self) -> Path:
        """The study's file."""
        return self.root / "good" / "level.yaml"

    @property
    def home(self) -> Home:
        """The home."""
        return Home(self.root / "good" / "home")

    def make(self) -> Good:
        """Itself, once all of it is there."""
        _write_corpus(self.corpus)
        self.study.write_text(STUDY, encoding="utf-8")
        todo = self.planned()
        prepare(self.corpus, todo.request.study.arms[0].config.data, self.home.make().prepared)
        for run in todo.runs:
            folder = self.home.run(run.fingerprint or "")
            folder.mkdir(parents=True)
            scores = tuple(
                Score(split, "all", "skill", component, 0.1 * run.repeat + len(run.arm) / 10, baseline=baseline)
                for split in ("validation", "test")
                for component in (None, "position", "active", "asset")
                for baseline in (None, "persistence")
            )
            facts = CorpusFacts(
                name="small", content=todo.request.content or "", path=str(self.corpus),
                components=("position", "active", "asset"), modalities=("audio", "track"),
            )  # fmt: skip
            made = failed_record(run.config, folder.name, "", "", 1.0)
            history = ({"epoch": 1.0, "train/loss": 1.0}, {"epoch": 2.0, "train/loss": 0.5})
            done = replace(
                made, status="done", failure=None, scores=scores, corpus=facts, epochs=2, history=history,
                study="level", arm=run.arm,
            )  # fmt: skip
            write_record(folder, done)
            (folder / "history.json").write_text('[{"epoch": 1}]', encoding="utf-8")
        return self

    def planned(self) -> Plan:
        """The plan of the good study."""
        return plan(open_request(str(self.study), self.home, Options(corpus=str(self.corpus))), self.home)

    def copy(self, number: int, *parts: str) -> Path:
        """A folder for one case, with copies of these parts of the good input."""
        folder = self.root / f"case{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for part in parts:
            source = self.root / "good" / part
            shutil.copytree(source, folder / part) if source.is_dir() else shutil.copy(source, folder / part)
        return folder


def _write_corpus(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("audio", "track"):
        (folder / name).mkdir(parents=True)
    rows = ["item,group,genre"]
    for index in range(6):
        item, steps = f"item{index}", 14
        time = np.round(np.arange(steps) * 0.1, 4)
        audio = pd.DataFrame(
            {"time": time, "level": rng.normal(size=steps).round(4), "loud": rng.integers(0, 2, steps)}
        )
        track = pd.DataFrame(
            {
                "time": time,
                "0_x": rng.normal(size=steps),
                "0_on": rng.integers(0, 2, steps),
                "0_c": rng.integers(0, 3, steps),
            }
        )
        audio.to_csv(folder / "audio" / f"{item}.csv", index=False)
        if index % 2:
            track.to_parquet(folder / "track" / f"{item}.parquet")
        else:
            track.to_csv(folder / "track" / f"{item}.csv", index=False)
        rows.append(f"{item},g{index},{'ab'[index % 2]}")
    (folder / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "corpus.yaml").write_text(CORPUS, encoding="utf-8")


def drawn(seed: int, number: int) -> random.Random:
    """The random numbers of one case: the same whatever cases ran before it."""
    return random.Random(f"{seed}/{number}")
