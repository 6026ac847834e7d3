"""Does a gate show what the model uses? Tested by masking what is behind the gate.

B batch, T steps, G gates, K tracks, P parameters, C components, N steps (or items) that count, I sampled items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mmcore.answers.gates import (
    Clamping,
    Correlations,
    GateCorrelations,
    GateFaithfulness,
    Held,
    Holding,
    OfComponent,
)  # fmt: skip
from mmcore.batch import Batch
from mmcore.model.fusion.gates import Gate
from mmcore.probes.gates.clamping import clamped, gates_of
from mmcore.probes.gates.sample import Sample, mean_known
from mmcore.probes.gates.sums import Shown, look, rounded
from mmcore.probes.rank_correlation import spearman_of
from mmcore.probes.removal import without
from mmcore.probes.scores import scores_of
from mmcore.probes.steps import step_losses
from mmcore.seeding import generator
from mmcore.training.evaluation import MODEL, Measured, measured
from mmcore.training.losses import layout_of, row_losses

TURNS = 4
"""Passes in which every step is masked once: one of four steps in a row at a time, so that the loss at a step shows
what the modality contributed at that very step."""

SHOWN = ("passing", "opening", "norm")
"""What is held against the loss: gate × norm, the gate alone, the norm alone."""


@dataclass(frozen=True)
class Points:
    """Pairs of what a gate shows and what the model loses without what is behind it, one per step or per item.

    Args:
        shown: by one of :data:`SHOWN`, (N,). loss_NC: increase by component, in units of the naive loss. weight_C: what
            such a unit costs of the component's skill.
    """

    shown: dict[str, np.ndarray]
    loss_NC: Tensor
    weight_C: Tensor

    @property
    def loss_N(self) -> np.ndarray:
        """Mean over components that count, each by what it costs of its skill: no component can outweigh the others."""
        return mean_known(self.loss_NC * self.weight_C).numpy()

    def correlations(self) -> Correlations:
        """Rank correlations, by what is shown, and the number of points."""
        loss_N = self.loss_N
        found = {kind: rounded(spearman_of(x_N, loss_N)) for kind, x_N in self.shown.items()}
        return Correlations(n=int(np.isfinite(loss_N).sum()), **found)


def measure_faithfulness(sample: Sample) -> GateFaithfulness:
    """Rank correlations of gate × norm, gate and norm with what masking costs, per step and per item.

    The points of all gates in one row show whether gates identify *which* modality matters.
    """
    shown = [look(sample.trained, batch) for batch in sample.batches]
    gates = _gates(sample)
    steps = None
    if sample.trained.targets.scope == "step":
        steps = {gate.name: _by_step(sample, shown, g) for g, gate in enumerate(gates)}
    items = {gate.name: _by_item(sample, shown, g) for g, gate in enumerate(gates)}
    return GateFaithfulness(
        steps=None if steps is None else _summary(steps),
        items=_summary(items),
        by_component={
            name: {
                component: OfComponent(
                    rho=rounded(spearman_of(points.shown["passing"], points.loss_NC[:, c].numpy())),
                    increase=rounded(points.loss_NC[:, c].nanmean().item()),
                )
                for c, component in enumerate(sample.trained.targets.components)
            }
            for name, points in (steps or items).items()
        },
    )


def measure_clamping(sample: Sample, means: dict[str, np.ndarray]) -> Clamping:
    """What the model scores when a gate is held shut, at its mean or open, and when all are held at their means.

    Args:
        means: each gate's mean by feature, (D,).

    Returns:
        Scores on the sampled items. Skill is against the naive loss on all test items.
    """
    names = [gate.name for gate in _gates(sample)]
    mean = {name: torch.from_numpy(means[name]).float() for name in names if np.isfinite(means[name]).all()}
    asked: list[tuple[str | None, Holding, dict[str, Tensor]]] = []
    for name in names:
        asked.append((name, "shut", {name: torch.tensor(0.0)}))
        if name in mean:
            asked.append((name, "mean", {name: mean[name]}))
        asked.append((name, "open", {name: torch.tensor(1.0)}))
    asked.append((None, "mean", mean))
    rows = []
    for name, held, values in asked:
        with clamped(sample.trained.model, values):
            rows.append(Held(gate=name, held=held, scores=scores_of(_scores(sample))))
    return Clamping(free=scores_of(_scores(sample)), held=tuple(rows))


def _gates(sample: Sample) -> tuple[Gate, ...]:
    return gates_of(sample.trained.model).every


def _scores(sample: Sample) -> Measured:
    """Every measure of the model on the whole sample, as it is now."""
    trained = sample.trained
    tally = trained.data.evaluate({MODEL: trained.predict}, sample.batches)[MODEL]
    return measured(tally, tally.component_losses(), trained.naive.losses())


def _by_step(sample: Sample, shown: list[Shown], g: int) -> Points:
    """The loss of a step's prediction when what is behind the gate is absent at that step."""
    gate = _gates(sample)[g]
    layout = layout_of(sample.trained.targets)
    kept: dict[str, list[np.ndarray]] = {kind: [] for kind in SHOWN}
    losses = []
    for batch, free_BTKO, seen in zip(sample.batches, sample.free, shown, strict=True):
        sums_BTP, counts_BTP = step_losses(free_BTKO, batch, layout)
        turn_BT = _turns(sample.trained.config.repeat, batch)
        for turn in range(TURNS):
            now_BT = turn_BT == turn
            masked = absent_at(batch, gate.modalities, torch.from_numpy(now_BT))
            masked_BTP, _ = step_losses(sample.trained.predict(masked), batch, layout)
            counts_BT = now_BT & seen.choice_BTG[..., g]
            where_BT = torch.from_numpy(counts_BT)
            losses.append(sample.in_naive_losses((masked_BTP - sums_BTP)[where_BT], counts_BTP[where_BT]))
            for kind in SHOWN:
                kept[kind].append(getattr(seen, kind)[gate.name][counts_BT])
    return Points({kind: np.concatenate(parts) for kind, parts in kept.items()}, torch.cat(losses), sample.weight_C)


