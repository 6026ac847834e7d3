"""Progress of a command and the time that is left, estimated from the times of the jobs so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from experiments.planning.stages import PREPARE, REPORT, SYNC, Stage, makespan
from mmcore.language import say
from reports.numbers import about

UNCOUNTED = (PREPARE, REPORT, SYNC)
"""Stages that take time but do not count as jobs for a user."""


@dataclass
class _Running:
    stage: str
    group: str
    expected: float
    spent: float = 0.0
    share: float = 0.0


@dataclass
class _Live:
    """A stage: its waiting jobs, and the times of its finished jobs."""

    name: str
    workers: int = 1
    lead: float = 0.0
    waiting: list[tuple[str, float]] = field(default_factory=list)
    taken: dict[str, list[float]] = field(default_factory=dict)
    expected: float = 0.0


class Remaining:
    """Counts jobs over all stages of a command and estimates the time that is left.

    In a group with finished jobs, the remaining jobs are expected to take the mean time of the finished ones. In other
    groups, the estimate is multiplied by the factor by which the jobs so far, including running ones, differ from their
    estimates. Where more jobs run than there are workers, as in packs, each takes its share of the workers' time.

    Args:
        clock: seconds; another one for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stages: list[_Live] = []
        self._running: dict[str, _Running] = {}
        self._stage = ""
        self._stage_began = self._seen = clock()
        self._idle = True
        self.done = 0
        self.failed = 0

    @property
    def running(self) -> int:
        """Jobs under way."""
        return len(self._running)

    @property
    def total(self) -> int:
        """Jobs done, under way and expected."""
        ahead = sum(len(stage.waiting) for stage in self._stages if stage.name not in UNCOUNTED)
        return self.done + self.running + ahead

    def expect(self, stages: Sequence[Stage]) -> None:
        """What is still to do; replaces what was expected before, and keeps what has been learned."""
        self._pass_time()
        before = {stage.name: stage for stage in self._stages}
        self._stages = []
        for stage in stages:
            live = before.get(stage.name) or _Live(stage.name)
            live.workers, live.lead = stage.workers, stage.lead.seconds
            live.waiting = [(part.group, part.each.seconds) for part in stage.parts for _ in range(part.jobs)]
            self._stages.append(live)

    def begin(self, stage: str) -> None:
        """A stage begins; earlier stages are over. An unexpected stage is placed before all expected ones."""
        if all(live.name != stage for live in self._stages):
            self._stages.insert(0, _Live(stage))
        for live in self._stages[: [live.name for live in self._stages].index(stage)]:
            live.waiting = []
        self._stage, self._stage_began, self._idle = stage, self._clock(), True

    def started(self, name: str, group: str) -> None:
        """A job of the stage begins."""
        self._pass_time()
        self._running[name] = _Running(self._stage, group, self._take(group))
        self._idle = False

    def share(self, name: str, share: float) -> None:
        """A running job has done this share of its work."""
        if name in self._running:
            self._running[name].share = share

    def finished(self, name: str, group: str, failed: bool) -> None:
        """A job is over. A job that never started was finished before, or could not be started."""
        self._pass_time()
        one = self._running.pop(name, None)
        if one is None:
            self._take(group)
        else:
            live = self._live(one.stage)
            live.taken.setdefault(one.group, []).append(one.spent)
            live.expected += one.expected
        self.done += 1
        self.failed += failed

    def left(self) -> float | None:
        """Seconds until the command ends; None if there is nothing to estimate them from."""
        self._pass_time()
        names = [live.name for live in self._stages]
        at = names.index(self._stage) if self._stage in names else 0
        stages = self._stages[at:]
        if not any(live.waiting for live in stages) and not self._running:
            return None
        return sum(self._left_of(live) for live in stages)

    def standing(self) -> str:
        """Running, failed, and the time left, in words."""
        parts = [say("{n} running", n=self.running)]
        if self.failed:
            parts.append(say("{n} failed", n=self.failed))
        left = self.left()
        # What takes longer than expected is not said to take no time.
        if left is not None and left >= 1:
            parts.append(say("about {left} left", left=about(left)))
        return say(", ").join(parts)

    def _left_of(self, live: _Live) -> float:
        ratio = self._ratio(live)
        now = self._clock()
        running = [one for one in self._running.values() if one.stage == live.name]
        rest = []
        for one in running:
            whole = self._whole(live, one.group, one.expected, ratio)
            rest.append(max(0.0, whole * (1 - one.share) if one.share else whole - one.spent))
        waiting = [self._whole(live, group, expected, ratio) for group, expected in live.waiting]
        if not running and not waiting:
            return 0.0
        if live.name == self._stage:
            spent = now - self._stage_began
            if live.name in UNCOUNTED:
                return max(0.0, makespan(waiting, 1) - spent)
            lead = max(0.0, live.lead - spent) if self._idle else 0.0
        else:
            lead = live.lead
        return lead + makespan([*sorted(rest, reverse=True), *waiting], live.workers)

    def _pass_time(self) -> None:
        """Running jobs take up the time since the last call."""
        now = self._clock()
        jobs = Counter(one.stage for one in self._running.values())
        for one in self._running.values():
            one.spent += (now - self._seen) * min(1.0, self._live(one.stage).workers / jobs[one.stage])
        self._seen = now

    def _whole(self, live: _Live, group: str, expected: float, ratio: float) -> float:
        taken = live.taken.get(group)
        return sum(taken) / len(taken) if taken else expected * ratio

    def _ratio(self, live: _Live) -> float:
        """The factor by which the jobs of a stage differ from their estimates; taken over all stages if this one has no
        jobs yet.

        Half of an estimated job is added to both sides, so that the first moments of the first job have little weight.
        """
        if live.name in UNCOUNTED:
            return 1.0
        taken, expected = self._evidence([live])
        if not expected:
            taken, expected = self._evidence(self._stages)
        return taken / expected if expected else 1.0

    def _evidence(self, stages: Iterable[_Live]) -> tuple[float, float]:
        names = {live.name: live for live in stages}
        taken = sum(sum(seconds) for live in names.values() for seconds in live.taken.values())
        expected = sum(live.expected for live in names.values())
        running = [one for one in self._running.values() if one.stage in names]
        if not taken and not running:
            return 0.0, 0.0
        half = 0.5 * max((one.expected for one in running), default=0.0)
        for one in running:
            # A job that takes longer than expected shows this even if it does not report its share.
            part = one.expected * one.share if one.share else min(one.expected, one.spent)
            taken, expected = taken + one.spent, expected + part
        return taken + half, expected + half

    def _take(self, group: str) -> float:
        """The estimate of a waiting job of the stage, if possible of this group; otherwise the mean time of other
        jobs."""
        live = self._live(self._stage)
        for index, (name, expected) in enumerate(live.waiting):
            if name == group:
                del live.waiting[index]
                return expected
        if live.waiting:
            return live.waiting.pop(0)[1]
        known = [value for values in live.taken.values() for value in values]
        return sum(known) / len(known) if known else 0.0

    def _live(self, name: str) -> _Live:
        for live in self._stages:
            if live.name == name:
                return live
        self._stages.append(_Live(name))
        return self._stages[-1]
