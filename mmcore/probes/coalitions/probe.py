"""What a trained model scores on each subset of its modalities, the others masked in one of four ways.

Also what remains of its score without any interaction of modalities (EMAP), and how often its classes stay right when a
modality is permuted (perceptual score). Subsets are integers: bit m is 1 where modality m is read.

M modalities, D draws, B batch, T steps, K tracks, O outputs per track.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmcore.analyses import Absence, CoalitionsAnalysis, refuse_inexact
from mmcore.answers.coalitions import CoalitionsResult, Perceptual, Projection
from mmcore.batch import Batch
from mmcore.probes.coalitions.masking import Donors, absence_learned, means, replaced, zeros
from mmcore.probes.removal import without
from mmcore.probes.scores import DIGITS, mixed, rounded, rows_of, scores_of
from mmcore.seeding import generator
from mmcore.trained import Trained
from mmcore.training.evaluation import Measured, Votes, measured
from mmcore.training.metrics import accuracy, mean_of_known
from mmcore.training.tally import Tally

Losses = Mapping[str, float]


def probe_coalitions(trained: Trained, settings: CoalitionsAnalysis) -> CoalitionsResult:
    """Score the model on subsets of its modalities, on its test items.

    Raises:
        ConfigError: too many modalities to score all subsets, and no ``samples``.

    Source:
        EMAP: Hessel & Lee 2020, "Does my multimodal model learn cross-modal interactions?", §3; see
        :class:`_Additive`. Perceptual score: Gat, Schwartz & Schwing 2021, normalised by the model's own accuracy.
    """
    modalities = trained.modalities
    subsets, orders = chosen_subsets(len(modalities), settings.samples, trained.config.repeat)
    board = _Board(trained, settings, subsets)
    at = 0
    for batch in trained.test.batches():
        B = len(batch.item_B)
        board.read(batch, np.arange(at, at + B))
        at += B
    naive = trained.naive.losses()
    emap = None
    if board.additive_draws is not None:
        emap = Projection(
            corrected=scores_of(board.additive_scores(naive)),
            uncorrected=scores_of(board.scores(naive, "additive", "all")),
        )
    return CoalitionsResult(
        modalities=modalities,
        components=trained.targets.components,
        windows=trained.test.windows,
        draws=settings.draws,
        subsets=tuple(subsets),
        orders=None if orders is None else tuple(map(tuple, orders)),
        naive={c: rounded(loss) for c, loss in naive.items()},
        scores={
            absence: rows_of([board.masked_scores(absence, s, naive) for s in subsets]) for absence in board.absences
        },
        emap=emap,
        perceptual=board.perceptual() if board.donors else None,
        alone=tuple(board.alone),
        single_donor=board.donors is not None and board.additive_draws is None,
        learned=_seen_absent(trained) if "absent" in settings.absences else None,
    )


def chosen_subsets(M: int, samples: int | None, repeat: int) -> tuple[list[int], list[list[int]] | None]:
    """The subsets to ask for, in ascending order, and the random orders that they come from, None for all subsets.

    With orders, also those subsets that lack or have one modality alone, which other questions need.

    Raises:
        ConfigError: too many modalities for all subsets.
    """
    whole = 2**M - 1
    refuse_inexact(M, samples)
    if samples is None:
        return list(range(whole + 1)), None
    orders = [generator(repeat, "orders of modalities", index=i).permutation(M).tolist() for i in range(samples)]
    asked = {0, whole, *(1 << m for m in range(M)), *(whole ^ 1 << m for m in range(M))}
    for order in orders:
        had = 0
        for m in order:
            had |= 1 << m
            asked.add(had)
    return sorted(asked), orders


def _seen_absent(trained: Trained) -> dict[str, float] | None:
    shares = absence_learned(trained)
    # Rounded up, so that what is not 0 never looks like never.
    return shares and {name: math.ceil(share * 10**DIGITS) / 10**DIGITS for name, share in shares.items()}


class _Board:
    """What the variants of a model do on the same windows, by (way of masking, subset), over all draws.

    Every draw has the same counted targets, so losses, accuracies and absolute errors over all draws are the means of
    the draws' own. F1 and average precision are no means; they are computed from pooled counts.
    """

    def __init__(self, trained: Trained, settings: CoalitionsAnalysis, subsets: Sequence[int]) -> None:
        self.trained, self.draws = trained, settings.draws
        self.M = len(trained.modalities)
        self.whole = 2**self.M - 1
        self.lacking = [s for s in subsets if s != self.whole]
        donors = Donors(trained, settings.draws) if "permuted" in settings.absences else None
        self.alone = list(donors.alone) if donors else []
        self.donors = None if self.alone else donors
        self.additive_draws = None if self.donors is None else _even(self.donors.distinct_W)
        self.absences: list[Absence] = [a for a in settings.absences if a != "permuted" or self.donors]
        self.stand_in = {"mean": means(trained), "zero": zeros(trained)}
        self.tallies: dict[tuple[Any, ...], Tally] = {}
        self.votes: dict[tuple[Any, ...], dict[int, Votes]] = {}

    def read(self, batch: Batch, windows_B: np.ndarray) -> None:
        """Every variant's predictions on a batch.

        Args:
            windows_B: numbers of its test windows.
        """
        predict = self.trained.predict
        self._add(("all",), predict(batch), batch)
        for absence in self.absences:
            for s in self.lacking if absence != "permuted" else ():
                gone = self._outside(s)
                masked = without(batch, gone) if absence == "absent" else replaced(batch, gone, self.stand_in[absence])
                self._add((absence, s), predict(masked), batch)
        if self.donors is None:
            return
        additive = None if self.additive_draws is None else _Additive(self.M, self.additive_draws[windows_B])
        for d in range(self.draws):
            values = self.donors.values(windows_B, d)
            for s in self.lacking:
                outputs = predict(replaced(batch, self._outside(s), values))
                self._add(("permuted", s), outputs, batch, d)
                if additive is not None:
                    additive.add(s, d, outputs)
        for part, outputs in additive.parts().items() if additive is not None else ():
            self._add(("additive", part), outputs, batch)

    def scores(self, naive: Losses, *key: Any) -> Measured:
        """Every measure of a variant."""
        tally = self._tally(key)
        return measured(tally, tally.component_losses(), naive)

    def masked_scores(self, absence: str, subset: int, naive: Losses) -> Measured:
        """Every measure on a subset, the others masked."""
        return self.scores(naive, "all") if subset == self.whole else self.scores(naive, absence, subset)

    def additive_scores(self, naive: Losses) -> Measured:
        """Every measure of the additive projection, without what few draws add: see :class:`_Additive`."""
        tallies = {part: self._tally(("additive", part)) for part in ("all", "even", "odd")}
        losses = {part: tally.component_losses() for part, tally in tallies.items()}
        corrected = {c: 2 * loss - (losses["even"][c] + losses["odd"][c]) / 2 for c, loss in losses["all"].items()}
        of = {part: measured(tally, corrected, naive) for part, tally in tallies.items()}
        return mixed([(2.0, of["all"]), (-0.5, of["even"]), (-0.5, of["odd"])])

    def perceptual(self) -> dict[str, dict[str, Perceptual]]:
        """How many classes a permuted modality turns wrong."""
        right = _accuracies(self._tally(("all",)))
        found = {}
        for m, name in enumerate(self.trained.modalities):
            key = ("permuted", self.whole ^ 1 << m)
            left = _accuracies(self._tally(key))
            drops = {c: value - left[c] for c, value in right.items()}
            found[name] = {
                c: Perceptual(drop=rounded(drop), score=rounded(drop / right[c] if right[c] > 0 else math.nan))
                for c, drop in drops.items()
            }
        return found

    def _outside(self, subset: int) -> list[str]:
        return [name for m, name in enumerate(self.trained.modalities) if not subset >> m & 1]

    def _add(self, key: tuple[Any, ...], outputs: Tensor, batch: Batch, draw: int = 0) -> None:
        targets, data = self.trained.targets, self.trained.data
        if key not in self.tallies:
            self.tallies[key] = Tally(targets, data.complete, data.deviation_P, own=data.own)
        if targets.scope == "step":
            self.tallies[key].add(outputs, batch)
            return
        # Where targets belong to items, it is the windows' common vote that is scored: one vote a draw.
        votes = self.votes.setdefault(key, {})
        if draw not in votes:
            votes[draw] = Votes(targets, len(data.complete))
        votes[draw].add(outputs, batch)

    def _tally(self, key: tuple[Any, ...]) -> Tally:
        for vote in self.votes.pop(key, {}).values():
            self.tallies[key].add(*vote.result())
        return self.tallies[key]


class _Additive:
    """The nearest sum of functions of single modalities, for the windows of a batch, from draws of the others.

    A draw gives Σ_m f(x_m, others drawn) − (M − 1) f(all drawn), which is exact in each draw where f is such a sum. The
    mean over D draws has the loss of the projection plus a part, from what interacts, that falls with 1/D. A half of
    the draws has that part twice, so 2 · loss(all) − loss(half) is without it: exactly so, in expectation, for squared
    errors, and to first order for cross-entropy. That holds only for draws from D different items, so a
    window with few other items has fewer draws. Other measures get the same correction, to first order.

    Args:
        M: number of modalities. draws_B: D of each window, even: its first draws, from as many items.

    Source: Hessel & Lee 2020, eq. 2. NOTE[DIFF] they average over all N² pairs of items and two modalities; here over
    draws, and over modalities that are drawn apart from one another, where there are more than two.
    """

    def __init__(self, M: int, draws_B: np.ndarray) -> None:
        self.M, self.draws_B = M, torch.from_numpy(draws_B)
        self.sums: dict[str, Tensor] = {}

    def add(self, subset: int, draw: int, outputs: Tensor) -> None:
        """Take what the model says with all but a subset from a draw; only none and singles count."""
        weight = 1 - self.M if subset == 0 else 1 if subset.bit_count() == 1 else 0
        if weight:
            half = "odd" if draw % 2 else "even"
            counts_B = self._by_row(draw < self.draws_B, outputs)
            self.sums[half] = torch.where(counts_B, weight * outputs, 0.0) + self.sums.get(half, 0.0)

    def parts(self) -> dict[str, Tensor]:
        """Outputs from all draws, and from each half."""
        halves = {half: 2 * total / self._by_row(self.draws_B, total) for half, total in self.sums.items()}
        return {"all": (halves["even"] + halves["odd"]) / 2, **halves}

    def _by_row(self, value_B: Tensor, outputs: Tensor) -> Tensor:
        return value_B.view(-1, *[1] * (outputs.ndim - 1))


def _even(distinct_W: np.ndarray) -> np.ndarray | None:
    """The draws that each window's projection takes, two halves of them; None where some window has no two."""
    even_W = distinct_W // 2 * 2
    return even_W if (even_W > 0).all() else None


def _accuracies(tally: Tally) -> dict[str, float]:
    """Share of right classes by component, those without classes left out."""
    found: dict[str, list[float]] = {}
    for component, members in tally.layout.membership.items():
        for p in members:
            if p not in tally.layout.continuous:
                found.setdefault(component, []).append(accuracy(tally.confusion(p)))
    return {c: mean_of_known(values) for c, values in found.items()}
