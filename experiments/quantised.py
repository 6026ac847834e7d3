"""An exported model with weights of 8 bits, and what that costs in the study's own metric."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.corpora import prepared_for
from experiments.records import read_record
from experiments.trained_arm import TrainedArm, Which
from mmcore.config import RunConfig
from mmcore.events import ignore
from mmcore.language import say
from mmcore.scores import value_of

if TYPE_CHECKING:
    from mmcore.exporting import Deployed, Run


@dataclass(frozen=True)
class Cost:
    """A file with small weights beside the whole one, on the test items of the model's repeat.

    Args:
        metric: the study's. items: that were tested.
        whole, small: its value for the model as it was trained, and for the file with small weights.
        whole_bytes, small_bytes: sizes of the two files.
    """

    metric: str
    items: int
    whole: float
    small: float
    whole_bytes: int
    small_bytes: int

    @property
    def text(self) -> str:
        """In one sentence."""
        items = say("the test item") if self.items == 1 else say("the {n} test items", n=self.items)
        return say(
            "With weights of 8 bits the file has {small_bytes:,} bytes in place of {whole_bytes:,}, and {metric} on "
            "{items} of this repeat is {small:.4f} in place of {whole:.4f}.",
            **{**asdict(self), "items": items},
        )


def quantise(source: Path, target: Path) -> None:
    """Write an ONNX file again with weights of linear maps in 8 bits, one scale a column; activations at run time.

    Embeddings, norms, softmax and biases stay float32. See "Integer Quantization for Deep Learning Inference" (Wu et
    al. 2020), section 3.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises on every call to prepare the file by tools of its own.
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(source, target, ["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8)
    finally:
        logger.setLevel(level)


def cost_of(arm: TrainedArm, which: Which, deployed: Deployed, run: Run, whole: Path, small: Path) -> Cost:
    """What the small weights cost: the study's metric on the test items of the model's repeat, by the suite's own code.

    Args:
        run: from windows to the outputs of the small file.

    Raises:
        CorpusError: the corpus of the study is not here.
    """
    import torch

    from mmcore.exporting import as_predictor
    from mmcore.trained import Trained
    from mmcore.training.evaluation import model_rows

    (chosen,) = arm.chosen(which)
    record = read_record(arm.home.run(chosen.fingerprint or ""))
    assert record is not None
    assert isinstance(record.config, RunConfig)
    metric = arm.request.study.metric
    prepared = prepared_for(arm.request.place.folder, record.config.data, arm.home)
    trained = Trained(record.config, prepared, deployed.model, torch.device("cpu"), ignore)
    tally = trained.tally(as_predictor(deployed, run), detailed=True)
    rows = model_rows("test", tally, trained.naive.losses())
    return Cost(
        metric.name,
        len(trained.split.test),
        value_of(metric, record.scores, "test"),
        value_of(metric, rows, "test"),
        whole.stat().st_size,
        small.stat().st_size,
    )
