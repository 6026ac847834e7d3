"""Estimates of how long work will take on this machine: from similar work on it, else from the size of the models.

The sources, in this order: finished trainings of the same config on this machine; trainings of other configs on this
machine, which show how it compares with the formula of :mod:`experiments.planning.work`; the formula, corrected by a
measurement of 0.06 s (:func:`experiments.planning.machine.pace`). Times of other machines are never used directly. This
module does not import torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from experiments.corpora import CorpusPlace
from experiments.home import Home
from experiments.planning.machine import Pace, busy, identity, pace
from experiments.planning.timings import Described, Kind, Timing, read
from experiments.planning.work import FORMULA, Guess, analysing, testing, training
from experiments.planning.worksheet import Worksheet
from mmcore.analyses import AnyAnalysis
from mmcore.config import RunConfig
from mmcore.fingerprint import fingerprint
from mmcore.language import say
from mmcore.record import Head
from mmcore.schema import CorpusSchema
from reports.numbers import counted

ROUGH = 2.0
"""Factor by which an estimate from the formula alone may be off."""

_LIKE = 1.5
"""Factor by which an estimate may be off if times of other work on this machine correct the formula."""

_SAME = 1.2
"""Factor by which an estimate may be off if runs of the same config have finished here: the machine's load varies."""

_PATIENT = 0.7
"""Share of the epochs that a training with patience is expected to use, until one has finished."""

_ACCELERATOR = 0.03
"""Time for products on a graphics card, as a share of a core's. Very rough; kernels are launched no quicker."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of one piece of work on one worker.

    Args:
        seconds: most likely.
        factor: the truth is likely between seconds ÷ factor and seconds × factor; 1 or more.
    """

    seconds: float
    factor: float = ROUGH

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.seconds + other.seconds, max(self.factor, other.factor))

    def __mul__(self, times: float) -> Estimate:
        return Estimate(self.seconds * times, self.factor)


