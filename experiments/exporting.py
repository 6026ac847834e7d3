"""A trained model for places without mmstudy: an ONNX or torch.export file, what it reads, and a model card."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.model_card import card_of, describe
from experiments.planning.plan import plan
from experiments.results import load_results
from experiments.trained_arm import TrainedArm, Which
from mmcore.atomic import write_atomically
from mmcore.errors import StudyError
from mmcore.language import number_of
from reports.output.text import as_text
from reports.summary.build import summarise

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from experiments.quantised import Cost
    from experiments.tracking.models import Logged
    from mmcore.exporting import Deployed, Example, Run

FileKind = Literal["onnx", "torch", "mlflow"]
CLOSE = 1e-4
"""By how much a file's outputs may differ from the model's: absolutely, or as a share of the output."""
MLFLOW_FOLDER, INT8 = "mlflow_model", "model_int8.onnx"
NEEDED = ("onnx", "onnxruntime", "onnxscript")


def export_arm(
    arm: TrainedArm, folder: Path, kind: FileKind = "onnx", which: Which = "best", int8: bool = False
) -> list[Path]:
    """Write a model of an arm as a file that needs no mmstudy; normalisation is inside.

    Beside it lie ``model.json`` (inputs, columns, outputs, window, horizon) and ``MODEL_CARD.md`` (data, verdicts,
    limits, checks that warn). The file is read back and must give the model's outputs.

    Args:
        folder: where to write; files of an earlier export there are replaced.
        kind: ``onnx``, for onnxruntime; ``torch``, a program of ``torch.export`` (``.pt2``); ``mlflow``, a folder that
            ``mlflow models serve`` takes, with the ONNX file inside.
        which: the best model, or that of a repeat.
        int8: write ``model_int8.onnx`` as well, with weights of 8 bits; card and ``model.json`` say what that costs.

    Raises:
        StudyError: all models were named where one is exported; packages for ONNX are not installed; the file gives
            other numbers than the model, or none at some sizes.
        PartError: a class of the user's cannot be exported.
        RecordError: see :meth:`TrainedArm.members`.
    """
    from mmcore.exporting import Deployed, as_program, example_of, write_onnx

    if which == "all":
        raise StudyError("one model is exported at a time", expected="best, or the number of a repeat", found="all")
    if int8 and kind != "onnx":
        raise StudyError("weights of 8 bits are for ONNX files", found=f"--format {kind}", next_step="Leave out --int8")
    if kind != "torch":
        _require_onnx()
    (member,) = arm.members(which)
    deployed = Deployed(member, arm.schema).eval()
    features = {name: len(arm.schema.modalities[name].columns) for name in deployed.modalities}
    window = member.config.data.steps
    program = as_program(deployed, features, window)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("model.pt2" if kind == "torch" else "model.onnx")
    # Beside its place, so that a broken export never stands there.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as beside:
        made = Path(beside) / path.name
        if kind == "torch":
            import torch

            torch.export.save(program, made)
        else:
            write_onnx(program, made)
        run = _program(made) if kind == "torch" else onnx_run(made)
        for steps, windows in ((window, 2), (max(2, window // 2), 3)):
            _check(deployed, run, example_of(deployed, features, steps, windows), path)
        cost = _in_int8(arm, which, deployed, made, folder) if int8 else None
        os.replace(made, path)
    described = describe(arm.request, arm.arm, member.config, kind) | ({} if cost is None else {"int8": asdict(cost)})
    facts = json.dumps(described, indent=1, ensure_ascii=False).encode()
    summary = summarise(load_results(plan(arm.request, arm.home), arm.home))
    card = card_of(arm.request, arm.arm, member.config, summary, as_text(summary), cost).encode()
    write_atomically(folder / "model.json", lambda file: file.write(facts))
    write_atomically(folder / "MODEL_CARD.md", lambda file: file.write(card))
    if kind == "mlflow":
        return [_packed(arm, deployed.modalities, path, folder / "model.json", folder / "MODEL_CARD.md")]
    return [path, *([folder / INT8] if int8 else []), folder / "model.json", folder / "MODEL_CARD.md"]


def _in_int8(arm: TrainedArm, which: Which, deployed: Deployed, whole: Path, folder: Path) -> Cost:
    """Write the file with small weights, and measure it."""
    from experiments.quantised import cost_of, quantise

    small = whole.with_name(INT8)
    quantise(whole, small)
    cost = cost_of(arm, which, deployed, onnx_run(small), whole, small)
    os.replace(small, folder / INT8)
    return cost


def log_arm(arm: TrainedArm, folder: Path, which: Which = "best", register: str | None = None) -> Logged:
    """Log the MLflow model that an export left in a folder beside its run, once; see :func:`log_model`.

    Raises:
        StoreError: the tracking store does not answer, or lacks the run.
    """
    from experiments.tracking.models import log_model
    from experiments.tracking.store import Store

    (run,) = arm.chosen(which)
    store = Store(arm.home)
    return log_model(store, arm.request.study.name, run.fingerprint or "", folder / MLFLOW_FOLDER, register)


def _packed(arm: TrainedArm, modalities: Sequence[str], model: Path, facts: Path, card: Path) -> Path:
    """The files as the folder of an MLflow model, in place of one from an earlier export."""
    from experiments.tracking.models import Served, write_model

    columns = [f"{name}.{column}" for name in modalities for column in arm.schema.modalities[name].columns]
    target = model.parent / MLFLOW_FOLDER
    with tempfile.TemporaryDirectory(dir=model.parent, prefix=".export-") as beside:
        made = Path(beside) / MLFLOW_FOLDER
        files = {"model": model, "facts": facts, "card": card}
        needed = [f"onnxruntime=={version('onnxruntime')}"]
        write_model(Served(files, columns, arm.schema.targets.scope == "item", needed), made)
        if target.exists():
            os.replace(target, Path(beside) / "before")
        os.replace(made, target)
    for path in (model, facts, card):
        path.unlink()
    return target


def cost_text(folder: Path) -> str:
    """What an export with weights of 8 bits left in its folder about their cost, in one sentence."""
    from experiments.quantised import Cost

    return Cost(**json.loads((folder / "model.json").read_text(encoding="utf-8"))["int8"]).text


def _require_onnx() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise StudyError(
            "exports to ONNX need packages that are not installed",
            found=f"no {', '.join(missing)}",
            next_step="pip install 'mmstudy[onnx]', or choose --format torch",
        )


def onnx_run(path: Path) -> Run:
    """What an ONNX file computes."""
    import numpy as np
    import onnxruntime

    # From bytes, so that no handle keeps the file.
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(example: Example) -> np.ndarray:
        values, present_BTM, valid_BT = example
        given = (tensor.numpy() for tensor in (*values, present_BTM, valid_BT))
        return np.asarray(session.run(None, dict(zip(names, given, strict=True)))[0])

    return run


def _program(path: Path) -> Run:
    import torch

    module = torch.export.load(path).module()

    def run(example: Example) -> np.ndarray:
        with torch.no_grad():
            return module(*example).numpy()

    return run


def _check(deployed: nn.Module, run: Run, example: Example, path: Path) -> None:
    """Refuse a file that gives other outputs than the model, at steps that exist, or none at all."""
    import numpy as np
    import torch

    with torch.no_grad():
        own_BTKO = deployed(*example).numpy()
    try:
        read_BTKO = run(example)
    except Exception as error:
        windows, steps = example[2].shape
        raise StudyError(
            "an exported file must give outputs for any number of windows, of any length up to the study's",
            expected=f"it computes {number_of(windows, 'window')} of {number_of(steps, 'step')}",
            found=str(error).strip().partition("\n")[0][:300],
            where=str(path),
            next_step="A class of your own must compute the same way at every size; if none takes part, "
            "choose the other --format",
        ) from error
    valid_BT = example[2].numpy() if own_BTKO.shape[1] > 1 else np.ones(own_BTKO.shape[:2], bool)
    own, read = own_BTKO[valid_BT], read_BTKO[valid_BT]
    if not np.allclose(own, read, rtol=CLOSE, atol=CLOSE):
        raise StudyError(
            "an exported file must give the outputs of its model",
            expected=f"differences of at most {CLOSE:g}",
            found=f"{np.abs(own - read).max():.2g}",
            where=str(path),
            next_step="Choose the other --format; this one does not suit the model",
        )
