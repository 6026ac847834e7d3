"""A trained arm as an MLflow model: this file travels with the model and needs no mmstudy.

B windows, T steps of a window, S steps of an item, F columns of a modality, M modalities, K tracks, O outputs a track.
"""

# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

WINDOWS = 16
"""How many windows are predicted at a time."""
Run = Callable[[list[np.ndarray], np.ndarray, np.ndarray], np.ndarray]
"""From the values of each modality x_BTF, present_BTM and valid_BT to outputs_BTKO."""


@dataclass(frozen=True)
class Input:
    """A modality, its columns, and by how many steps it is read ahead."""

    name: str
    modality: str
    columns: list[str]
    ahead: int


@dataclass(frozen=True)
class Output:
    """A parameter of each track, with its classes where it has some."""

    parameter: str
    kind: str
    numbers: int
    when: str | None
    classes: tuple[str, ...] = ()


class Served(PythonModel):
    """Predicts from one frame: a row for each step, steps of an item in order.

    Columns are ``item`` and one named ``modality.column`` for each column that the model reads, empty where a value is
    unknown. Where all columns of a modality are empty, or missing from the frame, it is absent at that step.
    """

    def load_context(self, context: Any) -> None:
        """Open the model, an ONNX file or what a run left, and what describes it.

        Raises:
            ImportError: the model is what a run left, and mmstudy, which runs it, is not installed.
        """
        facts = json.loads(Path(context.artifacts["facts"]).read_text(encoding="utf-8"))
        self.window, self.ahead, self.per_item = facts["window"], facts["ahead"], facts["per_item"]
        self.inputs = [Input(**one) for one in facts["inputs"]]
        self.outputs = [Output(**one) for one in facts["outputs"]]
        files = context.artifacts
        self.run = _of_run(files["run"]) if "run" in files else _of_onnx(files["model"])

    # MLflow takes a type hint for a schema of its own; the signature has the schema.
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, bool] | None = None) -> pd.DataFrame:
        """A row for each item, step, track and parameter; with ``classes`` one for each class as well.

        Args:
            model_input: a frame, see the class. params: ``classes``, whether to give the probability of every class.

        Returns:
            ``item, step, track, parameter, value, label, probability, counts``: ``step`` is the one that the prediction
            is about, counted from 0; it is missing where each item has one target. ``value`` is in the original unit,
            or the code of a class, with its name in ``label`` and its ``probability``.
        """
        classes = bool((params or {}).get("classes", False))
        blocks = [
            self._rows(str(item), self._predicted(rows), classes)
            for item, rows in model_input.groupby("item", sort=False, dropna=False)
        ]
        return pd.concat(blocks, ignore_index=True)

    def _predicted(self, rows: pd.DataFrame) -> np.ndarray:
        """outputs_SKO of an item; S is 1 where it has one target."""
        S, window = len(rows), self.window
        length = max(2, min(window, S))
        starts = range(0, S, window)
        valid_BT = np.array([[start + t < S for t in range(length)] for start in starts])
        values, present = [], []
        for one in self.inputs:
            x_SF = self._values(rows, one)
            x_BTF = np.full((len(starts), length, x_SF.shape[1]), np.nan, np.float32)
            for b, start in enumerate(starts):
                part = x_SF[start + one.ahead : min(start + length, S) + one.ahead]
                x_BTF[b, : len(part)] = part
            values.append(x_BTF)
            present.append(~np.isnan(x_BTF).all(-1))
        present_BTM = np.stack(present, -1) & valid_BT[..., None]
        found = []
        for b in range(0, len(starts), WINDOWS):
            part = slice(b, b + WINDOWS)
            found.append(self.run([x_BTF[part] for x_BTF in values], present_BTM[part], valid_BT[part]))
        outputs_BTKO = np.concatenate(found).astype(np.float64)
        if self.per_item:
            return outputs_BTKO.mean(0)
        return outputs_BTKO[valid_BT]

    def _values(self, rows: pd.DataFrame, one: Input) -> np.ndarray:
        columns = [f"{one.modality}.{column}" for column in one.columns]
        return rows.reindex(columns=columns).to_numpy(np.float32, na_value=np.nan)

    def _rows(self, item: str, outputs_SKO: np.ndarray, every: bool) -> pd.DataFrame:
        S, K, _ = outputs_SKO.shape
        place: dict[str, np.ndarray] = {} if self.per_item else {"step": np.arange(S) + self.ahead}
        on: dict[str, np.ndarray] = {}
        blocks, at = [], 0
        spans = []
        for one in self.outputs:
            spans.append((one, outputs_SKO[..., at : at + one.numbers]))
            at += one.numbers
            if one.kind == "binary":
                on[one.parameter] = spans[-1][1].argmax(-1) == 1
        for one, part_SKC in spans:
            counts_SK = on[one.when] if one.when else np.ones((S, K), bool)
            code_SK = part_SKC.argmax(-1)
            for track in range(K):
                row = {"item": item, **place, "track": track, "parameter": one.parameter}
                counts = {"counts": counts_SK[:, track]}
                if one.kind == "continuous":
                    number = {"value": part_SKC[:, track, 0], "label": None, "probability": np.nan}
                    blocks.append(pd.DataFrame({**row, **number, **counts}))
                    continue
                for code, label in enumerate(one.classes):
                    chosen = np.ones(S, bool) if every else code_SK[:, track] == code
                    number = {"value": float(code), "label": label, "probability": part_SKC[:, track, code]}
                    blocks.append(pd.DataFrame({**row, **number, **counts}, index=range(S))[chosen])
        return pd.concat(blocks, ignore_index=True).astype({"label": "object"})


def _of_onnx(path: str) -> Run:
    """What an ONNX file computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(Path(path).read_bytes(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(values: list[np.ndarray], present_BTM: np.ndarray, valid_BT: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, dict(zip(names, [*values, present_BTM, valid_BT], strict=True)))[0])

    return run


def _of_run(folder: str) -> Run:
    """What the weights of a run compute, with the code that trained them."""
    try:
        from mmcore.exporting import carried_run
    except ImportError as problem:
        raise ImportError(
            f"this model is run by mmstudy, which is not installed here ({problem}). Next step: install mmstudy. Or "
            "write a model that needs neither mmstudy nor torch: mmstudy export STUDY ARM --out DIR --format mlflow"
        ) from problem
    return carried_run(Path(folder))


set_model(Served())
