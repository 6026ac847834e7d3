"""What is gathered of gates while windows stream by: sums whose size does not grow with windows or steps.

A gate counts where it has a choice: at steps at which something is present behind it and behind at least one other
gate at its place. With one alone there is nothing to choose between, and gates that share a sum of 1 have no choice at
all.

B batch, T steps, G gates, D width, F raw features, N steps that count, L lags, S steps of an item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from mmcore.answers.gates import Around, Condition, Follows, Opening, Shares
from mmcore.batch import Batch
from mmcore.model.fusion.gates import Gate
from mmcore.probes.gates.clamping import gates_of
from mmcore.probes.gates.saturation import OPEN, SHUT
from mmcore.trace import Trace
from mmcore.trained import Trained

BINS = 100
"""Bins of the histogram from which quantiles are read: 0.01 wide."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DIGITS = 5


@dataclass(frozen=True)
class Shown:
    """The gates of one batch.

    Args:
        gates: by name, (B, T, D). opening, norm, passing: by name, (B, T): mean of the gate over its features; length
            of the vector before and after the gate. NaN at least where nothing is present behind it.
        there_BTG: where something is present behind the gate. choice_BTG: where the gate counts.
    """

    gates: dict[str, np.ndarray]
    opening: dict[str, np.ndarray]
    norm: dict[str, np.ndarray]
    passing: dict[str, np.ndarray]
    there_BTG: np.ndarray
    choice_BTG: np.ndarray


def places_of(trained: Trained) -> tuple[tuple[Gate, ...], ...]:
    """The gates of a model by the place at which they stand."""
    return gates_of(trained.model).places


def look(trained: Trained, batch: Batch) -> Shown:
    """The gates of a batch, without the encoder that follows: nothing is predicted."""
    trace = Trace()
    with torch.inference_mode():
        trained.model.look_at_fusion(batch.to(trained.device), trace)
    present_BTM = trace.arrays["present"]
    there, choice = [], []
    for place in places_of(trained):
        behind_BTG = np.stack(
            [present_BTM[..., [trained.modalities.index(m) for m in gate.modalities]].any(-1) for gate in place], -1
        )
        there.append(behind_BTG)
        choice.append(behind_BTG & (behind_BTG.sum(-1, keepdims=True) >= 2))
    names = [gate.name for gate in gates_of(trained.model).every]
    gates = {name: trace.arrays[f"gates/{name}"] for name in names}
    return Shown(
        gates,
        {name: gate_BTD.mean(-1, dtype=np.float64) for name, gate_BTD in gates.items()},
        {name: trace.arrays[f"embedding_norm/{name}"].astype(np.float64) for name in names},
        {name: trace.arrays[f"gated_norm/{name}"].astype(np.float64) for name in names},
        np.concatenate(there, -1),
        np.concatenate(choice, -1),
    )


