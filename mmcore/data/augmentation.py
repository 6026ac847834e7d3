"""Random changes of windows, in training only.

Every draw is a function of (repeat, purpose, epoch, window): of neither the batch, its order nor the other kinds. So a
resumed run draws what an undisturbed one would have drawn, and one more kind does not shift the draws of another.

B batch, T steps, M modalities read, F features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmcore.config import AugmentationConfig
from mmcore.data.custom_augmentation import CustomAugmentation
from mmcore.schema import CorpusSchema, Modality
from mmcore.seeding import generator


class Augmenter:
    """Changes windows as they are read, for one epoch.

    First windows are moved and shortened (:meth:`places`), then what was read there is changed (:meth:`alter`):
    features and modalities are dropped, spans masked, noise added, and a class of the user's is called. What is absent,
    unknown or padded stays zero.

    Args:
        config: the kinds, and how much of each.
        schema: of the corpus; draws for a modality do not depend on which others a model reads.
        repeat: the repeat.
        epoch: counted from 1.
    """

    def __init__(self, config: AugmentationConfig, schema: CorpusSchema, repeat: int, epoch: int) -> None:
        self.config, self.repeat, self.epoch = config, repeat, epoch
        self.columns = {name: m for m, name in enumerate(schema.modalities)}
        self.own = None if config.own is None else CustomAugmentation(config.own, tuple(schema.modalities))
        self.noise = {name: _noise_units(modality) for name, modality in schema.modalities.items()}

    def places(
        self, windows_B: np.ndarray, low_B: np.ndarray, start_B: np.ndarray, end_B: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where windows start, and how many positions they show.

        A window is moved within its stretch, never so late that it would become shorter: what is read is the plain
        window there. Of a cropped window a contiguous part remains, which moves to the front: a plain, shorter window.

        Args:
            windows_B: index of each window among the training windows.
            low_B: first row of the stretch.
            start_B: first row of the window.
            end_B: row after the last position of the stretch.
            steps: of a whole window.

        Returns:
            start_B, and positions_B: how many are shown.
        """
        jitter, crop = self.config.jitter, self.config.crop
        start_B, positions_B = start_B.copy(), np.minimum(steps, end_B - start_B)
        for b, window in enumerate(windows_B.tolist()):
            if jitter is not None:
                rng = self._rng("jitter", window)
                if rng.random() < jitter.probability:
                    first = max(low_B[b] - start_B[b], -jitter.steps)
                    last = min(end_B[b] - positions_B[b] - start_B[b], jitter.steps)
                    start_B[b] += rng.integers(first, last, endpoint=True)
                    positions_B[b] = min(steps, end_B[b] - start_B[b])
            if crop is not None:
                rng = self._rng("crop", window)
                if rng.random() < crop.probability:
                    shortest = int(np.ceil(crop.shortest * positions_B[b]))
                    length = rng.integers(shortest, positions_B[b], endpoint=True)
                    start_B[b] += rng.integers(0, positions_B[b] - length, endpoint=True)
                    positions_B[b] = length
        return start_B, positions_B

    def alter(
        self,
        windows_B: np.ndarray,
        positions_B: np.ndarray,
        values: Mapping[str, np.ndarray],
        unknown: Mapping[str, np.ndarray],
        present_BTM: np.ndarray,
    ) -> None:
        """Change normalised values and their presence, in place.

        Args:
            windows_B: as for :meth:`places`.
            positions_B: as it returned them.
            values: modality to x_BTF, in the order of ``present_BTM``; zero where absent, unknown or padded.
            unknown: modality to (B, T, F) bool: NaN in the corpus.
            present_BTM: the modality is there; False at padded places.
        """
        names = list(values)
        for b, (window, positions) in enumerate(zip(windows_B.tolist(), positions_B.tolist(), strict=True)):
            self._drop_modalities(window, names, present_BTM[b])
            self._mask_spans(window, positions, names, present_BTM[b])
            self._add_noise(window, {name: x_BTF[b] for name, x_BTF in values.items()})
            self._drop_features(window, {name: x_BTF[b] for name, x_BTF in values.items()})
            if self.own is not None:
                own = {name: x_BTF[b, :positions] for name, x_BTF in values.items()}
                self.own.change(own, present_BTM[b, :positions], self._rng("own", window), self.epoch)
        if self.config.noise is not None or self.own is not None:
            for x_BTF, unknown_BTF in zip(values.values(), unknown.values(), strict=True):
                np.copyto(x_BTF, 0.0, where=unknown_BTF)
        for m, x_BTF in enumerate(values.values()):
            x_BTF[~present_BTM[..., m]] = 0.0

    def _drop_modalities(self, window: int, names: list[str], present_TM: np.ndarray) -> None:
        """Of the modalities that a window has one remains, whatever is drawn."""
        config = self.config.modality_dropout
        if config is None:
            return
        rng = self._rng("modality_dropout", window)
        chance, chosen = rng.random(2)
        drawn = rng.random(len(self.columns))
        if chance >= config.probability:
            return
        there = [m for m in range(len(names)) if present_TM[:, m].any()]
        kept = [m for m in there if drawn[self.columns[names[m]]] >= rate_of(config.rate, names[m])]
        if there and not kept:
            kept = [there[int(chosen * len(there))]]
        for m in there:
            if m not in kept:
                present_TM[:, m] = False

    def _mask_spans(self, window: int, positions: int, names: list[str], present_TM: np.ndarray) -> None:
        """A span is shorter than its window, so that something is left to read."""
        config = self.config.time_masking
        longest = 0 if config is None else min(config.steps, positions - 1)
        if config is None or longest < 1:
            return
        drawn_M3 = self._rng("time_masking", window).random((len(self.columns), 3))
        for m, name in enumerate(names):
            chance, length, place = drawn_M3[self.columns[name]]
            if chance < config.probability:
                steps = 1 + int(length * longest)
                first = int(place * (positions - steps + 1))
                present_TM[first : first + steps, m] = False

    def _add_noise(self, window: int, values: dict[str, np.ndarray]) -> None:
        config = self.config.noise
        if config is None or self._rng("noise", window).random() >= config.probability:
            return
        for name, x_TF in values.items():
            columns, unit_F = self.noise[name]
            if len(unit_F):
                rng = self._rng(f"noise/{name}", window)
                noise_TF = rng.standard_normal((len(x_TF), len(unit_F)), dtype=np.float32)
                noise_TF *= unit_F * np.float32(config.deviations)
                x_TF[:, columns] += noise_TF

    def _drop_features(self, window: int, values: dict[str, np.ndarray]) -> None:
        config = self.config.feature_dropout
        if config is None or self._rng("feature_dropout", window).random() >= config.probability:
            return
        for name, x_TF in values.items():
            rng = self._rng(f"feature_dropout/{name}", window)
            x_TF[:, rng.random(x_TF.shape[1]) < config.rate] = 0.0

    def _rng(self, purpose: str, window: int) -> np.random.Generator:
        return generator(self.repeat, f"augmentation/{purpose}", self.epoch, window)


