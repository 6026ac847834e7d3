"""A finished run, opened again: its model with the weights that were scored, and the data as it saw them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import RunConfig, Task
from mmcore.custom import sealed
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser
from mmcore.data.placebo import with_placebos
from mmcore.data.prepared import Prepared
from mmcore.data.splits import Split, draw_split
from mmcore.data.strata import strata_of
from mmcore.data.windows import with_window
from mmcore.events import OnEvent, ignore
from mmcore.fingerprint import training_fingerprint
from mmcore.model.build import build_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import CorpusSchema
from mmcore.scoring import Data, normaliser_of
from mmcore.task import resolve_causal, resolve_task
from mmcore.training.baselines import Baseline
from mmcore.training.checkpoint import load_checkpoint
from mmcore.training.evaluation import Naive, Predict, predictor
from mmcore.training.tally import Tally


class Trained:
    """What probes are given: everything about a finished run, read when first asked for.

    Args:
        config: of the run. prepared: its corpus; placebos are drawn as in the run. model: with the weights that were
            scored, on ``device``, in the state in which it predicts.
    """

    def __init__(
        self, config: RunConfig, prepared: Prepared, model: MultimodalModel, device: torch.device, on_event: OnEvent
    ) -> None:
        self.split: Split = draw_split(prepared.items, config.split, config.repeat, strata_of(prepared, config.split))
        """The sides of the run's repeat."""
        self.prepared = with_placebos(prepared, config.data.placebo, self.split, config.repeat)
        self.config, self.model, self.device = with_window(config, prepared), model, device
        self.on_event = on_event
        self.schema: CorpusSchema = prepared.schema
        self.targets = prepared.schema.targets
        self.task: Task = resolve_task(config, prepared.schema)
        self.predict: Predict = predictor(model, device)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the model reads, in the order of M."""
        return self.model.modalities

    @cached_property
    def normaliser(self) -> Normaliser:
        """Fitted on the training side, as the run did."""
        return normaliser_of(self.prepared, self.split.train)

    @cached_property
    def data(self) -> Data:
        """Passes over the corpus."""
        return Data(self.config, self.prepared, self.split.train, self.normaliser, self.task, self.on_event)

    @cached_property
    def test(self) -> Loader:
        """Windows of the test items: every target once."""
        return self.data.loader("test", self.split.test).keep()

    @cached_property
    def validation(self) -> Loader:
        """Windows of the validation items."""
        return self.data.loader("validation", self.split.validation).keep()

    @cached_property
    def baselines(self) -> list[Baseline]:
        """The naive predictors, fitted on the training side."""
        return list(self.data.baselines)

    @cached_property
    def naive(self) -> Naive:
        """What the naive predictors do on the test items: the yardstick of skill."""
        return self.data.naive(self.split.test)

    def tally(self, predict: Predict | None = None, loader: Loader | None = None, detailed: bool = False) -> Tally:
        """What a predictor does on a loader's windows; None: the model as it is, the test windows."""
        return self.data.tally(predict or self.predict, loader or self.test, detailed)

    def outputs(self, batch: Batch) -> Tensor:
        """The model's outputs (B, T, K, O) on its device, with gradients where torch records them."""
        return self.model(batch.to(self.device))


def open_trained(
    config: RunConfig,
    prepared: Prepared,
    workdir: Path | str,
    on_event: OnEvent = ignore,
    device: torch.device | None = None,
) -> Trained:
    """A finished run from its folder.

    Raises:
        CheckpointError: ``workdir`` holds no readable checkpoint of this config.
    """
    where, config = device or torch.device("cpu"), sealed(config)
    return Trained(config, prepared, load_trained(config, prepared, workdir).to(where), where, on_event)


def load_trained(config: RunConfig, prepared: Prepared, workdir: Path | str) -> MultimodalModel:
    """The model of a finished run, with the weights that were scored, on the CPU.

    Raises:
        CheckpointError: ``workdir`` holds no readable checkpoint of this config.
    """
    config = with_window(sealed(config), prepared)
    task = resolve_task(config, prepared.schema)
    model = build_model(config.model, prepared.schema, resolve_causal(config, task), config.repeat, config.data.steps)
    model.precision = config.training.precision
    path = Path(workdir) / "checkpoints" / "best.pt"
    weights = load_checkpoint(path, training_fingerprint(config, prepared.content), torch.device("cpu"))
    model.load_state_dict(weights["model"])
    return model
