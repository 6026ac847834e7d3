"""How the runs of a study are trained whose models are mmstudy's own: workers, data, packs, times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from experiments.home import Home
from experiments.jobs import job_of
from experiments.launchers.choose import AnyPool, Share
from experiments.launchers.kept import KeptPool
from experiments.launchers.messages import Finished, Job, Message, Told
from experiments.planning.packs import Packed, comes_last, packing_for, packs_of
from experiments.planning.plan import Plan, plan, timing_of
from experiments.planning.request import PlannedRun, Request
from experiments.records import read_record
from mmcore.events import EpochDone
from mmcore.language import say, shown


class ModelRuns:
    """See :class:`experiments.rounds.Trains`.

    Args:
        threads: of each run. say: hears why runs are not packed, where that was asked for. kept: gives the workers.
        prepare: prepares the corpus; the folder of the store. mend: makes a broken store again, whose quality the
            report reads.
    """

    def __init__(
        self,
        request: Request,
        home: Home,
        threads: int,
        say: Callable[[str], None],
        kept: KeptPool,
        prepare: Callable[[], Path],
        mend: Callable[[], None],
    ) -> None:
        self._request, self._home, self._threads = request, home, threads
        self._say, self._kept, self._prepare, self.mend = say, kept, prepare, mend
        self._estimator, self._stopwatch = timing_of(request, home, threads)
        self._prepared = Path()
        self._packing = packing_for(request)
        self._pack_of: dict[str | None, Packed] = {}
        self._said: set[str] = set()
        self._trained: set[str] = set()

    def pool(self, share: Share) -> AbstractContextManager[AnyPool]:
        """Workers, which begin to import torch, or those of the stage before."""
        return self._kept.opened(share)

    def prepare(self) -> None:
        """Prepare the corpus."""
        self._prepared = self._prepare()

    def packs(self, runs: Sequence[PlannedRun]) -> Sequence[Sequence[PlannedRun]]:
        """Runs of one shape together, where ``--pack`` says so."""
        found = packs_of(runs, self._packing, self._request.options.pack is not None)
        for pack in found:
            for run in pack.runs:
                self._pack_of[run.fingerprint] = pack
        return [pack.runs for pack in found]

    def job(self, runs: Sequence[PlannedRun]) -> Job:
        """What a worker is asked to do."""
        why = self._pack_of[runs[0].fingerprint].why_alone
        if why is not None and why == self._packing.why_not:
            self._tell(say("the runs are trained one by one: {why}", why=shown(why)))
        elif why is not None:
            self._tell(say("arm {arm} is trained one by one: {why}", arm=runs[0].arm, why=shown(why)))
        jobs = [job_of(run, self._request, self._home, self._threads, self._prepared, why) for run in runs]
        return replace(jobs[0], beside=tuple(jobs[1:]))

    def _tell(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def hear(self, message: Message, run: PlannedRun) -> None:
        """Take the time of a run; of one that was trained with others the record knows its share."""
        if len(self._pack_of[run.fingerprint].runs) == 1:
            self._stopwatch.hear(message, lambda: self._estimator.described(run.config) if run.config.trains else None)
        elif isinstance(message, Told) and isinstance(message.event, EpochDone):
            self._trained.add(message.fingerprint)
        elif isinstance(message, Finished) and message.fingerprint in self._trained:
            record = read_record(self._home.run(message.fingerprint))
            if record is not None and record.done:
                self._stopwatch.packed(self._estimator.described(run.config), record)

    def plan(self) -> Plan:
        """The study as it stands now."""
        return plan(self._request, self._home)

    def order(self, run: PlannedRun) -> bool:
        """See :func:`experiments.planning.packs.comes_last`."""
        return comes_last(run)
