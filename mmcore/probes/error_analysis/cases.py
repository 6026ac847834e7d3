"""Cases to look at: what a model predicted in a window, beside the truth, the features, its gates and attention.

B batch, T steps, K tracks, P parameters, O outputs per track, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mmcore.answers.error_analysis import AttentionRow, Case, CaseAttention, CaseFeature, CaseLine, Why
from mmcore.answers.parts import Numbers
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
class Chosen:
    """A span of a test window that is worth a look.

    Args:
        component: whose loss made it so.
        who: the predictor whose loss chose the case; None: the model. Arms share the cases that a naive predictor
        chose. window: index of the test window. first, steps: the span in it. loss, naive: mean losses over the span;
        NaN where not known.
    """

    component: str
    why: Why
    who: str | None
    window: int
    first: int
    steps: int
    loss: float
    naive: float


def draw_cases(trained: Trained, chosen: Sequence[Chosen]) -> tuple[Case, ...]:
    """All that a picture of each case shows."""
    return tuple(_Drawing(trained, one).case() for one in chosen)


class _Drawing:
    def __init__(self, trained: Trained, chosen: Chosen) -> None:
        self.trained, self.chosen = trained, chosen
        self.layout, self.targets = layout_of(trained.targets), trained.targets
        self.batch = next(trained.test.batches(np.array([chosen.window])))
        self.arrays, self.seen, _ = traced(trained, self.batch)
        with torch.inference_mode():
            outputs = trained.predict(self.batch)
            self.outputs_TKO: Tensor = outputs[0]
            judge = outputs
            if chosen.who is not None:
                judge = next(b for b in trained.baselines if b.name == chosen.who).predict(self.batch)
            self.loss_TKP = _track_losses(judge, self.batch, trained)
        steps, room = int(self.batch.valid_BT.sum()), max(0, (WIDEST - chosen.steps) // 2)
        self.low = max(0, min(chosen.first - room, steps - WIDEST))
        self.high = min(steps, self.low + WIDEST)

    def case(self) -> Case:
        chosen, trained, batch = self.chosen, self.trained, self.batch
        ahead = trained.task.horizon if isinstance(trained.task, Forecast) else 0
        item, start = int(batch.item_B[0]), int(batch.start_B[0]) + self.low + ahead
        row = trained.prepared.items[item].offset + start
        happens_T = edit_events(batch, self.targets, trained.task)[0, self.low : self.high]
        return Case(
            component=chosen.component,
            why=chosen.why,
            item=trained.data.names[item],
            start=start,
            step=trained.schema.step,
            span=(chosen.first - self.low, chosen.first + chosen.steps - self.low),
            loss=chosen.loss,
            naive=chosen.naive,
            lines=tuple(self._line(k, p) for k, p in self._largest()),
            features=tuple(
                self._feature(name, modality, slice(row, row + self.high - self.low))
                for name, modality in trained.schema.modalities.items()
                if name != self.targets.from_
            ),
            events=tuple(torch.nonzero(happens_T)[:, 0].tolist()),
            gates={
                name.removeprefix("gates/"): _series(_mean(gate_BTD[0, self.low : self.high], -1))
                for name, gate_BTD in self.arrays.items()
                if name.startswith("gates/")
            },
            shares=self._shares(),
            attention=self.attention(),
        )

    def _span_losses(self) -> np.ndarray:
        """Losses in the span of the parameters that belong to the component, (T, K, P)."""
        members = list(self.layout.membership[self.chosen.component])
        return self.loss_TKP[self.chosen.first : self.chosen.first + self.chosen.steps][..., members].numpy()

    def _largest(self) -> list[tuple[int, int]]:
        """Track and parameter of the largest losses, of each parameter one line at first."""
        members = self.layout.membership[self.chosen.component]
        loss_KP = self._span_losses().sum(0)
        order = np.dstack(np.unravel_index(np.argsort(-loss_KP, axis=None, kind="stable"), loss_KP.shape))[0]
        return [(int(k), members[int(p)]) for k, p in order[:LINES]]

    def _line(self, k: int, p: int) -> CaseLine:
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
        return CaseLine(
            track=k,
            parameter=parameter.name,
            kind=parameter.kind,
            unit=parameter.unit,
            true=_series(np.where(counted_T, true_T.numpy(), np.nan)),
            predicted=_series(np.where(counted_T, predicted_T.numpy(), np.nan)),
        )

    def _feature(self, name: str, modality: Modality, rows: slice) -> CaseFeature:
        """The first continuous feature of a modality, else the first: one waveform says when things happen."""
        kinds = list(modality.kinds)
        at = kinds.index("continuous") if "continuous" in kinds else 0
        column = modality.columns[at]
        unit = next((f.unit for f in modality.features if f.name == column), "")
        values_T = np.asarray(self.trained.prepared.values[name][rows, at], np.float64)
        there_T = self.trained.prepared.present[rows, list(self.trained.schema.modalities).index(name)]
        return CaseFeature(
            modality=name, feature=column, unit=unit, values=_series(np.where(there_T, values_T, np.nan))
        )

    def _shares(self) -> dict[str, Numbers]:
        """What each modality has in its own step; {} where the fusion gives none by step."""
        if "modality_attention" in self.arrays:
            share_TM = _mean(self.arrays["modality_attention"][0], 1)
        elif "modality_weights" in self.arrays:
            members = list(self.layout.membership[self.chosen.component])
            share_TM = _mean(self.arrays["modality_weights"][0][..., members], -1)
        else:
            return {}
        shown_TM = share_TM[self.low : self.high]
        return {name: _series(shown_TM[:, m]) for m, name in enumerate(self.trained.modalities)}

    def attention(self) -> CaseAttention | None:
        """Where the model looks from the place with the largest loss in the span.

        Shown is the part of :data:`LATEST` that comes first there: the encoder, else the head, else the fusion, else
        the layers before it; of each of its streams the last layer, at most :data:`MOST_ROWS` of them. None where
        nothing looks over steps, or nothing can be seen.
        """
        streams: dict[str, dict[str, AttentionMap]] = {}
        for one in attention_maps(self.arrays, self.seen):
            # Layers come in the order of the model: the last one of a stream stays.
            streams.setdefault(_part(one.place), {})[one.place] = one
        part = next((part for part in LATEST if part in streams), None)
        if part is None:
            return None
        at = self.chosen.first + int(self._span_losses().sum((1, 2)).argmax())
        rows = [
            AttentionRow(place=one.place, layer=one.layer, row=_series(row_T[self.low : self.high]))
            for one in streams[part].values()
            if (row_T := _row(one, at, self.seen.valid_BT.shape[1])) is not None
        ]
        return CaseAttention(at=at - self.low, rows=tuple(rows[:MOST_ROWS]), of=len(rows)) if rows else None


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


def _series(values: np.ndarray) -> Numbers:
    """Four significant digits; NaN for what is not finite."""
    return tuple(float(f"{v:.4g}") if np.isfinite(v) else math.nan for v in values.tolist())