def _by_item(sample: Sample, shown: list[Shown], g: int) -> Points:
    """The loss of an item's predictions when what is behind the gate is absent in the whole item."""
    gate = _gates(sample)[g]
    layout = layout_of(sample.trained.targets)
    place = {item: i for i, item in enumerate(sample.items)}
    P = len(sample.trained.targets.parameters)
    change_IP, counts_IP = torch.zeros(2, len(place), P, dtype=torch.float64)
    sums = {kind: np.zeros(len(place)) for kind in SHOWN}
    steps_I = np.zeros(len(place))
    for batch, free_BTKO, seen in zip(sample.batches, sample.free, shown, strict=True):
        at_B = torch.tensor([place[item] for item in batch.item_B.tolist()])
        free_BP, counts_BP = row_losses(free_BTKO, batch, layout, torch.float64)
        masked_BP, _ = row_losses(sample.trained.predict(without(batch, gate.modalities)), batch, layout, torch.float64)
        change_IP.index_add_(0, at_B, masked_BP - free_BP)
        counts_IP.index_add_(0, at_B, counts_BP)
        where_BT = seen.choice_BTG[..., g]
        np.add.at(steps_I, at_B.numpy(), where_BT.sum(1))
        for kind in SHOWN:
            np.add.at(sums[kind], at_B.numpy(), np.where(where_BT, getattr(seen, kind)[gate.name], 0.0).sum(1))
    has_I = steps_I > 0
    mean = {kind: value_I[has_I] / steps_I[has_I] for kind, value_I in sums.items()}
    return Points(mean, sample.in_naive_losses(change_IP, counts_IP)[torch.from_numpy(has_I)], sample.weight_C)


def absent_at(batch: Batch, names: tuple[str, ...], where_BT: Tensor) -> Batch:
    """The batch with modalities absent at some steps."""
    present_BTM, values = batch.present_BTM.clone(), dict(batch.values)
    for name in names:
        present_BTM[..., batch.modalities.index(name)] &= ~where_BT
        values[name] = values[name].masked_fill(where_BT.unsqueeze(-1), 0.0)
    return replace(batch, values=values, present_BTM=present_BTM)


def _turns(repeat: int, batch: Batch) -> np.ndarray:
    """In which pass each step is masked, (B, T): of each :data:`TURNS` steps in a row, one in each pass."""
    B, T = batch.valid_BT.shape
    turn_BT = np.empty((B, T), np.int64)
    for b, (item, start) in enumerate(zip(batch.item_B.tolist(), batch.start_B.tolist(), strict=True)):
        # By item and place: the same for every arm, in whatever batch a window comes.
        rng = generator(repeat, "gates/turns", item, start)
        blocks = np.tile(np.arange(TURNS), (math.ceil(T / TURNS), 1))
        turn_BT[b] = rng.permuted(blocks, axis=1).ravel()[:T]
    return turn_BT


def _summary(points: dict[str, Points]) -> GateCorrelations:
    together = Points(
        {kind: np.concatenate([one.shown[kind] for one in points.values()]) for kind in SHOWN},
        torch.cat([one.loss_NC for one in points.values()]),
        next(iter(points.values())).weight_C,
    )
    return GateCorrelations(
        gates={name: one.correlations() for name, one in points.items()}, together=together.correlations()
    )
