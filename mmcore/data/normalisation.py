"""Means and standard deviations of the training items: all that a model may know about the scale of its data.

Cells far outside a column's usual range (:mod:`mmcore.data.usual`) count as if they lay at its end, so that a sentinel
of −99999 or a sensor's 1e30 does not decide the scale of all others. Without such cells these are the plain moments, to
the bit. Mean and standard deviation are used, not median and IQR, since the losses, the baselines and ``data.clip``
assume them, and since an IQR is 0 if most cells are equal.

F raw features, P parameters, K tracks, S steps of an item.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcore.data.prepared import Prepared
from mmcore.data.usual import Usual, every, usual_range
from mmcore.errors import CorpusError
from mmcore.schema import Targets

SCALED = ("continuous", "categorical")
"""Kinds that are z-scored; binary columns and embeddings stay as they are."""
NEAR_CONSTANT = 1e-6
"""A standard deviation below this share of the mean is rounding noise of float32; such a column is only shifted."""


@dataclass(frozen=True)
class Normaliser:
    """(x − mean) / deviation, per column.

    Args:
        mean, deviation: modality to (F,) float32; 0 and 1 for columns that are not scaled, deviation 1 for
            constant ones.
        target_mean_P, target_deviation_P: (P,) float32, pooled over tracks and over the places where ``when`` holds;
            0 and 1 for binary and categorical parameters.
    """

    mean: dict[str, np.ndarray]
    deviation: dict[str, np.ndarray]
    target_mean_P: np.ndarray
    target_deviation_P: np.ndarray

    def to_json(self) -> str:
        """As text; :meth:`from_json` gives back the same bits."""
        return json.dumps(
            {
                "format": 1,
                "modalities": {
                    name: {"mean": mean.tolist(), "deviation": self.deviation[name].tolist()}
                    for name, mean in self.mean.items()
                },
                "target": {"mean": self.target_mean_P.tolist(), "deviation": self.target_deviation_P.tolist()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Normaliser:
        """Read what :meth:`to_json` wrote.

        Raises:
            CorpusError: the text is not a saved normaliser.
        """
        try:
            values = json.loads(text)
            if values["format"] != 1:
                raise ValueError(f"format {values['format']}")
            both = values["modalities"].items()
            return cls(
                {name: np.array(m["mean"], np.float32) for name, m in both},
                {name: np.array(m["deviation"], np.float32) for name, m in both},
                np.array(values["target"]["mean"], np.float32),
                np.array(values["target"]["deviation"], np.float32),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(
                "the text is not a saved normalisation", found=f"{type(error).__name__}: {error}"
            ) from None


class _Moments:
    """Count, mean and sum of squared deviations per column, merged item by item in float64.

    Source: Chan, Golub, LeVeque 1983, eq. 2.1.
    """

    def __init__(self, columns: int) -> None:
        self.count, self.mean, self.squares = np.zeros(columns), np.zeros(columns), np.zeros(columns)

    def add(self, values_SF: np.ndarray) -> None:
        """Merge a block of rows; NaN does not count."""
        known_SF = ~np.isnan(values_SF)
        count = known_SF.sum(axis=0)
        values_SF = np.where(known_SF, values_SF, 0.0).astype(np.float64)
        mean = values_SF.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known_SF, values_SF - mean, 0.0) ** 2).sum(axis=0)
        total = self.count + count
        delta = mean - self.mean
        share = np.divide(count, total, out=np.zeros_like(self.mean), where=total > 0)
        self.squares += squares + delta**2 * self.count * share
        self.mean += delta * share
        self.count = total

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and population standard deviation, float32; 0 and 1 for a column without values."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        constant = deviation <= NEAR_CONSTANT * np.abs(self.mean)
        deviation = np.where(constant | (deviation < np.finfo(np.float32).tiny), 1.0, deviation)
        return self.mean.astype(np.float32), deviation.astype(np.float32)


def fit_normaliser(prepared: Prepared, train: Sequence[int]) -> Normaliser:
    """Fit on the training items, one after the other, ignoring NaN and taming loud cells of continuous columns.

    Args:
        prepared: the store; only rows of ``train`` are read.
        train: item indices.
    """
    schema, targets = prepared.schema, prepared.schema.targets
    mean, deviation = {}, {}
    for name, modality in schema.modalities.items():
        scaled = [at for at, kind in enumerate(modality.kinds) if kind in SCALED]
        mean[name] = np.zeros(len(modality.kinds), np.float32)
        deviation[name] = np.ones(len(modality.kinds), np.float32)
        if not scaled:
            continue
        rows = [(prepared.items[i].offset, prepared.items[i].offset + prepared.items[i].steps) for i in train]
        usual = usual_values(prepared.values[name], rows, modality.kinds).of(scaled)
        moments = _Moments(len(scaled))
        for first, last in rows:
            moments.add(usual.tamed(np.asarray(prepared.values[name][first:last, scaled])))
        mean[name][scaled], deviation[name][scaled] = moments.finish()

    moments = _Moments(len(targets.parameters))
    blocks = [counted_targets(prepared, index) for index in train]
    usual = usual_targets(targets, blocks)
    for values_NP in blocks:
        moments.add(usual.tamed(values_NP))
    target_mean_P, target_deviation_P = moments.finish()
    coded = [at for at, p in enumerate(targets.parameters) if p.kind != "continuous"]
    target_mean_P[coded], target_deviation_P[coded] = 0.0, 1.0
    return Normaliser(mean, deviation, target_mean_P, target_deviation_P)


def counted_targets(prepared: Prepared, index: int) -> np.ndarray:
    """An item's targets, (S × K, P), or (K, P) of scope item; NaN where there is none and where ``when`` is not 1."""
    targets, item = prepared.schema.targets, prepared.items[index]
    rows = slice(index, index + 1) if targets.scope == "item" else slice(item.offset, item.offset + item.steps)
    names = [p.name for p in targets.parameters]
    target_SKP = np.array(prepared.target[rows])
    values_SKP = target_SKP.copy()
    for at, parameter in enumerate(targets.parameters):
        if parameter.when is not None:
            values_SKP[:, :, at][target_SKP[:, :, names.index(parameter.when)] != 1] = np.nan
    return values_SKP.reshape(-1, len(names))


def usual_targets(targets: Targets, blocks: Sequence[np.ndarray]) -> Usual:
    """What is usual in each parameter, of blocks of :func:`counted_targets`; classes are never loud."""
    step = every(sum(len(block) for block in blocks))
    sample = np.concatenate([block[::step] for block in blocks] or [np.empty((0, len(targets.parameters)))])
    return _of_numbers(usual_range(sample), [p.kind for p in targets.parameters])


def usual_values(values_NF: np.ndarray, rows: Sequence[tuple[int, int]], kinds: Sequence[str]) -> Usual:
    """What is usual in each column of a modality.

    Args:
        values_NF: of the store.
        rows: first row and row after the last of each item that is looked at.
        kinds: of the columns; only continuous ones can be loud.
    """
    step = every(sum(last - first for first, last in rows))
    parts = [np.asarray(values_NF[first:last:step]) for first, last in rows]
    numbers = [at for at, kind in enumerate(kinds) if kind == "continuous"]
    sample = np.full((sum(map(len, parts)), len(kinds)), np.nan, np.float32)
    if parts:
        sample[:, numbers] = np.concatenate(parts)[:, numbers]
    return usual_range(sample)


def _of_numbers(usual: Usual, kinds: Sequence[str]) -> Usual:
    numbers = np.array([kind == "continuous" for kind in kinds])
    return Usual(usual.centre_F, np.where(numbers, usual.reach_F, np.float32(np.inf)))
