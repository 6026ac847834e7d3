"""Cases, each a function of seed and number: a study, a fault, the command to its end, and what must hold."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from filelock import FileLock

from benchmarks.faults import nodes, postgres
from benchmarks.faults.case import Case, train_undisturbed
from benchmarks.faults.judge import judge
from benchmarks.faults.kinds import DEAR, FAULTS, impossible, studies_for
from benchmarks.faults.started import Zygote
from benchmarks.faults.studies import CHEAP, KINDS, Kind, make
from experiments.home import Home

SHARE_OF_CHEAP = 0.8
"""Of cases: those whose training code is the user's own cost a third of the others."""
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Args:
        number: in its campaign. fault: its kind. study: its kind. done: what was done, and when.
        problems: what did not hold; empty: all held.
        missed: whether every command had ended before the fault came.
        seconds: of CPU time. words: the last call's last lines, where something did not hold.
    """

    number: int
    fault: str
    study: str
    done: tuple[str, ...]
    problems: tuple[str, ...]
    missed: bool
    seconds: float
    words: str = ""


def possible_faults() -> list[str]:
    """The kinds of faults that this machine allows."""
    return [fault for fault in FAULTS if impossible(fault) is None]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a campaign, in memory where there is room: its files are flushed to the disk all the time."""
    place = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2**31 else None
    with tempfile.TemporaryDirectory(prefix="mmstudy-faults-", dir=place) as folder:
        yield Path(folder)


class Campaign:
    """What the cases of one process share: the zygote, undisturbed homes, a PostgreSQL server and a Ray cluster.

    Args:
        seed: of all cases. root: a scratch folder, which processes of one campaign share.
        faults, kinds: of faults and of studies that are drawn.
    """

    def __init__(self, seed: int, root: Path, faults: Sequence[str], kinds: Sequence[Kind] = KINDS) -> None:
        self._seed, self._root, self._faults, self._kinds = seed, root, tuple(faults), tuple(kinds)
        self._stack = ExitStack()
        self._own = root / f"process{os.getpid()}"
        self._own.mkdir(parents=True)
        self._heavy = any(kind not in CHEAP for kind in kinds)
        self.zygote = self._stack.enter_context(Zygote(self._own, "all" if self._heavy else "foreign"))
        self._postgres: postgres.Server | None = None
        self._cluster: nodes.Cluster | None = None
        self._database = root / "made" / "mlflow.db"
        with FileLock(root / "made.lock"):
            if not self._database.exists():
                from experiments.tracking.client import create_database

                create_database(Home(self._database.parent).make())

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def drawn(self, number: int) -> tuple[str, Kind, random.Random]:
        """Fault and study of a case, and the random numbers for the rest."""
        rng = random.Random(f"{self._seed}/{number}")
        fault = self._faults[number % len(self._faults)]
        kinds = studies_for(fault, self._kinds) or studies_for(fault, KINDS if self._heavy else CHEAP)
        cheap: list[Kind] = [kind for kind in kinds if kind in CHEAP]
        dear: list[Kind] = [kind for kind in kinds if kind not in CHEAP]
        chosen = cheap if not dear or (cheap and rng.random() < SHARE_OF_CHEAP) else dear
        return fault, rng.choice(chosen), rng

    def run(self, number: int, keep: Path | None = None) -> Outcome:
        """One case.

        Args:
            keep: a folder that takes the case's files where something did not hold.
        """
        fault, kind, rng = self.drawn(number)
        case = self.case(number, kind, rng)
        if fault == "database restarts" and self._postgres is None:
            self._postgres = self._stack.enter_context(postgres.served())
        if fault == "node lost" and self._cluster is None:
            self._cluster = self._stack.enter_context(nodes.served())
        case.postgres, case.cluster = self._postgres, self._cluster
        began = self.zygote.seconds + time.process_time()
        with case.stack:
            case.prepare()
            (FAULTS | DEAR)[fault](case)
            case.call(0)
            judge(case)
            words = "\n".join(case.said().splitlines()[-5:]) if case.problems else ""
            if case.problems and keep is not None:
                shutil.copytree(case.folder, keep / f"case{number}", dirs_exist_ok=True)
            self.zygote.end_all()
        shutil.rmtree(case.folder)
        spent = self.zygote.seconds + time.process_time() - began
        return Outcome(number, fault, kind, tuple(case.notes), tuple(case.problems), case.missed, spent, words)

    def case(self, number: int, kind: Kind, rng: random.Random | None = None) -> Case:
        """A case of this kind of study, to which nothing was done yet."""
        rng = rng or random.Random(0)
        made = make(kind, rng)
        good = self._root / "good" / made.name
        good.parent.mkdir(exist_ok=True)
        with FileLock(good.with_suffix(".lock")):
            expected = train_undisturbed(made, good, self.zygote, self._database)
        return Case(self._own / f"case{number}", made, self.zygote, rng, expected, self._database)


# Several cases at a time ---------------------------------------------------------------------------------------------
_campaign: Campaign | None = None


def outcomes(
    seed: int,
    numbers: Sequence[int],
    root: Path,
    faults: Sequence[str],
    kinds: Sequence[Kind] = KINDS,
    workers: int = 1,
    keep: Path | None = None,
) -> Iterator[Outcome]:
    """The outcomes of cases, as they end."""
    if workers == 1:
        with Campaign(seed, root, faults, kinds) as campaign:
            for number in numbers:
                yield campaign.run(number, keep)
        return
    given = (seed, root, faults, kinds)
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, given) as pool:
        try:
            for future in as_completed([pool.submit(_run, number, keep) for number in numbers]):
                yield future.result()
        except BaseException:
            # After Ctrl-C cases that wait are not begun; those that run end before their folder is removed.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _begin(seed: int, root: Path, faults: Sequence[str], kinds: Sequence[Kind]) -> None:
    global _campaign
    _campaign = Campaign(seed, root, faults, kinds)
    atexit.register(_campaign.__exit__)


def _run(number: int, keep: Path | None) -> Outcome:
    assert _campaign is not None
    return _campaign.run(number, keep)
