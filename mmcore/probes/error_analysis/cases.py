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
from mmcore.probes.attention.maps import ENCODER, HEAD, AttentionMap, attention_maps
from mmcore.probes.attention.probe import traced
from mmcore.probes.events import edit_events
from mmcore.probes.steps import step_losses
from mmcore.schema import Modality
from mmcore.trained import Trained
from mmcore.training.losses import counted_targets, layout_of

LINES = 2
"""Tracks and parameters of a case that are kept: those with the largest loss in its span."""
WIDEST = 100
"""Steps of a case at most, around its span: what a picture can show."""
MOST_ROWS = 6
"""Rows of attention of a case that are kept: more lines cannot be told apart."""
LATEST = (ENCODER, HEAD, "fusion", "before")
"""Parts of a model that may look over steps. The attention of a case is that of the first of these that does."""


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
        ``values``; ``events``: places of edits; ``gates``: mean over width by the gate's name; ``shares``: of each
        modality at its step, where the fusion attends to modalities (mean over heads) or weighs their predictions (mean
        over the component's parameters); ``attention``: over steps, see :meth:`_Drawing.attention`. Series have one
        entry a place; None where there is nothing.
    """
    return [_Drawing(trained, case).told() for case in cases]


class _Drawing:
    def __init__(self, trained: Trained, case: Case) -> None:
        self.trained, self.case = trained, case
        self.layout, self.targets = layout_of(trained.targets), trained.targets
        self.batch = next(trained.test.batches(np.array([case.window])))
        self.arrays, self.seen, _ = traced(trained, self.batch)
        with torch.inference_mode():
            outputs = trained.predict(self.batch)
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
                for name, gate_BTD in self.arrays.items()
                if name.startswith("gates/")
            },
            "shares": self._shares(),
            "attention": self.attention(),
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

    def _shares(self) -> dict[str, list[float | None]]:
        """What each modality has in its own step; {} where the fusion gives none by step."""
        if "modality_attention" in self.arrays:
            share_TM = _mean(self.arrays["modality_attention"][0], 1)
        elif "modality_weights" in self.arrays:
            members = list(self.layout.membership[self.case.component])
            share_TM = _mean(self.arrays["modality_weights"][0][..., members], -1)
        else:
            return {}
        shown_TM = share_TM[self.low : self.high]
        return {name: _series(shown_TM[:, m]) for m, name in enumerate(self.trained.modalities)}

    def attention(self) -> dict[str, Any] | None:
        """Where the model looks from the place with the largest loss in the span.

        Told is the part of :data:`LATEST` that comes first there: the encoder, else the head, else the fusion, else the
        layers before it; of each of its streams the last layer.

        Returns:
            ``at``: the place. ``rows``: at most :data:`MOST_ROWS`, in the model's order, each with ``place`` and
            ``layer`` (counted from 0) as :class:`mmcore.probes.attention.maps.AttentionMap` names them, and ``row``:
            mean over heads (in a head over tracks too), keys of a step together. Weights of steps before those shown
            are not in it. ``of``: rows that there are. None where nothing looks over steps, or nothing can be seen.
        """
        streams: dict[str, dict[str, AttentionMap]] = {}
        for one in attention_maps(self.arrays, self.seen):
            # Layers come in the order of the model: the last one of a stream stays.
            streams.setdefault(_part(one.place), {})[one.place] = one
        part = next((part for part in LATEST if part in streams), None)
        if part is None:
            return None
        at = self.case.first + int(self._span_losses().sum((1, 2)).argmax())
        rows = [
            {"place": one.place, "layer": one.layer, "row": _series(row_T[self.low : self.high])}
            for one in streams[part].values()
            if (row_T := _row(one, at, self.seen.valid_BT.shape[1])) is not None
        ]
        return {"at": at - self.low, "rows": rows[:MOST_ROWS], "of": len(rows)} if rows else None


def _part(place: str) -> str:
    """The part of the model that a place of attention belongs to, as :data:`LATEST` names it."""
    kind = place.partition("/")[0]
    return kind if kind in LATEST and "←" not in place else "fusion"


def _row(one: AttentionMap, at: int, steps: int) -> np.ndarray | None:
    """Weights by step (T,) of what is asked at a step, mean over heads and queries; None where it may see nothing."""
    asks_Q = (one.step_Q == at) & one.allowed_BQS[0].any(-1)
    if not asks_Q.any():
        return None
    weights_QS = np.where(one.allowed_BQS[0, asks_Q], one.weights_BHQS[0][:, asks_Q].mean(0), 0.0)
    return np.bincount(one.step_S, weights_QS.mean(0), minlength=steps)


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
