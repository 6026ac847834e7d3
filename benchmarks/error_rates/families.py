"""Families of simulated corpora with a real learner.

A family is one corpus with two modalities that carry equally much, two arms that read one of them each, and
:data:`REPEATS` repeats. Each repeat fits ridge regressions to its training items and is scored on its test items by the
bounded skill, for three targets (the components) and their mean (the metric).

S families, A = 2 arms, R repeats, G groups, N items, P features of a modality, C components, B resamples of groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from mmcore.seeding import generator
from mmcore.skill import skills_of
from reports.statistics.new_items import times_drawn

Design = Literal["each_repeat", "once", "given"]
Tails = Literal["normal", "heavy"]
Luck = Literal["items", "seed"]

REPEATS = 10
GROUPS = (4, 10, 30, 60)
ITEMS, FEATURES, COMPONENTS = 2, 12, 3
"""Items of a group; features of a modality; targets."""
TEST_SHARE = VALIDATION_SHARE = 0.2
RIDGE = 1.0
"""Strength of the pull towards the weights that a training starts from."""
AT_ONCE = 100

DESIGNS: dict[Design, str] = {
    "each_repeat": "every repeat draws its test, validation and training groups anew",
    "once": "the test groups are drawn once, validation and training groups anew for each repeat",
    "given": "the corpus fixes test, validation and training groups",
}
TAILS: dict[Tails, str] = {
    "normal": "what a group adds to a modality's weight is log-normal (σ = 0.5), the noise is normal",
    "heavy": "log-normal with σ = 0.9, and noise of Student's t with 3 degrees of freedom",
}
LUCKS: dict[Luck, str] = {
    "items": "each training reads a resample of its training items",
    "seed": "each training reads every training item once; weights are pulled to a start of its own, not to 0",
}
"""In what trainings differ that have the same training items."""


@dataclass(frozen=True)
class Cell:
    """One kind of family.

    Args:
        design: one of :data:`DESIGNS`. luck: one of :data:`LUCKS`. tails: one of :data:`TAILS`.
        groups: groups of the corpus. repeats: paired repeats.
        effect: by how much more the first arm's modality weighs; 0: the arms are equally good.
    """

    design: Design
    luck: Luck
    tails: Tails
    groups: int
    effect: float = 0.0
    repeats: int = REPEATS

    @property
    def sides(self) -> tuple[int, int, int]:
        """Groups of the test, the validation and the training side."""
        test, validation = (max(1, round(share * self.groups)) for share in (TEST_SHARE, VALIDATION_SHARE))
        return test, validation, self.groups - test - validation

    @property
    def shared(self) -> bool:
        """Whether all repeats test the same groups."""
        return self.design != "each_repeat"

    @property
    def overlap(self) -> float:
        """n_test / n_train where splits vary, else 0."""
        return 0.0 if self.shared else self.sides[0] / self.sides[2]

    @property
    def left_out(self) -> float:
        """Groups that training does not read ÷ groups that it reads."""
        return (self.sides[0] + self.sides[1]) / self.sides[2]


CELLS = tuple(Cell(*kind) for kind in product(DESIGNS, LUCKS, TAILS, GROUPS))


@dataclass(frozen=True)
class Trained:
    """The losses of one family on the groups that it tested.

    Args:
        loss_ARGC: mean squared error; NaN where the repeat did not test the group.
        naive_RGC: the same of the training side's mean.
    """

    loss_ARGC: np.ndarray
    naive_RGC: np.ndarray

    @property
    def skill_ARX(self) -> np.ndarray:
        """Skill on all test items: the metric at X = 0, then the components."""
        return _with_metric(skills_of(np.nanmean(self.loss_ARGC, axis=2), np.nanmean(self.naive_RGC, axis=1)))

    def resampled_RBX(self) -> np.ndarray:
        """First arm − second on each resample of the groups that all repeats tested."""
        tested_G = np.isfinite(self.naive_RGC[0, :, 0])
        times_BG = times_drawn(int(tested_G.sum())) / tested_G.sum()
        loss_ARBC, naive_RBC = times_BG @ self.loss_ARGC[:, :, tested_G], times_BG @ self.naive_RGC[:, tested_G]
        skill_ARBX = _with_metric(skills_of(loss_ARBC, naive_RBC))
        return skill_ARBX[0] - skill_ARBX[1]


def _with_metric(skill_C: np.ndarray) -> np.ndarray:
    """The mean over components before them, along the last axis."""
    # The bits of numpy's own mean, which takes three times as long where few numbers lie along the last axis.
    sum_, count = skill_C[..., 0], skill_C.shape[-1]
    for component in range(1, count):
        sum_ = sum_ + skill_C[..., component]
    return np.concatenate([(sum_ / count)[..., None], skill_C], axis=-1)


def simulate(cell: Cell, studies: int) -> Iterator[Trained]:
    """Families of one kind, the same for every call."""
    rng = generator(0, f"learner {cell.design} {cell.luck} {cell.tails} {cell.effect}", index=cell.groups)
    for start in range(0, studies, AT_ONCE):
        loss_SARGC, naive_SRGC = _train(cell, min(AT_ONCE, studies - start), rng)
        yield from (Trained(loss, naive) for loss, naive in zip(loss_SARGC, naive_SRGC, strict=True))


def _train(cell: Cell, S: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Losses of many families at once, loss_SARGC and naive_SRGC."""
    G, R = cell.groups, cell.repeats
    x_SANP, y_SNC = _corpora(cell, S, rng)
    side_SRG = _sides(cell, S, rng)
    training_SRN = np.repeat(side_SRG == 2, ITEMS, axis=-1)
    times_SRN = _resampled(training_SRN, rng) if cell.luck == "items" else training_SRN.astype(np.float64)
    size_SR11 = times_SRN.sum(-1)[..., None, None]
    # Sums over the drawn items are products with how often each was drawn: all fits at once.
    mean_SR1C = (times_SRN @ y_SNC)[:, :, None] / size_SR11
    xx_SANPP = x_SANP[..., :, None] * x_SANP[..., None, :]
    gram_SARPP = (times_SRN[:, None] @ xx_SANPP.reshape(S, 2, -1, FEATURES**2)).reshape(S, 2, R, FEATURES, FEATURES)
    xy_SANPC = x_SANP[..., :, None] * y_SNC[:, None, :, None]
    cross_SARPC = (times_SRN[:, None] @ xy_SANPC.reshape(S, 2, -1, FEATURES * COMPONENTS)).reshape(
        S, 2, R, FEATURES, COMPONENTS
    )
    x_SARP = times_SRN[:, None] @ x_SANP
    cross_SARPC -= x_SARP[..., None] * mean_SR1C[:, None]
    if cell.luck == "seed":
        cross_SARPC += RIDGE * rng.normal(size=cross_SARPC.shape)
    weight_SARPC = np.linalg.solve(gram_SARPP + RIDGE * np.eye(FEATURES), cross_SARPC)
    rest_SRNC = y_SNC[:, None] - mean_SR1C
    loss_SARNC = (rest_SRNC[:, None] - x_SANP[:, :, None] @ weight_SARPC) ** 2
    loss_SARGC = loss_SARNC.reshape(S, 2, R, G, ITEMS, COMPONENTS).mean(4)
    naive_SRGC = (rest_SRNC**2).reshape(S, R, G, ITEMS, COMPONENTS).mean(3)
    tested_SRG1 = (side_SRG == 0)[..., None]
    return np.where(tested_SRG1[:, None], loss_SARGC, np.nan), np.where(tested_SRG1, naive_SRGC, np.nan)


