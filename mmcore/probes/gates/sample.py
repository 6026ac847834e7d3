"""The test windows that are predicted again for every change to a model, and the unit of their losses.

B batch, T steps, P parameters, C components.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.probes.steps import by_component
from mmcore.seeding import generator
from mmcore.skill import skill_per_loss
from mmcore.trained import Trained
from mmcore.training.losses import layout_of, row_losses

MOST_WINDOWS = 64
"""Windows that are predicted again, all of a quick corpus. It bounds time and memory for any corpus."""


@dataclass(frozen=True)
class Sample:
    """Whole test items, drawn alike for every arm of a repeat.

    Args:
        items: indices, ascending. of_items, windows, of_windows: how many there were, and are, to choose from.
        batches: their windows.
        scale_C: the naive loss of each component on all test items; NaN where it is 0 or not known.
    """

    trained: Trained
    items: tuple[int, ...]
    of_items: int
    windows: int
    of_windows: int
    batches: tuple[Batch, ...]
    scale_C: Tensor

    @cached_property
    def free(self) -> tuple[Tensor, ...]:
        """What the model predicts for each batch when nothing is done to it."""
        return tuple(self.trained.predict(batch) for batch in self.batches)

    @cached_property
    def free_C(self) -> Tensor:
        """Loss by component over the whole sample when nothing is done to the model, in units of the naive loss."""
        return self.losses(self.free)

    @cached_property
    def weight_C(self) -> Tensor:
        """How much skill a component loses when its loss rises by one naive loss, (C,), by its slope here.

        1 where the model is no worse than naive, less beyond; see :func:`mmcore.skill.skill_per_loss`.
        """
        return torch.from_numpy(skill_per_loss(self.free_C.numpy(), self.free_C.numpy(), 1.0))

    def losses(self, outputs: Sequence[Tensor]) -> Tensor:
        """Loss by component over the whole sample, (C,), in units of the naive loss; NaN: not counted.

        Args:
            outputs: of each batch.
        """
        layout = layout_of(self.trained.targets)
        rows = [row_losses(o, b, layout, torch.float64) for o, b in zip(outputs, self.batches, strict=True)]
        sums_P, counts_P = (torch.cat(part).sum(0) for part in zip(*rows, strict=True))
        return self.in_naive_losses(sums_P[None], counts_P[None])[0]

    def in_naive_losses(self, sums_NP: Tensor, counts_NP: Tensor) -> Tensor:
        """Mean losses (or differences of losses) by component in units of the naive loss, (N, C); NaN: not counted.

        Args:
            sums_NP, counts_NP: losses and counted targets of N things, by parameter.
        """
        layout = layout_of(self.trained.targets)
        return by_component(sums_NP[:, None], counts_NP[:, None], layout)[:, 0] / self.scale_C


def draw_sample(trained: Trained) -> Sample:
    """Whole test items in a random order until :data:`MOST_WINDOWS` windows are reached, at least one item."""
    item_W = trained.test.table_W4[:, 0]
    names, windows = np.unique(item_W, return_counts=True)
    order = generator(trained.config.repeat, "gates/items").permutation(len(names))
    keep = order[: max(1, int(np.searchsorted(windows[order].cumsum(), MOST_WINDOWS, "right")))]
    items = np.sort(names[keep])
    chosen = np.flatnonzero(np.isin(item_W, items))
    naive = trained.naive.losses()
    scale = [naive[c] if naive[c] > 0 else math.nan for c in trained.targets.components]
    return Sample(
        trained,
        tuple(items.tolist()),
        len(names),
        len(chosen),
        len(item_W),
        tuple(trained.test.batches(chosen)),
        torch.tensor(scale, dtype=torch.float64),
    )


def mean_known(x_NC: Tensor) -> Tensor:
    """Mean over components that count, (N,); NaN where none does."""
    return x_NC.nanmean(-1)
