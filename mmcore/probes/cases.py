"""Cases to look at: what a model predicted in a window, beside the truth, the features, its gates and attention.

B batch, T steps, K tracks, P parameters, O outputs per track, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import Forecast
from mmcore.probes.events import edit_events
from mmcore.probes.steps import step_losses
from mmcore.schema import Modality
from mmcore.trace import Trace
from mmcore.trained import Trained
from mmcore.training.losses import counted_targets, layout_of

LINES = 2
"""Tracks and parameters of a case that are kept: those with the largest loss in its span."""
WIDEST = 100
"""Steps of a case at most, around its span: what a picture can show."""


@dataclass(frozen=True)
class Case:
    """A span of a test window that is worth a look.

    Args:
        component: whose loss made it so. why: ``hardest``, ``worst`` or ``best``.
        who: the predictor by whose loss it was chosen; None: the model. Arms share what a naive predictor chose.
        window: index of the test window. first, steps: the span in it.
        loss, naive: mean losses over the span; None where not known.
    """

    component: str
    why: str
    who: str | None
    window: int
    first: int
    steps: int
    loss: float | None
    naive: float | None


def draw_cases(trained: Trained, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Each case as plain data.

    Returns:
        ``component``, ``why``, ``item``, ``start`` (step of the item at the first place shown), ``step`` (seconds,
        None where rows are steps), ``span`` (first place and place after the last), ``loss``, ``naive``; ``lines``: a
        list of ``track``, ``parameter``, ``kind``, ``unit``, ``true`` and ``predicted`` (original units; probability of
        yes; class); ``features``: one of each modality but the targets' own: ``modality``, ``feature``, ``unit``,
        ``values``; ``events``: places of edits; ``gates``: mean over width by modality; ``attention``: of the last
        layer, mean over heads, from the place with the largest loss in the span (``place``, ``row``), None where the
        model keeps none. Series have one entry a place; None where there is nothing.
    """
    return [_Drawing(trained, case).told() for case in cases]


