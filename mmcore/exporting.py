"""A trained model as one module of plain tensors: raw values in, original units and probabilities out.

B batch, T steps, M modalities, F raw features, K tracks, P parameters, O outputs per track.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from mmcore.batch import Batch
from mmcore.config import RunConfig
from mmcore.custom import sealed
from mmcore.data.normalisation import SCALED
from mmcore.errors import PartError
from mmcore.files import read_bytes
from mmcore.predicting import Member, open_member
from mmcore.schema import CorpusSchema
from mmcore.training.evaluation import Predict
from mmcore.training.losses import layout_of

FEWEST_STEPS = 2
"""Of a window: torch.export takes a length of one for a constant."""
MOST_WINDOWS = 4096
"""Of a batch."""


class Deployed(nn.Module):
    """What a member predicts, with normalisation inside, for places that lack our loader.

    Shape: values, for each of :attr:`modalities` in this order x_BTF in the units of the corpus, NaN where unknown;
    present_BTM, whether each is there at a step; valid_BT, whether the step exists (no padding) → outputs_BTKO:
    values in original units, and a probability for each class (a binary parameter has two), in the order of the
    parameters. T is at most the run's window; of the outputs it is 1 where each item has one target. Values at steps
    where a modality is not present, and outputs at steps that do not exist, mean nothing.

    Args:
        member: the model and its normalisation. schema: of the corpus that it was trained on.
    """

    def __init__(self, member: Member, schema: CorpusSchema) -> None:
        super().__init__()
        self.model = member.model
        # A file is for places whose processors we do not know.
        self.model.precision = "fp32"
        self.modalities = member.model.modalities
        self.clip = float(member.config.data.clip)
        self.scaling = nn.ModuleList(
            Scale(
                torch.tensor([kind in SCALED for kind in schema.modalities[name].kinds]),
                torch.as_tensor(member.normaliser.mean[name]),
                torch.as_tensor(member.normaliser.deviation[name]),
                self.clip,
                schema.modalities[name].embedding_groups,
            )
            for name in self.modalities
        )
        self.scales = [scale for scale in self.scaling if isinstance(scale, Scale)]
        layout = layout_of(schema.targets)
        classes = ((layout.first[p], layout.classes(p)) for p in layout.binary + layout.categorical)
        self.classes = tuple(sorted((first, first + count) for first, count in classes))
        mean_O, deviation_O = torch.zeros(schema.targets.outputs), torch.ones(schema.targets.outputs)
        for p in layout.continuous:
            mean_O[layout.first[p]] = float(member.normaliser.target_mean_P[p])
            deviation_O[layout.first[p]] = float(member.normaliser.target_deviation_P[p])
        self.mean_O: Tensor
        self.deviation_O: Tensor
        self.register_buffer("mean_O", mean_O)
        self.register_buffer("deviation_O", deviation_O)

    def forward(self, values: list[Tensor], present_BTM: Tensor, valid_BT: Tensor) -> Tensor:
        """See the class."""
        there_BTM = present_BTM & valid_BT.unsqueeze(-1)
        scaled = {
            name: scale(x_BTF, there_BTM[..., at : at + 1])
            for at, (name, scale, x_BTF) in enumerate(zip(self.modalities, self.scaling, values, strict=True))
        }
        B = valid_BT.shape[0]
        # A model reads neither targets nor places.
        nothing, no = torch.zeros(B, 1, 1, 1), torch.zeros(B, 1, 1, 1, dtype=torch.bool)
        zero_B = torch.zeros(B, dtype=torch.int64)
        outputs_BTKO = self.model(Batch(scaled, there_BTM, valid_BT, nothing, no, nothing, no, zero_B, zero_B))
        parts, at = [], 0
        for first, last in self.classes:
            parts += [self._in_units(outputs_BTKO, at, first), outputs_BTKO[..., first:last].softmax(-1)]
            at = last
        parts.append(self._in_units(outputs_BTKO, at, outputs_BTKO.shape[-1]))
        return torch.cat([part for part in parts if part.shape[-1]], dim=-1)

    def _in_units(self, outputs_BTKO: Tensor, first: int, last: int) -> Tensor:
        return outputs_BTKO[..., first:last] * self.deviation_O[first:last] + self.mean_O[first:last]


class Scale(nn.Module):
    """A modality's values as a model reads them: (x − mean) / deviation within ± clip, zero where unknown or absent.

    Embeddings are brought to unit length, as the prepared store does; of one with gaps the known part is, and a zero
    vector stays zero.

    Shape: x_BTF, there_BT1 → (B, T, F).

    Args:
        scaled_F: which columns are scaled. mean_F, deviation_F: of them. clip: the limit, in standard deviations.
        embeddings: column spans [first, last).
    """

    def __init__(
        self,
        scaled_F: Tensor,
        mean_F: Tensor,
        deviation_F: Tensor,
        clip: float,
        embeddings: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.clip, self.embeddings = clip, tuple(embeddings)
        self.scaled_F: Tensor
        self.mean_F: Tensor
        self.deviation_F: Tensor
        self.register_buffer("scaled_F", scaled_F)
        self.register_buffer("mean_F", mean_F)
        self.register_buffer("deviation_F", deviation_F)

    def undo(self, x_BTF: Tensor) -> Tensor:
        """The raw values of scaled ones, as far as the limit left them."""
        return torch.where(self.scaled_F, x_BTF * self.deviation_F + self.mean_F, x_BTF)

    def forward(self, x_BTF: Tensor, there_BT1: Tensor) -> Tensor:
        """See the class."""
        for first, last in self.embeddings:
            part_BTE = x_BTF[..., first:last]
            length_BT1 = part_BTE.double().square().nansum(-1, keepdim=True).sqrt().to(x_BTF.dtype)
            part_BTE = part_BTE / torch.where(length_BT1 > 0, length_BT1, torch.ones_like(length_BT1))
            x_BTF = torch.cat([x_BTF[..., :first], part_BTE, x_BTF[..., last:]], -1)
        inside_BTF = ((x_BTF - self.mean_F) / self.deviation_F).clamp(-self.clip, self.clip)
        x_BTF = torch.where(self.scaled_F, inside_BTF, x_BTF)
        return torch.where(~torch.isnan(x_BTF) & there_BT1, x_BTF, torch.zeros_like(x_BTF))


def example_of(deployed: Deployed, features: Mapping[str, int], window: int, windows: int = 2) -> Example:
    """Windows to trace and to check a module with: random values with unknown ones, absent stretches and padding.

    Args:
        features: number of features by modality. window: T. windows: B.
    """
    rng = torch.Generator().manual_seed(0)
    values = [torch.randn(windows, window, features[name], generator=rng) for name in deployed.modalities]
    for x_BTF in values:
        x_BTF[torch.rand(x_BTF.shape, generator=rng) < 0.05] = torch.nan
    present_BTM = torch.rand(windows, window, len(values), generator=rng) < 0.9
    valid_BT = torch.ones(windows, window, dtype=torch.bool)
    valid_BT[-1, max(1, window - window // 4) :] = False
    return values, present_BTM, valid_BT


def carried_run(folder: Path) -> Callable[[list[np.ndarray], np.ndarray, np.ndarray], np.ndarray]:
    """The model that a run left, in a folder that was carried elsewhere, as a function of plain arrays.

    Args:
        folder: with the checkpoint and the normalisation as in the run's own folder; ``run.json`` with ``config``,
            ``schema`` of the corpus and its ``content`` key; and the code of the user's parts, in the folders that
            the config names relative to it.

    Returns:
        From the values of each modality x_BTF (NaN where unknown), present_BTM and valid_BT to outputs_BTKO, as
        :class:`Deployed` has them.

    Raises:
        CheckpointError, CorpusError, ConfigError: see :func:`mmcore.predicting.open_member`.
    """
    carried = json.loads(read_bytes(folder / CARRIED))
    config = sealed(RunConfig.model_validate(carried["config"]), folder)
    schema = CorpusSchema.model_validate(carried["schema"])
    deployed = Deployed(open_member(config, schema, carried["content"], folder), schema).eval()

    def run(values: list[np.ndarray], present_BTM: np.ndarray, valid_BT: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = [torch.as_tensor(x_BTF) for x_BTF in values]
            return deployed(given, torch.as_tensor(present_BTM), torch.as_tensor(valid_BT)).numpy()

    return run


CARRIED = "run.json"
"""What a carried folder says about its run."""

Example = tuple[list[Tensor], Tensor, Tensor]
"""Values by modality, present_BTM, valid_BT."""
Run = Callable[[Example], np.ndarray]
"""From an example's tensors to the outputs_BTKO of a file."""


