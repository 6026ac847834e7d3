"""Four ways to keep a trained model from reading a modality, where its item has it.

    permuted   the values of another test item at the same steps: what is read is real, but of something else
    mean       each column's mean over the training items
    zero       raw values 0, before normalisation
    absent     the model is told that the modality is not there, as where an item lacks it: its embedding is zero and
               left out, or with ``model.absence: learned`` a vector of its own, see :func:`absence_learned`

The model cannot know of the first three. Where an item lacks the modality anyway, nothing is changed.

B batch, T steps, M modalities, F raw features, W windows, D draws.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.data.augmentation import build_augmenter
from mmcore.data.loader import Loader
from mmcore.data.normalisation import SCALED
from mmcore.seeding import generator
from mmcore.trained import Trained

Values = Mapping[str, Tensor]
"""What stands in for modalities, by name: (F,), or (B, T, F)."""


def replaced(batch: Batch, names: Collection[str], values: Values) -> Batch:
    """The batch with other values in these modalities wherever they are present.

    Args:
        batch: left as it is.
        values: for each of the names, in the units that the model reads.
    """
    return replace(
        batch,
        values={
            name: torch.where(batch.present_BTM[..., m, None], values[name], x_BTF) if name in names else x_BTF
            for m, (name, x_BTF) in enumerate(batch.values.items())
        },
    )


def zeros(trained: Trained) -> dict[str, Tensor]:
    """Raw values 0 as the model reads them, (F,) by modality."""
    values = {}
    for name in trained.modalities:
        mean_F, deviation_F = (getattr(trained.normaliser, part)[name] for part in ("mean", "deviation"))
        limit = trained.config.data.clip
        # Columns that are not scaled have mean 0 here: they stay 0, and are never clipped.
        values[name] = torch.from_numpy(np.clip(-mean_F / deviation_F, -limit, limit))
    return values


def means(trained: Trained) -> dict[str, Tensor]:
    """The training items' mean as the model reads it, (F,) by modality: 0 for columns that are scaled.

    A column that no training item has is 0.
    """
    values = {}
    for name in trained.modalities:
        kinds = trained.schema.modalities[name].kinds
        kept = [at for at, kind in enumerate(kinds) if kind not in SCALED]
        sum_F, count_F = np.zeros(len(kept)), np.zeros(len(kept))
        for index in trained.split.train if kept else ():
            item = trained.prepared.items[index]
            x_SF = np.asarray(trained.prepared.values[name][item.offset : item.offset + item.steps])[:, kept]
            sum_F += np.nansum(x_SF, axis=0, dtype=np.float64)
            count_F += (~np.isnan(x_SF)).sum(axis=0)
        mean_F = np.zeros(len(kinds), np.float32)
        mean_F[kept] = sum_F / np.maximum(count_F, 1)
        values[name] = torch.from_numpy(mean_F)
    return values


def absence_learned(trained: Trained) -> dict[str, float] | None:
    """What the learned embeddings of absence were trained on, by modality; None: absence is zero, nothing is learned.

    Returns:
        The share of the steps of training windows at which the modality is absent, 0 to 1, augmentation included: in
        items without it, gaps, dropped modalities, masked spans. 0: its embedding never had a gradient. Without
        augmentation all epochs have the same windows and one is counted; with it as many as it takes until each
        modality was absent once, at most those of a whole training.
    """
    config = trained.config
    if config.model.absence != "learned":
        return None
    loader = trained.data.loader("training", trained.split.train, config.data.stride)
    absent_M, steps = torch.zeros(len(trained.modalities), dtype=torch.int64), 0
    for epoch in range(1, config.training.epochs + 1):
        augment = build_augmenter(config.augmentation, trained.schema, config.repeat, epoch)
        for batch in loader.batches(augment=augment):
            valid_BT1 = batch.valid_BT[..., None]
            absent_M += (valid_BT1 & ~batch.present_BTM).sum((0, 1))
            steps += int(valid_BT1.sum())
        if augment is None or absent_M.all():
            break
    return dict(zip(trained.modalities, (absent_M / max(steps, 1)).tolist(), strict=True))


class Donors:
    """Values of other test items for each window and modality, D of them in turn.

    A donor is drawn from the test items that have the modality anywhere, of other groups where there are any, else any
    other item; no item is used twice before all have been used. Each modality is drawn by itself, so that several
    permuted ones come from several items. The draw is a function of (repeat, modality, item) alone. The donor's window
    is the one of the same number within its item, hence of the same time; where it has fewer windows with the modality,
    they are counted in a circle. A step at which the donor's window lacks the modality takes the value of one that has
    it, in order and in a circle.

    Args:
        trained: its test windows are read. draws: D.
    """

    def __init__(self, trained: Trained, draws: int) -> None:
        self.draws = draws
        test = trained.test
        self.item_W = item_W = test.table_W4[:, 0]
        self.loaders: dict[str, Loader] = {}
        self.donor_WD: dict[str, np.ndarray] = {}
        groups = np.array([item.group for item in trained.prepared.items])
        for name in trained.modalities:
            self.loaders[name] = Loader(
                trained.prepared, trained.normaliser, trained.config.data, trained.task, (name,),
                trained.split.test, test.batch,
            ).keep()  # fmt: skip
            has_W = np.concatenate([b.present_BTM[..., 0].any(1).numpy() for b in self.loaders[name].batches()])
            self.donor_WD[name] = _assigned(item_W, has_W, groups, draws, trained.config.repeat, name)

    @property
    def alone(self) -> tuple[str, ...]:
        """Modalities that only one test item has, so that no other can give its values."""
        return tuple(name for name, donor_WD in self.donor_WD.items() if (donor_WD == _NOBODY).any())

    @property
    def distinct_W(self) -> np.ndarray:
        """By window, (W,): draws of its item before a donor of some modality comes again, D at most.

        Modalities that an item lacks do not limit the number; 0 if no item can give one that it has.
        """
        return _distinct(self.item_W, list(self.donor_WD.values()), self.draws)

    def values(self, windows_B: np.ndarray, draw: int) -> dict[str, Tensor]:
        """Another item's values for some windows, (B, T, F) by modality.

        Args:
            windows_B: numbers of test windows. draw: 0 … D − 1.
        """
        found = {}
        for name, loader in self.loaders.items():
            donor_B = self.donor_WD[name][windows_B, draw]
            # An item that lacks the modality reads nothing, whatever the values there.
            batch = next(loader.batches(np.maximum(donor_B, 0)))
            found[name] = _in_a_circle(batch.values[name], batch.present_BTM[..., 0])
        return found


_NOBODY, _ANYBODY = -2, -1


def _assigned(
    item_W: np.ndarray, has_W: np.ndarray, groups: np.ndarray, draws: int, repeat: int, modality: str
) -> np.ndarray:
    """(W, D): the window that gives each window its values."""
    first_of = {int(item): int(np.flatnonzero(item_W == item)[0]) for item in np.unique(item_W)}
    windows_of = {item: np.flatnonzero((item_W == item) & has_W) for item in first_of}
    having = np.array([item for item, windows in windows_of.items() if len(windows)], np.int64)
    donor_WD = np.full((len(item_W), draws), _ANYBODY, np.int64)
    for item, own_W in windows_of.items():
        if not len(own_W):
            continue
        strangers = having[groups[having] != groups[item]]
        others = strangers if len(strangers) else having[having != item]
        if not len(others):
            donor_WD[own_W] = _NOBODY
            continue
        number_W = own_W - first_of[item]
        drawn = generator(repeat, f"donors of {modality}", index=item).permutation(others)[:draws]
        for d, donor in enumerate(np.resize(drawn, draws).tolist()):
            giving = windows_of[donor]
            at = dict(zip((giving - first_of[donor]).tolist(), giving.tolist(), strict=True))
            donor_WD[own_W, d] = [at.get(n, int(giving[n % len(giving)])) for n in number_W.tolist()]
    return donor_WD


def _distinct(item_W: np.ndarray, donors: Sequence[np.ndarray], draws: int) -> np.ndarray:
    """See :attr:`Donors.distinct_W`; ``donors`` has (W, D) for each modality."""
    distinct_W = np.full(len(item_W), draws, np.int64)
    for donor_WD in donors:
        for w, donor_D in enumerate(donor_WD):
            if donor_D[0] != _ANYBODY:
                same_W = item_W == item_W[w]
                givers = len(np.unique(item_W[donor_D])) if donor_D[0] != _NOBODY else 0
                distinct_W[same_W] = np.minimum(distinct_W[same_W], givers)
    return distinct_W


def _in_a_circle(x_BTF: Tensor, present_BT: Tensor) -> Tensor:
    """The values, with those of present steps repeated over the others; rows with none stay as they are."""
    filled_BTF = x_BTF.clone()
    for b in range(len(x_BTF)):
        there = present_BT[b].nonzero()[:, 0]
        gone = (~present_BT[b]).nonzero()[:, 0]
        if len(there) and len(gone):
            filled_BTF[b, gone] = x_BTF[b, there[gone % len(there)]]
    return filled_BTF