class _Drawing:
    def __init__(self, trained: Trained, case: Case) -> None:
        self.trained, self.case = trained, case
        self.layout, self.targets = layout_of(trained.targets), trained.targets
        self.batch = next(trained.test.batches(np.array([case.window])))
        self.trace = Trace()
        with torch.inference_mode():
            outputs = trained.model(self.batch.to(trained.device), trace=self.trace).cpu()
            self.outputs_TKO: Tensor = outputs[0]
            judge = outputs
            if case.who is not None:
                judge = next(b for b in trained.baselines if b.name == case.who).predict(self.batch)
            self.loss_TKP = _track_losses(judge, self.batch, trained)
        steps, room = int(self.batch.valid_BT.sum()), max(0, (WIDEST - case.steps) // 2)
        self.low = max(0, min(case.first - room, steps - WIDEST))
        self.high = min(steps, self.low + WIDEST)

    def told(self) -> dict[str, Any]:
        case, trained, batch = self.case, self.trained, self.batch
        ahead = trained.task.horizon if isinstance(trained.task, Forecast) else 0
        item, start = int(batch.item_B[0]), int(batch.start_B[0]) + self.low + ahead
        row = trained.prepared.items[item].offset + start
        happens_T = edit_events(batch, self.targets, trained.task)[0, self.low : self.high]
        return {
            "component": case.component,
            "why": case.why,
            "item": trained.data.names[item],
            "start": start,
            "step": trained.schema.step,
            "span": [case.first - self.low, case.first + case.steps - self.low],
            "loss": case.loss,
            "naive": case.naive,
            "lines": [self._line(k, p) for k, p in self._chosen()],
            "features": [
                self._feature(name, modality, slice(row, row + self.high - self.low))
                for name, modality in trained.schema.modalities.items()
                if name != self.targets.from_
            ],
            "events": torch.nonzero(happens_T)[:, 0].tolist(),
            "gates": {
                name.removeprefix("gates/"): _series(_mean(gate_BTD[0, self.low : self.high], -1))
                for name, gate_BTD in self.trace.arrays.items()
                if name.startswith("gates/")
            },
            "attention": self._attention(),
        }

    def _span_losses(self) -> np.ndarray:
        """Losses in the span of the parameters that belong to the component, (T, K, P)."""
        members = list(self.layout.membership[self.case.component])
        return self.loss_TKP[self.case.first : self.case.first + self.case.steps][..., members].numpy()

    def _chosen(self) -> list[tuple[int, int]]:
        """Track and parameter of the largest losses, of each parameter one line at first."""
        members = self.layout.membership[self.case.component]
        loss_KP = self._span_losses().sum(0)
        order = np.dstack(np.unravel_index(np.argsort(-loss_KP, axis=None, kind="stable"), loss_KP.shape))[0]
        return [(int(k), members[int(p)]) for k, p in order[:LINES]]

    def _line(self, k: int, p: int) -> dict[str, Any]:
        parameter, trained = self.targets.parameters[p], self.trained
        places = slice(self.low, self.high)
        counted_T = counted_targets(self.batch, self.layout)[0, places, k, p].numpy()
        mean, deviation = (
            float(v[p]) for v in (trained.normaliser.target_mean_P, trained.normaliser.target_deviation_P)
        )
        first = self.layout.first[p]
        output_TO = self.outputs_TKO[places, k, first : first + parameter.outputs].double()
        match parameter.kind:
            case "continuous":
                predicted_T = output_TO[:, 0] * deviation + mean
            case "binary":
                predicted_T = output_TO.softmax(-1)[:, 1]
            case "categorical":
                predicted_T = output_TO.argmax(-1)
        true_T = self.batch.target_BTKP[0, places, k, p].double() * deviation + mean
        return {
            "track": k,
            "parameter": parameter.name,
            "kind": parameter.kind,
            "unit": parameter.unit,
            "true": _series(np.where(counted_T, true_T.numpy(), np.nan)),
            "predicted": _series(np.where(counted_T, predicted_T.numpy(), np.nan)),
        }

    def _feature(self, name: str, modality: Modality, rows: slice) -> dict[str, Any]:
        """The first continuous feature of a modality, else the first: one waveform says when things happen."""
        kinds = list(modality.kinds)
        at = kinds.index("continuous") if "continuous" in kinds else 0
        column = modality.columns[at]
        unit = next((f.unit for f in modality.features if f.name == column), "")
        values_T = np.asarray(self.trained.prepared.values[name][rows, at], np.float64)
        there_T = self.trained.prepared.present[rows, list(self.trained.schema.modalities).index(name)]
        return {
            "modality": name,
            "feature": column,
            "unit": unit,
            "values": _series(np.where(there_T, values_T, np.nan)),
        }

    def _attention(self) -> dict[str, Any] | None:
        layers = sorted(
            (name for name in self.trace.arrays if name.rpartition("/")[0] == "attention" and name[10:].isdigit()),
            key=lambda name: int(name[10:]),
        )
        if not layers:
            return None
        place = self.case.first + int(self._span_losses().sum((1, 2)).argmax())
        row_T = _mean(self.trace.arrays[layers[-1]][0, :, place, self.low : self.high], 0)
        return {"place": place - self.low, "row": _series(row_T)}


def _track_losses(outputs_BTKO: Tensor, batch: Batch, trained: Trained) -> Tensor:
    """Losses of one window by step, track and parameter (T, K, P): every track becomes a step of its own."""
    _, T, K, P = batch.target_BTKP.shape
    rows = replace(
        batch,
        target_BTKP=batch.target_BTKP.reshape(1, T * K, 1, P),
        target_valid_BTKP=batch.target_valid_BTKP.reshape(1, T * K, 1, P),
    )
    sums_BNP, _ = step_losses(outputs_BTKO.reshape(1, T * K, 1, -1), rows, layout_of(trained.targets))
    return sums_BNP.view(T, K, P)


def _mean(x: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is known; NaN where nothing is."""
    known = ~np.isnan(x)
    count = known.sum(axis)
    return np.where(count > 0, np.where(known, x, 0.0).sum(axis) / np.maximum(count, 1), np.nan)


def _series(values: np.ndarray) -> list[float | None]:
    """Four significant digits; None for what is no number."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]
