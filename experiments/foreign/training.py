"""How the runs of a study with training code of the user's own are trained."""

from __future__ import annotations

from experiments.home import Home
from experiments.jobs import foreign_job_of
from experiments.launchers.local import LocalPool
from experiments.launchers.messages import Job, Message
from experiments.planning.plan import Plan, plan
from experiments.planning.request import PlannedRun, Request
from mmcore.config import ForeignConfig


class OwnCode:
    """Workers that start the training code, one process a run; see :class:`experiments.rounds.Trains`."""

    def __init__(self, request: Request[ForeignConfig], home: Home) -> None:
        self._request, self._home = request, home
        self._threads = request.options.threads or 1

    def pool(self, workers: int, threads: int, gpus: int) -> LocalPool:
        """Workers that need none of our libraries."""
        return LocalPool(workers, threads, self._home.logs, gpus, foreign=True)

    def prepare(self) -> None:
        """The training code reads its own data."""

    def job(self, run: PlannedRun[ForeignConfig]) -> Job:
        """What a worker is asked to do."""
        return foreign_job_of(run, self._request, self._home, self._threads)

    def hear(self, message: Message, run: PlannedRun[ForeignConfig]) -> None:
        """Estimates rest on records alone."""

    def plan(self) -> Plan[ForeignConfig]:
        """The study as it stands now."""
        return plan(self._request, self._home)

    def order(self, run: PlannedRun[ForeignConfig]) -> bool:
        """All alike: as the plan has them."""
        return False
