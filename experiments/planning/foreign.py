"""How long runs of foreign training code will take: as long as those that have finished; unknown before."""

from __future__ import annotations

from statistics import fmean, stdev

from experiments.planning.estimate import Estimate
from mmcore.config import ForeignConfig
from mmcore.fingerprint import foreign_fingerprint
from mmcore.language import say
from mmcore.record import Head
from reports.numbers import counted

_SAME, _LIKE = 1.2, 2.0
"""Factors by which an estimate may be off: from runs of the same settings, and from runs of other arms."""


class ForeignEstimator:
    """Estimates times from the records of a study's finished runs."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}
        self._estimates: dict[str, Estimate] = {}  # of each arm: a plan asks once for each of its runs

    def learn(self, config: ForeignConfig, record: Head | None) -> None:
        """Use a finished run."""
        if record is not None and record.done and record.seconds:
            self._seconds.setdefault(_name(config), []).append(record.seconds)
            self._estimates.clear()

    @property
    def knows(self) -> bool:
        """Whether any run has finished."""
        return bool(self._seconds)

    @property
    def basis(self) -> str:
        """What the estimates rest on, for a reader."""
        runs = sum(map(len, self._seconds.values()))
        return counted(runs, "finished run") if runs else say("nothing: no run has finished yet")

    def training(self, config: ForeignConfig) -> Estimate:
        """One run with these settings; 0 seconds where nothing is known."""
        name = _name(config)
        if name not in self._estimates:
            self._estimates[name] = self._estimate(name)
        return self._estimates[name]

    def _estimate(self, name: str) -> Estimate:
        mine = self._seconds.get(name, [])
        every = mine or [one for seconds in self._seconds.values() for one in seconds]
        if not every:
            return Estimate(0.0, 1.0)
        spread = 1 + 2 * stdev(every) / fmean(every) if len(every) > 1 else _LIKE
        return Estimate(fmean(every), max(_SAME if mine else _LIKE, spread))


def _name(config: ForeignConfig) -> str:
    return foreign_fingerprint(config, 0, "")