def _corpora(cell: Cell, S: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features x_SANP and targets y_SNC. Both modalities are made by one rule, so neither carries more."""
    G, P, C = cell.groups, FEATURES, COMPONENTS
    group_N = np.repeat(np.arange(G), ITEMS)
    x_SANP = rng.normal(size=(S, 2, len(group_N), P)) + 0.7 * rng.normal(size=(S, 2, G, P))[:, :, group_N]
    slope_SPC = rng.normal(size=(S, P, C)) / math.sqrt(P)
    heavy = cell.tails == "heavy"
    weight_SAGC = np.exp((0.9 if heavy else 0.5) * rng.normal(size=(S, 2, G, C)))
    weight_SAGC[:, 0] += cell.effect
    own_SNC = (
        0.5 * rng.standard_t(3, size=(S, len(group_N), C)) if heavy else 0.7 * rng.normal(size=(S, len(group_N), C))
    )
    signal_SANC = weight_SAGC[:, :, group_N] * (x_SANP @ slope_SPC[:, None])
    return x_SANP, signal_SANC.sum(axis=1) + own_SNC + 0.3 * rng.normal(size=(S, G, C))[:, group_N]


def _sides(cell: Cell, S: int, rng: np.random.Generator) -> np.ndarray:
    """Each group's side, side_SRG: 0 test, 1 validation, 2 training."""
    test, validation, _ = cell.sides
    order_SRG, fixed_S1G = rng.random((S, cell.repeats, cell.groups)), rng.random((S, 1, cell.groups))
    match cell.design:
        case "each_repeat":
            pass
        case "once":
            order_SRG = np.where(_ranks(fixed_S1G) < test, fixed_S1G - 1, order_SRG)
        case "given":
            order_SRG = np.broadcast_to(fixed_S1G, order_SRG.shape)
    return np.digitize(_ranks(order_SRG), [test, test + validation])


def _ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort(axis=-1).argsort(axis=-1)


def _resampled(training_SRN: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How often each item is drawn, times_SRN: as many draws as there are training items, with replacement."""
    S, R, N = training_SRN.shape
    size = int(training_SRN[0, 0].sum())
    item_SRK = np.argsort(~training_SRN, axis=-1, kind="stable")[..., :size]
    drawn_SRK = np.take_along_axis(item_SRK, rng.integers(size, size=(S, R, size)), axis=-1)
    row_SR1 = np.arange(S * R).reshape(S, R, 1) * N
    times = np.bincount((row_SR1 + drawn_SRK).ravel(), minlength=training_SRN.size)
    return times.reshape(training_SRN.shape).astype(np.float64)
