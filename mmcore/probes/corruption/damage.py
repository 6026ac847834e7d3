"""Damaged inputs, one modality at a time: the same damage for every model that reads them.

Every draw is a function of (repeat, kind of damage, modality, item, place of the window). It depends neither on the arm
and its other modalities nor on the batch. Targets, and the values from which baselines predict, are never touched.

B batch, T steps, M modalities, F features, W windows, I items of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from mmcore.batch import Batch
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator

BINARY_DEVIATION = 0.5
"""The largest standard deviation of a binary feature, with one half true; it is the unit of noise for such features."""


def sample_windows(loader: Loader, repeat: int, most: int) -> np.ndarray:
    """Windows that stand for all: one of each item in turn, until there are enough or no more.

    Args:
        loader: of the items to choose from. repeat: decides the draw, for every arm alike.
        most: windows at most.

    Returns:
        Indices of windows, ascending.
    """
    item_W = loader.table_W4[:, 0]
    names = np.unique(item_W)
    order = names[generator(repeat, "corruption/items").permutation(len(names))]
    places = {
        i: generator(repeat, "corruption/windows", 0, int(i)).permutation(np.flatnonzero(item_W == i)) for i in order
    }
    turns = max((len(place) for place in places.values()), default=0)
    drawn = [int(places[i][turn]) for turn in range(turns) for i in order if turn < len(places[i])]
    return np.array(sorted(drawn[:most]), np.int64)


class Damage:
    """A sample of windows, and what they look like with one modality damaged.

    Args:
        loader: its batches must hold the whole sample. windows_W: the sample.
        schema, normaliser: with which the loader was made. repeat: decides all draws.
    """

    def __init__(
        self,
        loader: Loader,
        windows_W: Sequence[int] | np.ndarray,
        schema: CorpusSchema,
        normaliser: Normaliser,
        repeat: int,
    ) -> None:
        self.loader, self.schema, self.normaliser, self.repeat = loader, schema, normaliser, repeat
        self.place_B4 = loader.table_W4[np.asarray(windows_W)]
        self.batch = next(loader.batches(np.asarray(windows_W)))
        assert len(self.batch.item_B) == len(self.place_B4), "the loader's batches must hold the whole sample"
        self.steps_B = self.batch.valid_BT.sum(1).numpy()

    def noisy(self, name: str, deviations: float) -> Batch:
        """Normal noise at every step.

        Continuous features: ``deviations`` training deviations, within the loader's clip. Embeddings: the noise of all
        columns together has that length, the embedding's own being 1, and the sum is brought to unit length again.
        Binary features: read as the nearer of 0 and 1 after noise of as many halves, so that 1 deviation turns 16 % of
        the values over. Categorical codes: the nearest code from 0 on. Continuous, categorical and embedding values
        that are exactly 0, as unknown ones are, stay so; an unknown binary value is read as 0, as the model does.
        """
        if deviations == 0:
            return self.batch
        modality = self.schema.modalities[name]
        x_BTF, drawn_BTF = self.batch.values[name].numpy(), self._normal(name) * np.float32(deviations)
        kind_F = np.array(modality.kinds)
        continuous_F, binary_F, code_F = (kind_F == kind for kind in ("continuous", "binary", "categorical"))
        noisy_BTF = x_BTF + drawn_BTF
        noisy_BTF[..., continuous_F] = noisy_BTF[..., continuous_F].clip(-self.loader.clip, self.loader.clip)
        noisy_BTF[..., binary_F] = (x_BTF + BINARY_DEVIATION * drawn_BTF)[..., binary_F] > 0.5
        mean_F, deviation_F = self.normaliser.mean[name][code_F], self.normaliser.deviation[name][code_F]
        codes = np.maximum(0.0, np.rint(noisy_BTF[..., code_F] * deviation_F + mean_F))
        noisy_BTF[..., code_F] = (codes - mean_F) / deviation_F
        for first, last in modality.embedding_groups:
            part_BTE = x_BTF[..., first:last] + drawn_BTF[..., first:last] / np.float32(np.sqrt(last - first))
            length_BT1 = np.linalg.norm(part_BTE, axis=-1, keepdims=True)
            noisy_BTF[..., first:last] = part_BTE / np.maximum(length_BT1, np.finfo(np.float32).tiny)
        present_BT = self._present(name)
        noisy_BTF[(x_BTF == 0) & ~binary_F] = 0.0
        noisy_BTF[~present_BT] = 0.0
        return self._with(name, noisy_BTF, present_BT)

    def dropped(self, name: str, share: float) -> Batch:
        """Each step is absent with this chance, by itself; absent at one share means absent at larger ones."""
        gone_BT = self._uniform("drop", name, self.loader.window) < share
        return self._masked(name, gone_BT)

    def gap(self, name: str, share: float) -> Batch:
        """One contiguous part of each window is absent, this share of its steps, rounded. Gaps grow in place."""
        place_B = self._uniform("gap", name, 1)[:, 0]
        length_B = np.rint(share * self.steps_B).astype(int)
        first_B = np.floor(place_B * (self.steps_B - length_B + 1)).astype(int)
        t_T = np.arange(self.loader.window)
        return self._masked(name, (t_T >= first_B[:, None]) & (t_T < (first_B + length_B)[:, None]))

    def delayed(self, name: str, steps: int) -> Batch:
        """The modality arrives late: each position reads what lay this many steps before; absent where nothing did.

        Never early: an early stream would show a forecast what its content look-ahead rules out, so that the score
        could rise with a leak instead of falling with damage.

        Read from the store, so that a window's first positions show what lies before the window.
        """
        if steps == 0:
            return self.batch
        loader = self.loader
        x_BTF = np.zeros(self.batch.values[name].shape, np.float32)
        present_BT = np.zeros(x_BTF.shape[:2], bool)
        for b, ((item, low, start, high), positions) in enumerate(
            zip(self.place_B4.tolist(), self.steps_B, strict=True)
        ):
            first = start + loader.shifts[name] - steps
            known = slice(max(first, low), max(first, low, min(first + int(positions), high)))
            into = slice(known.start - first, known.stop - first)
            x_BTF[b, into], present_BT[b, into] = loader.read(name, item, known.start, known.stop)
        loader.scaling[name].apply(x_BTF, present_BT, loader.clip)
        return self._with(name, x_BTF, present_BT)

    def _present(self, name: str) -> np.ndarray:
        return self.batch.present_BTM[..., self.batch.modalities.index(name)].numpy()

    def _masked(self, name: str, gone_BT: np.ndarray) -> Batch:
        x_BTF = self.batch.values[name].numpy().copy()
        x_BTF[gone_BT] = 0.0
        return self._with(name, x_BTF, self._present(name) & ~gone_BT)

    def _with(self, name: str, x_BTF: np.ndarray, present_BT: np.ndarray) -> Batch:
        present_BTM = self.batch.present_BTM.clone()
        present_BTM[..., self.batch.modalities.index(name)] = torch.from_numpy(present_BT)
        return replace(self.batch, values={**self.batch.values, name: torch.from_numpy(x_BTF)}, present_BTM=present_BTM)

    @lru_cache(maxsize=1)  # noqa: B019 the levels of one modality follow one another, and the sample is small
    def _normal(self, name: str) -> np.ndarray:
        shape = self.batch.values[name].shape[1:]
        return np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in self._draws("noise", name)])

    def _uniform(self, kind: str, name: str, count: int) -> np.ndarray:
        return np.stack([rng.random(count) for rng in self._draws(kind, name)])

    def _draws(self, kind: str, name: str) -> list[np.random.Generator]:
        """A generator for each window, by its place in the corpus."""
        places = zip(self.batch.start_B.tolist(), self.batch.item_B.tolist(), strict=True)
        return [generator(self.repeat, f"corruption/{kind}/{name}", start, item) for start, item in places]