class OpeningSums:
    """How far one gate opens.

    Args:
        width: D. features: names of the F columns of the modality behind it; none where several are.
    """

    def __init__(self, width: int, features: tuple[str, ...]) -> None:
        self.features = features
        self.steps = self.present = 0
        self.sum_D, self.square_D = np.zeros((2, width))
        self.histogram = np.zeros(BINS, np.int64)
        self.shut = self.open = 0
        self.norm = self.passing = 0.0
        self.opening = self.opening_square = 0.0
        self.x_F, self.x_square_F, self.cross_F = np.zeros((3, len(features)))

    def add(
        self, gate_ND: np.ndarray, norm_N: np.ndarray, passing_N: np.ndarray, x_NF: np.ndarray, present: int
    ) -> None:
        """Count some steps with a choice, and how many there are with something behind the gate."""
        self.present += present
        self.steps += len(gate_ND)
        wide_ND = gate_ND.astype(np.float64)
        self.sum_D += wide_ND.sum(0)
        self.square_D += (wide_ND**2).sum(0)
        cell_ND = np.minimum((wide_ND * BINS).astype(np.int64), BINS - 1)
        self.histogram += np.bincount(cell_ND.ravel(), minlength=BINS)
        self.shut += int((gate_ND < SHUT).sum())
        self.open += int((gate_ND > OPEN).sum())
        self.norm += float(norm_N.sum())
        self.passing += float(passing_N.sum())
        opening_N, x_NF = wide_ND.mean(1), x_NF.astype(np.float64)
        self.opening += float(opening_N.sum())
        self.opening_square += float((opening_N**2).sum())
        self.x_F += x_NF.sum(0)
        self.x_square_F += (x_NF**2).sum(0)
        self.cross_F += opening_N @ x_NF

    def mean_D(self) -> np.ndarray:
        """Each feature's mean gate; NaN where no step counts."""
        return self.sum_D / self.steps if self.steps else np.full_like(self.sum_D, np.nan)

    def result(self) -> Opening:
        """The numbers to keep."""
        if not self.steps:
            return Opening(steps=0, present=self.present)
        mean_D = self.mean_D()
        # The law of total variance: what differs between features, and what differs between inputs within each.
        between_inputs = float((self.square_D / self.steps - mean_D**2).clip(0).mean())
        variance = between_inputs + float(mean_D.var())
        opening = self.opening / self.steps
        number = self.steps * len(mean_D)
        return Opening(
            steps=self.steps,
            present=self.present,
            mean=rounded(opening),
            deviation=rounded(math.sqrt(variance)),
            deviation_over_steps=rounded(math.sqrt(max(0.0, self.opening_square / self.steps - opening**2))),
            quantiles=tuple(map(rounded, self._quantiles())),
            histogram=tuple(self.histogram.tolist()),
            shut=rounded(self.shut / number),
            open=rounded(self.open / number),
            between_inputs=rounded(between_inputs / variance if variance > 1e-12 else 0.0),
            norm=rounded(self.norm / self.steps),
            passing=rounded(self.passing / self.steps),
            follows=self._follows(),
        )

    def _quantiles(self) -> list[float]:
        """Read from the histogram, linear within a bin."""
        up_to = np.concatenate([[0], self.histogram.cumsum()]) / self.histogram.sum()
        edges = np.linspace(0, 1, BINS + 1)
        found = []
        for q in QUANTILES:
            at = int(np.searchsorted(up_to, q, "left"))
            share = (q - up_to[at - 1]) / (up_to[at] - up_to[at - 1])
            found.append(float(edges[at - 1] + share * (edges[at] - edges[at - 1])))
        return found

    def _follows(self) -> Follows | None:
        """None where the opening or every feature stays the same."""
        variance_F = self.x_square_F / self.steps - (self.x_F / self.steps) ** 2
        opening = self.opening / self.steps
        variance = self.opening_square / self.steps - opening**2
        varies_F = variance_F > 1e-9 * (1.0 + self.x_square_F / self.steps)
        if variance < 1e-12 or not varies_F.any():
            return None
        covariance_F = self.cross_F / self.steps - self.x_F / self.steps * opening
        r_F = np.where(varies_F, covariance_F / np.sqrt(np.where(varies_F, variance_F, 1.0) * variance), 0.0)
        best = int(np.abs(r_F).argmax())
        return Follows(feature=self.features[best], correlation=rounded(np.clip(r_F[best], -1.0, 1.0)))


class ShareSums:
    """How evenly the gates at a place share: by opening, and by the length of what passes."""

    def __init__(self, places: tuple[tuple[Gate, ...], ...]) -> None:
        self.places = tuple(tuple(gate.name for gate in place) for place in places)
        self.number = 0
        self.entropy = {"opening": 0.0, "passing": 0.0}
        self.passing, self.counted = ({name: 0.0 for place in self.places for name in place} for _ in range(2))

    def add(self, shown: Shown) -> None:
        """Count a batch: at each place the steps at which two gates or more have something behind them."""
        first = 0
        for place in self.places:
            choice_BTG = shown.choice_BTG[..., first : first + len(place)]
            first += len(place)
            some_BT = choice_BTG.any(-1)
            there_NG = choice_BTG[some_BT]
            self.number += len(there_NG)
            for kind, parts in (("opening", shown.opening), ("passing", shown.passing)):
                size_NG = np.stack([parts[name][some_BT] for name in place], -1)
                size_NG = np.where(there_NG, size_NG, 0.0)
                whole_N1 = size_NG.sum(-1, keepdims=True)
                even_NG = there_NG / there_NG.sum(-1, keepdims=True)
                share_NG = np.divide(size_NG, whole_N1, out=even_NG, where=whole_N1 > 0)
                log_NG = np.log(np.where(share_NG > 0, share_NG, 1.0))
                self.entropy[kind] -= float(((share_NG * log_NG).sum(-1) / np.log(there_NG.sum(-1))).sum())
                for name, share_N, there_N in zip(place, share_NG.T, there_NG.T, strict=True):
                    if kind == "passing":
                        self.passing[name] += float(share_N.sum())
                        self.counted[name] += int(there_N.sum())

    def result(self) -> Shares:
        """NaN where nothing counts."""

        def mean(total: float, number: float) -> float:
            return rounded(total / number) if number else math.nan

        return Shares(
            steps=self.number,
            entropy_opening=mean(self.entropy["opening"], self.number),
            entropy_passing=mean(self.entropy["passing"], self.number),
            passing={name: mean(total, self.counted[name]) for name, total in self.passing.items()},
        )


