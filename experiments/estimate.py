"""How long runs will take: from finished runs of the same arm where there are any, else from the size of the model.

No torch: the formula counts the multiplications of the encoder and its surroundings.
"""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as parquet

from experiments.corpora import CorpusPlace
from experiments.home import Home
from mmcore.config import Bottleneck, CrossModal, Decision, ModelConfig, RunConfig
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError
from mmcore.schema import CorpusSchema

_FLOPS_A_SECOND = 20e9
"""A cautious guess for one CPU core in float32. Only for the first, rough estimate; finished runs replace it."""

_SECONDS_A_STEP = 0.006
"""A guess at the fixed cost of an optimiser step for each layer, which rules at small sizes."""


SECONDS_TO_TEST = 2.0
"""A guess at what it takes to open the data and to test a model that another run has trained."""


class Estimator:
    """Estimates the seconds of runs on one worker.

    Args:
        home: where finished runs lie.
        place, schema: the corpus.
    """

    def __init__(self, home: Home, place: CorpusPlace, schema: CorpusSchema) -> None:
        self._home, self._place, self._schema = home, place, schema
        self._measured: dict[str, list[float]] = {}
        self._steps: int | None = None

    @property
    def basis(self) -> str:
        """What the estimates rest on, for a reader."""
        runs = sum(len(seconds) for seconds in self._measured.values())
        if runs:
            return f"{runs} finished run{'s' if runs > 1 else ''} of this study"
        return "the size of the models, roughly; no run of this study has finished here yet"

    def learn(self, arm: str, record: dict[str, Any] | None) -> None:
        """Take a finished run of an arm into account."""
        if record is not None and record["status"] == "done" and record["seconds"]:
            self._measured.setdefault(arm, []).append(record["seconds"])

    def seconds(self, arm: str, config: RunConfig) -> float:
        """Seconds of a whole training of an arm."""
        if seconds := self._measured.get(arm):
            return sum(seconds) / len(seconds)
        rough = self._rough(config)
        if self._measured:
            # Other arms tell how this machine compares with the rough formula.
            everything = [s for many in self._measured.values() for s in many]
            return max(rough, sum(everything) / len(everything))
        return rough

    def _rough(self, config: RunConfig) -> float:
        model, window = config.model, config.data.window
        names = self._schema.chosen(model.modalities)
        columns = sum(len(self._schema.modalities[name].columns) for name in names)
        targets = self._schema.targets
        block = 4 * model.width**2 + 2 * model.width * model.feed_forward + 2 * window * model.width
        weights = (
            columns * model.width
            + len(names) * model.width**2
            + _layers(model, len(names)) * block
            + model.width**2
            + model.width * targets.tracks * targets.outputs
        )
        share = 1.0 - config.split.test
        flops = 6 * weights * self._grid_steps() * share * config.training.epochs
        steps = self._grid_steps() * share / window / config.training.batch * config.training.epochs
        return flops / _FLOPS_A_SECOND + steps * _SECONDS_A_STEP * (1 + _layers(model, len(names)))

    def _grid_steps(self) -> int:
        """Steps of the whole corpus, from the tables' row counts."""
        if self._steps is None:
            self._steps = self._count_steps()
        return self._steps

    def _count_steps(self) -> int:
        if not self._place.exists:
            return 110_000 if self._place.simulated and self._place.simulated[0] == "seed" else 8_000
        try:
            source = FolderSource(self._place.folder)
        except CorpusError:
            return 0
        name = source.schema.reference or next(iter(source.schema.modalities))
        total = 0
        for item in source.items:
            path = self._place.folder / name / f"{item.name}.parquet"
            if path.exists():
                total += parquet.read_metadata(path).num_rows
            elif path.with_suffix(".csv").exists():
                with open(path.with_suffix(".csv"), "rb") as file:
                    total += sum(1 for _ in file) - 1
        return total


def _layers(model: ModelConfig, modalities: int) -> int:
    """Transformer layers on the way, each counted once for every stream that it runs over."""
    layers = model.layers_before * modalities
    if modalities == 1:
        return layers + model.layers
    match model.fusion:
        case CrossModal():
            return layers + model.layers + model.fusion.layers * modalities * (modalities - 1)
        case Bottleneck():
            return layers + model.layers + model.fusion.layers * modalities * (1 + model.fusion.tokens)
        case Decision():
            return layers + model.layers * modalities
        case _:
            return layers + model.layers