def build_augmenter(config: AugmentationConfig, schema: CorpusSchema, repeat: int, epoch: int) -> Augmenter | None:
    """The augmentation of an epoch's training windows; None if nothing is changed, which then costs no time."""
    return None if config == AugmentationConfig() else Augmenter(config, schema, repeat, epoch)


def rate_of(rate: float | dict[str, float], name: str) -> float:
    """The rate of a modality: one for all, or its own, 0 where it is not named."""
    return rate.get(name, 0.0) if isinstance(rate, dict) else rate


def _noise_units(modality: Modality) -> tuple[slice | np.ndarray, np.ndarray]:
    """Columns that may get noise, and the standard deviation of each.

    Continuous columns are normalised: 1. An embedding of E columns has unit length, so the root mean square of its
    columns is 1/√E. Binary and categorical columns are left alone.
    """
    unit_F = np.array([1.0 if kind == "continuous" else 0.0 for kind in modality.kinds], np.float32)
    for first, last in modality.embedding_groups:
        unit_F[first:last] = 1.0 / np.sqrt(last - first)
    columns = np.flatnonzero(unit_F)
    # A slice adds in place many times as fast as a list of columns.
    side_by_side = len(columns) > 0 and columns[-1] - columns[0] + 1 == len(columns)
    return (slice(columns[0], columns[-1] + 1) if side_by_side else columns), unit_F[columns]