def as_predictor(deployed: Deployed, run: Run) -> Predict:
    """A file as a predictor of batches, so that it can be scored like the model that it was made of.

    Args:
        deployed: the module that the file holds. run: computes what the file does.

    Returns:
        From a batch, whose values are scaled, to outputs as the model gives them: scaled numbers, log-probabilities.
    """

    def predict(batch: Batch) -> Tensor:
        # Unknown values are 0 here, as the file makes them.
        values = [
            scale.undo(batch.values[name]) for name, scale in zip(deployed.modalities, deployed.scales, strict=True)
        ]
        found_BTKO = torch.as_tensor(run((values, batch.present_BTM, batch.valid_BT)))
        outputs_BTKO = (found_BTKO - deployed.mean_O) / deployed.deviation_O
        for first, last in deployed.classes:
            outputs_BTKO[..., first:last] = found_BTKO[..., first:last].clamp(min=_TINY).log()
        return outputs_BTKO

    return predict


_TINY = 1e-30
"""Keeps the logarithm finite where a probability has underflowed to 0 in float32."""


def as_program(deployed: Deployed, features: Mapping[str, int], window: int) -> ExportedProgram:
    """The module as ``torch.export`` has it, for any batch and any window up to the run's.

    Raises:
        PartError: the model does what torch.export cannot follow; our own parts do not.
    """
    values, present_BTM, valid_BT = example_of(deployed, features, window)
    batch = torch.export.Dim("batch", min=1, max=MOST_WINDOWS)
    time = torch.export.Dim("time", min=FEWEST_STEPS, max=window)
    axes = {0: batch, 1: time}
    shapes = {"values": [axes for _ in values], "present_BTM": axes, "valid_BT": axes}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(deployed.eval(), (values, present_BTM, valid_BT), dynamic_shapes=shapes)
    except Exception as error:
        raise PartError(
            "this model cannot be exported", found=str(error).strip().splitlines()[0][:300],
            next_step="A class of your own must compute with torch operations whose course does not depend on values",
        ) from error  # fmt: skip


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """The program as one ONNX file; inputs are ``values_0`` … , ``present_btm``, ``valid_bt``."""
    import contextlib
    import io
    import logging

    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        # The exporter prints its steps.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False)
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    assert found is not None
    # The exporter notes for each node in which files of this machine it arose.
    for node in found.model.graph.all_nodes():
        node.metadata_props.clear()
    found.save(str(path))
