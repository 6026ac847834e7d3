"""How the score falls as one modality gets worse: noise, missing steps, a gap, loss of the whole modality, delay.

Scored on a sample of test windows that is the same for all arms of a repeat, as are the damaged inputs; the naive
predictors are scored on the same sample, so that a skill of 0 means no better than they are there.

I items of the corpus, P parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np

from mmcore.analyses import CorruptionAnalysis
from mmcore.answers.corruption import CorruptionResult, DamageCurve, DamagedModality, DamageKind, DamageSample
from mmcore.batch import Batch
from mmcore.data.loader import Loader
from mmcore.probes.corruption.damage import Damage, sample_windows
from mmcore.probes.removal import without
from mmcore.probes.scores import mixed, rows_of, scores_of
from mmcore.trained import Trained
from mmcore.training.evaluation import MODEL, Measured, Naive, baseline_losses, measured
from mmcore.training.tally import Tally

KINDS: tuple[DamageKind, ...] = get_args(DamageKind)

WINDOWS = 24
"""Windows of the sample at most: scores move by some hundredths with the sample, but all arms share it, and with ten
levels of five kinds every window is scored a hundred times."""
NOISIEST = 3.0
"""In standard deviations of the training items: the signal is then a tenth of the input."""
LONGEST_DELAY = 30
"""Steps, and at most half a window."""


def levels_of(kind: DamageKind, count: int, window: int) -> list[float]:
    """Levels of a kind of damage, from 0 to the strongest.

    Args:
        count: number of levels, at least 2; a delay has fewer where a window is short, each a whole number of steps.
        window: steps of a window.

    Returns:
        Noise: training deviations. Drop, gap: shares of steps. Lost: the chance that an item has lost it, hence the
        expected share of items. Delay: steps, close together where they are short.

    Example:
        >>> levels_of("delay", 10, 100)
        [0.0, 1.0, 2.0, 3.0, 6.0, 9.0, 13.0, 18.0, 24.0, 30.0]
    """
    even = np.linspace(0.0, 1.0, count)
    match kind:
        case "noise":
            return (NOISIEST * even).round(6).tolist()
        case "drop" | "gap" | "lost":
            return even.round(6).tolist()
        case "delay":
            longest = max(1, min(LONGEST_DELAY, window // 2))
            steps = np.maximum(np.rint(longest * even**2), np.arange(count))
            return np.unique(np.minimum(steps, longest)).tolist()


def probe_corruption(trained: Trained, settings: CorruptionAnalysis) -> CorruptionResult:
    """Curves of scores over levels of damage, for every modality that the model reads; a placebo is none.

    Args:
        trained: a finished run. settings: number of levels.
    """
    return _Probe(trained, settings).answer()


@dataclass(frozen=True)
class _Scored:
    """The model's tally on the sample, as damaged, and every measure of it."""

    tally: Tally
    naive: Mapping[str, float]

    @cached_property
    def losses(self) -> dict[str, float]:
        """By component."""
        return self.tally.component_losses()

    @cached_property
    def scores(self) -> Measured:
        """Against the naive predictors on the undamaged sample."""
        return measured(self.tally, self.losses, self.naive)


class _Probe:
    def __init__(self, trained: Trained, settings: CorruptionAnalysis) -> None:
        self.trained, self.settings = trained, settings
        self.window = trained.config.data.steps
        windows_W = sample_windows(trained.test, trained.config.repeat, WINDOWS)
        # A loader of its own, whose batches hold the whole sample.
        loader = Loader(
            trained.prepared, trained.normaliser, trained.config.data, trained.task, trained.modalities,
            trained.split.test, len(windows_W),
        )  # fmt: skip
        self.damage = Damage(loader, windows_W, trained.schema, trained.normaliser, trained.config.repeat)
        batch = self.damage.batch
        tallies = trained.data.evaluate({b.name: b.predict for b in trained.baselines}, [batch])
        self.naive = Naive(trained.baselines, tallies).losses()
        self.naive_scores = {
            b.name: measured(tallies[b.name], baseline_losses(b, tallies[b.name]), self.naive)
            for b in trained.baselines
        }
        self.clean = self.score(batch)

    def answer(self) -> CorruptionResult:
        batch, trained = self.damage.batch, self.trained
        return CorruptionResult(
            sample=DamageSample(
                digest=self._digest(),
                items=len(batch.item_B.unique()),
                windows=len(batch.item_B),
                of=trained.test.windows,
            ),
            delay_unit=trained.schema.step,
            naive={name: scores_of(scores) for name, scores in self.naive_scores.items()},
            clean=scores_of(self.clean.scores),
            modalities={
                name: self.curves(name) for name in trained.modalities if name not in trained.config.data.placebo
            },
        )

    def curves(self, name: str) -> DamagedModality:
        """The curves of one modality."""
        batch, damage = self.damage.batch, self.damage
        valid_BT, m = batch.valid_BT, batch.modalities.index(name)
        # Every step dropped, a gap of the whole window and the modality lost are the same input.
        gone = self.score(without(batch, [name]))
        curves: dict[DamageKind, DamageCurve] = {}
        for kind in KINDS:
            levels = levels_of(kind, self.settings.levels, self.window)
            points = []
            for level in levels:
                match kind:
                    case _ if level == 0:
                        scores = self.clean.scores
                    case "noise":
                        scores = self.score(damage.noisy(name, level)).scores
                    case "drop" | "gap" | "lost" if level == 1:
                        scores = gone.scores
                    case "drop":
                        scores = self.score(damage.dropped(name, level)).scores
                    case "gap":
                        scores = self.score(damage.gap(name, level)).scores
                    case "lost":
                        scores = self._expected(gone, level)
                    case "delay":
                        scores = self.score(damage.delayed(name, int(level))).scores
                points.append(scores)
            unit = self.trained.schema.step if kind == "delay" else None
            curves[kind] = DamageCurve(
                levels=tuple(round(level * (unit or 1.0), 6) for level in levels), scores=rows_of(points)
            )
        present_BT = batch.present_BTM[..., m] & valid_BT
        present = float(present_BT.sum() / valid_BT.sum().clamp(min=1))
        return DamagedModality(present=round(present, 5), curves=curves)

    def score(self, batch: Batch) -> _Scored:
        """What the model does on the sample, as damaged."""
        data = self.trained.data
        tally = data.evaluate({MODEL: self.trained.predict}, [batch])[MODEL]
        return _Scored(tally, self.naive)

    def _expected(self, gone: _Scored, share: float) -> Measured:
        """The expected scores where each item has lost the modality with this chance, by itself.

        No item is drawn: both losses of each item are known, and rows of a batch do not see each other. With few items,
        drawing could reach only a few different shares. Losses, shares of right classes and absolute errors lie
        on a straight line between all and none lost; skill follows from the losses. F1 and average precision, which are
        no means over targets, are put on that line, too.
        """
        losses = {c: (1 - share) * loss + share * gone.losses[c] for c, loss in self.clean.losses.items()}
        ends = [measured(scored.tally, losses, self.naive) for scored in (self.clean, gone)]
        return mixed([(1 - share, ends[0]), (share, ends[1])])

    def _digest(self) -> str:
        """Equal for two runs that were tested alike: items, places of windows, their length, levels."""
        batch = self.damage.batch
        places = [batch.item_B.tolist(), batch.start_B.tolist(), batch.valid_BT.sum(1).tolist(), self.settings.levels]
        return hashlib.blake2b(repr([*places, self.window]).encode(), digest_size=8).hexdigest()