class ConditionSums:
    """The mean opening of each gate while something is so, and while it is not."""

    def __init__(self, gates: tuple[str, ...]) -> None:
        self.gates = gates
        self.sums: dict[str, np.ndarray] = {}

    def add(self, shown: Shown, conditions: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Count a batch.

        Args:
            conditions: name → (B, T) bool whether it is so, and whether that is known.
        """
        for name, (so_BT, known_BT) in conditions.items():
            sums_G22 = self.sums.setdefault(name, np.zeros((len(self.gates), 2, 2)))
            for g, gate in enumerate(self.gates):
                for side, where_BT in enumerate((so_BT & known_BT, ~so_BT & known_BT)):
                    opening_N = shown.opening[gate][where_BT & shown.choice_BTG[..., g]]
                    sums_G22[g, side] += (opening_N.sum(), len(opening_N))

    def result(self) -> tuple[Condition, ...]:
        """One for each condition and gate that was seen both ways."""
        return tuple(
            Condition(
                condition=name,
                gate=gate,
                so=rounded(sums_22[0, 0] / sums_22[0, 1]),
                otherwise=rounded(sums_22[1, 0] / sums_22[1, 1]),
                steps=(int(sums_22[0, 1]), int(sums_22[1, 1])),
            )
            for name, sums_G22 in self.sums.items()
            for gate, sums_22 in zip(self.gates, sums_G22, strict=True)
            if sums_22[:, 1].all()
        )


class AlignedSums:
    """The mean opening of each gate some steps before and after edits; holds one item at a time.

    Args:
        lag: steps to each side. steps: of each item of the corpus.
    """

    def __init__(self, gates: tuple[str, ...], lag: int, steps: list[int]) -> None:
        self.gates, self.steps = gates, steps
        self.lags = np.arange(-lag, lag + 1)
        self.sum_GL, self.number_GL = np.zeros((2, len(gates), len(self.lags)))
        self.events = 0
        self.item = -1
        self.opening_GS = np.zeros((len(gates), 0))
        self.events_S = np.zeros(0, bool)

    def add(self, shown: Shown, batch: Batch, events_BT: np.ndarray) -> None:
        """Count a batch; windows come item by item, as a loader gives them."""
        for b, (item, start) in enumerate(zip(batch.item_B.tolist(), batch.start_B.tolist(), strict=True)):
            if item != self.item:
                self._close()
                self.item = item
                self.opening_GS = np.full((len(self.gates), self.steps[item]), np.nan)
                self.events_S = np.zeros(self.steps[item], bool)
            there_T = batch.valid_BT[b].numpy()
            at_T = start + np.flatnonzero(there_T)
            self.events_S[at_T] = events_BT[b, there_T]
            for g, name in enumerate(self.gates):
                counts_T = shown.choice_BTG[b, there_T, g]
                self.opening_GS[g, at_T[counts_T]] = shown.opening[name][b, there_T][counts_T]

    def result(self) -> Around:
        """Means by lag and gate, and the number of edits."""
        self._close()
        self.item = -1
        mean_GL = np.divide(
            self.sum_GL, self.number_GL, out=np.full_like(self.sum_GL, np.nan), where=self.number_GL > 0
        )
        return Around(
            lags=tuple(self.lags.tolist()),
            events=self.events,
            mean={name: tuple(map(rounded, row)) for name, row in zip(self.gates, mean_GL.tolist(), strict=True)},
        )

    def _close(self) -> None:
        if self.item < 0:
            return
        at_E = np.flatnonzero(self.events_S)
        self.events += len(at_E)
        place_EL = at_E[:, None] + self.lags
        inside_EL = (place_EL >= 0) & (place_EL < len(self.events_S))
        opening_GEL = np.where(inside_EL, self.opening_GS[:, np.where(inside_EL, place_EL, 0)], np.nan)
        self.sum_GL += np.nan_to_num(opening_GEL).sum(1)
        self.number_GL += (~np.isnan(opening_GEL)).sum(1)


def rounded(value: float) -> float:
    """A number as it is kept: five digits after the point; NaN stays NaN."""
    return round(float(value), DIGITS)