class Estimator:
    """Estimates times of work in a study.

    Args:
        home: where times of earlier work lie.
        place, schema, content: the corpus.
        device, threads: of the workers. workers: how many there will be.
        timings: what work has taken; None: what the home says.
        speed, slowed: of this machine, and by other work on it; asked for where nothing has been timed on it.
    """

    def __init__(
        self,
        home: Home,
        place: CorpusPlace,
        schema: CorpusSchema,
        content: str | None = None,
        device: str = "cpu",
        threads: int = 1,
        workers: int = 1,
        timings: Sequence[Timing] | None = None,
        speed: Callable[[], Pace] = pace,
        slowed: Callable[[int], float] = busy,
    ) -> None:
        self.worksheet = Worksheet(place, schema, content, home)
        self._content, self._device, self._threads = content, device, threads
        self._speed, self._slowed, self._workers = speed, slowed, workers
        every = read(home) if timings is None else list(timings)
        self._elsewhere = {timing.run for timing in every if timing.machine != identity()}
        here = [timing for timing in every if timing.machine == identity()]
        # The driver's own work is the same whatever workers have.
        here = [t for t in here if t.kind in _DRIVERS or (t.device, t.threads) == (device, threads)]
        self._timed = {timing.run for timing in here}
        # What a run took as one of a pack says nothing of what it takes alone.
        self._here = [timing for timing in here if not timing.packed]
        self._known, self._shares = _trained(self._here), _trained([timing for timing in here if timing.packed])
        self._learned: dict[str, list[float]] = {}
        self._used: set[str] = set()
        # A plan asks once for each of its runs. What is the same for all of them is computed once: else its time grows
        # with the runs that are open, times those that have finished.
        self._whole: dict[tuple[str, bool], Estimate] = {}
        self._alike: dict[Kind, list[Timing]] = {}
        self._known_guesses: dict[tuple[Kind, Guess], Estimate] = {}

    @property
    def basis(self) -> str:
        """What the estimates rest on, for a reader."""
        runs = sum(max(len(self._taken(name, packed)) for packed in (False, True)) for name in self._used)
        if runs:
            return say("{runs} of these arms", runs=counted(runs, "finished run"))
        if self._like("train"):
            return say(
                "the size of the models and other runs on this machine; no run of these arms has finished here yet"
            )
        return say("the size of the models, roughly; no run of these arms has finished here yet")

    def learn(self, config: RunConfig, record: Head | None) -> None:
        """Use a finished run without a line among the timings, such as a run of an earlier version.

        A run that was timed on another machine is ignored.
        """
        if record is None or not record.done or not record.seconds:
            return
        if record.fingerprint not in self._elsewhere and record.fingerprint not in self._timed:
            name = self.name(config)
            self._learned.setdefault(name, []).append(record.seconds)
            self._whole.pop((name, False), None)

    def name(self, config: RunConfig) -> str:
        """What runs of one config have in common, whatever their repeat: 32 hexadecimal digits."""
        return fingerprint(config.model_copy(update={"repeat": 0}), self._content or "")

    def training(self, config: RunConfig, epochs: float | None = None, packed: bool = False) -> Estimate:
        """One training of an arm, with its scoring.

        Args:
            config: with its repeat.
            epochs: epochs still to train; None: all.
            packed: whether others are trained with it as one batch: its share of their time, which is that of a
                training alone until some have finished.
        """
        name = self.name(config)
        self._used.add(name)
        share = 1.0 if epochs is None else epochs / config.training.epochs
        if (name, packed) not in self._whole and (seconds := self._taken(name, packed)):
            self._whole[name, packed] = Estimate(fmean(seconds), max(_SAME, _spread(seconds)))
        if (name, packed) in self._whole:
            return self._whole[name, packed] * share
        guess = training(self.worksheet.work(config), self._epochs(config) * share)
        return self._corrected("train", guess)

    def testing(self, config: RunConfig) -> Estimate:
        """Scoring a model that another run has trained."""
        return self._corrected("train", testing(self.worksheet.work(config)))

    def analysing(self, config: RunConfig, analyses: Sequence[AnyAnalysis]) -> Estimate:
        """Answering analyses of one finished run."""
        return self._corrected("analyse", self._analysing(config, analyses))

    def fixed(self, kind: Kind, guess: Guess) -> Estimate:
        """Work of the driver itself: as it took before, else as guessed.

        Args:
            guess: on the machine of the formula's fit.
        """
        return self._corrected(kind, guess)

    def described(self, config: RunConfig) -> Described:
        """A training for its line among the timings."""
        work = self.worksheet.work(config)
        return Described("train", self.name(config), lambda epochs: training(work, epochs).seconds, work.epochs)

    def described_analyses(self, config: RunConfig, analyses: Sequence[AnyAnalysis]) -> Described:
        """Analyses of a run, for their line among the timings."""
        guess = self._analysing(config, analyses).seconds
        return Described("analyse", self.name(config), lambda _: guess)

    def _taken(self, name: str, packed: bool) -> list[float]:
        """What finished runs of a config took."""
        alone = self._known.get(name) or self._learned.get(name) or []
        return (self._shares.get(name) or alone) if packed else alone

    def _analysing(self, config: RunConfig, analyses: Sequence[AnyAnalysis]) -> Guess:
        modalities = len(self.worksheet.schema.chosen(config.model.modalities))
        return analysing(self.worksheet.work(config), analyses, modalities)

    def _epochs(self, config: RunConfig) -> float:
        """Epochs that a training is likely to use."""
        request = config.training.epochs
        patience = config.training.patience
        if patience is None or patience >= request:
            return request
        return request * self._share_used

    @cached_property
    def _share_used(self) -> float:
        """Share of their epochs that trainings here used."""
        shares = [t.epochs / t.planned for t in self._here if t.kind == "train" and t.whole and t.planned]
        return fmean(shares) if shares else _PATIENT

    def _corrected(self, kind: Kind, guess: Guess) -> Estimate:
        """A guess of the formula, corrected by what this machine took for work like it."""
        if (kind, guess) not in self._known_guesses:
            self._known_guesses[kind, guess] = self._correct(kind, guess)
        return self._known_guesses[kind, guess]

    def _correct(self, kind: Kind, guess: Guess) -> Estimate:
        like = self._like(kind) or self._like("train")
        if not like:
            speed = self._paced
            return Estimate(guess.calls * speed.calls + guess.products * speed.products, ROUGH)
        weights, logs = [], []
        for age, timing in enumerate(reversed(like)):
            ratio = timing.seconds / timing.guess
            apart = abs(math.log(max(timing.guess, 1e-3) / max(guess.seconds, 1e-3)))
            # Work of about the same size says most, and so does what was done last: a machine may be busier now.
            weights.append(math.exp(-apart) * _FADING**age + 1e-9)
            logs.append(math.log(ratio))
        mean = sum(w * x for w, x in zip(weights, logs, strict=True)) / sum(weights)
        spread = math.sqrt(sum(w * (x - mean) ** 2 for w, x in zip(weights, logs, strict=True)) / sum(weights))
        return Estimate(guess.seconds * math.exp(mean), min(ROUGH, max(_LIKE, math.exp(2 * spread))))

    def _like(self, kind: Kind) -> list[Timing]:
        if kind not in self._alike:
            alike = [t for t in self._here if t.kind == kind and t.guess > 0 and t.formula == FORMULA]
            self._alike[kind] = alike[-_LATEST:]
        return self._alike[kind]

    @cached_property
    def _paced(self) -> Pace:
        here, slowed = self._speed(), self._slowed(self._workers)
        # More threads speed up products alone, and not in full.
        products = _ACCELERATOR if self._device != "cpu" else here.products / self._threads**0.8
        return Pace(here.calls * slowed, products * slowed)


def _trained(timings: Sequence[Timing]) -> dict[str, list[float]]:
    """Seconds of whole trainings, by what they have in common."""
    found: dict[str, list[float]] = {}
    for timing in timings:
        if timing.kind == "train" and timing.whole:
            found.setdefault(timing.name, []).append(timing.seconds)
    return found


_DRIVERS: tuple[Kind, ...] = ("start", "prepare", "report")
_FADING = 0.97
_LATEST = 200


def _spread(seconds: Sequence[float]) -> float:
    """Twice the relative standard deviation of one run, as a factor."""
    return 1 + 2 * stdev(seconds) / fmean(seconds) if len(seconds) > 1 else _SAME
