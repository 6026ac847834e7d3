"""Stages of a command: jobs that may run at the same time, and how long they take together."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.planning.estimate import Estimate

PREPARE = "prepare"
TRAIN = "train"
ANALYSE = "analyse"
REPORT = "report"
SYNC = "sync"
"""What the tracking store lacks is brought there; no command but ``mmstudy sync`` waits for it."""


def search_stage(arm: str) -> str:
    """The stage of an arm's search."""
    return f"search {arm}"


@dataclass(frozen=True)
class Part:
    """Jobs of one kind within a stage.

    Args:
        group: what they have in common, as a rule an arm: what one took says most about the others.
        jobs: how many.
        each: of one job, on one worker.
    """

    group: str
    jobs: int
    each: Estimate


@dataclass(frozen=True)
class Stage:
    """Jobs that may run at the same time; the next stage begins when all are done.

    Args:
        name: :data:`PREPARE`, :data:`TRAIN`, :data:`ANALYSE`, :data:`REPORT`, or a search's.
        parts: in the order in which jobs are dealt out.
        workers: how many work on it.
        lead: seconds before the first job begins.
        dealt: seconds of what is dealt out, where several jobs go to one worker as one; None: each job by itself.
    """

    name: str
    parts: tuple[Part, ...]
    workers: int
    lead: Estimate
    dealt: tuple[float, ...] | None = None

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return sum(part.jobs for part in self.parts)

    @property
    def seconds(self) -> float:
        """From start to end; 0 where there is no job."""
        if not self.jobs:
            return 0.0
        each = (part.each.seconds for part in self.parts for _ in range(part.jobs))
        return self.lead.seconds + makespan(each if self.dealt is None else self.dealt, self.workers)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Time until all jobs are done; each job goes, in order, to the first worker that is free.

    Example:
        >>> makespan([3.0, 1.0, 1.0, 1.0], 2), makespan([], 2)
        (3.0, 0.0)
    """
    free = [0.0] * max(1, workers)
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


@dataclass(frozen=True)
class Outlook:
    """How long a command will take.

    Args:
        seconds: most likely.
        low, high: likely between these.
    """

    seconds: float
    low: float
    high: float


def outlook(stages: Sequence[Stage]) -> Outlook:
    """All stages together.

    The factors by which estimates may be off are averaged in proportion to the time that each is about: all of them go
    back to one machine, so errors add up rather than cancel out.
    """
    parts = [
        (estimate.seconds * jobs / max(1, stage.workers), estimate.factor)
        for stage in stages
        if stage.jobs
        for estimate, jobs in [*((part.each, part.jobs) for part in stage.parts), (stage.lead, stage.workers)]
    ]
    total = sum(stage.seconds for stage in stages)
    weight = sum(seconds for seconds, _ in parts)
    if not weight:
        return Outlook(total, total, total)
    factor = math.exp(sum(seconds * math.log(off) for seconds, off in parts) / weight)
    return Outlook(total, total / factor, total * factor)
