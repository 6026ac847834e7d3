"""What a study of 10,000 runs costs the driver: its plan, its status, its report, and 200 nodes to be served.

    python -m benchmarks.scale [--runs N N N] [--arms N] [--epochs N] [--nodes N] [--format json]

A run is trained for one epoch; from its record those of all runs are made up (see :mod:`benchmarks.report_scale`). Each
command then runs in a process of its own, as a user would start it, whose wall time, processor time and peak memory are
measured. The nodes are simulated: a pool hands out all runs to workers that only say what workers say, and one in fifty
runs loses its worker. The goal for 10,000 runs: a plan within 10 s, 1 GiB for each command, and nothing that grows
faster than the number of runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report_scale import make_study
from experiments.home import Home
from experiments.launchers.messages import Finished, Job, Lost, Message, Started, Stop, Stopped, Told, encode
from experiments.launchers.pool import Death, Pool
from mmcore.config import ForeignConfig
from mmcore.events import EpochDone

COMMANDS = ("plan, nothing done", "200 nodes", "plan, all done", "status, all done", "report")
"""What is measured."""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Args:
        seconds: by the clock. cpu: of its processors. mib: peak memory.
    """

    seconds: float
    cpu: float
    mib: float


def main() -> None:
    """Make up studies of several sizes, and print what each command took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[2500, 5000, 10000])
    for name, default in (("arms", 50), ("epochs", 20), ("items", 10), ("nodes", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args()
    costs = {runs: measure(runs, given.arms, given.epochs, given.items, given.nodes) for runs in given.runs}
    if given.format == "json":
        print(json.dumps({runs: {what: vars(cost) for what, cost in row.items()} for runs, row in costs.items()}))
    else:
        print(table(costs))


def measure(runs: int, arms: int, epochs: int, items: int, nodes: int) -> dict[str, Cost]:
    """What each of :data:`COMMANDS` took for one study."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = Home(Path(scratch).resolve()).make()
        study = make_study(home, arms, math.ceil(runs / arms))
        verbs = [sys.executable, "-m", "experiments.cli", "--home", str(home.root)]
        code = f"from benchmarks.scale import serve; serve({runs}, {nodes})"
        first = cost_of([*verbs, "plan", str(study)])
        served = cost_of([sys.executable, "-c", code])
        # In a process of its own, so that the memory of this one, which its children begin with, stays small.
        made = f"from benchmarks.scale import make; make({str(home.root)!r}, {str(study)!r}, {epochs}, {items})"
        cost_of([sys.executable, "-c", made])
        rest = [cost_of([*verbs, verb, str(study)]) for verb in ("plan", "status", "report")]
    return dict(zip(COMMANDS, (first, served, *rest), strict=True))


def make(home: str, study: str, epochs: int, items: int) -> None:
    """The records of a study."""
    from benchmarks.report_scale import make_records

    make_records(Home(Path(home)), Path(study), epochs, items)


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; what it wrote is on standard error.
    """
    start = time.perf_counter()
    quiet = os.open(os.devnull, os.O_WRONLY)
    pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1)])
    os.close(quiet)
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def table(costs: dict[int, dict[str, Cost]]) -> str:
    """A row for each command, and columns for each number of runs; the last says how the work grows.

    The power p of runs^p, from the first size to the last: 1 is in proportion, 2 is quadratic.
    """
    sizes = list(costs)
    lines = ["command             " + "".join(f"{size:>28,}" for size in sizes) + "   grows"]
    for what in COMMANDS:
        row = [costs[size][what] for size in sizes]
        cells = "".join(f"{one.seconds:12.1f} s {one.cpu:7.1f} {one.mib:5.0f}" for one in row)
        lines.append(f"{what:20}{cells}   {_power(sizes, [one.cpu for one in row])}")
    return "\n".join([*lines, "seconds by the clock, seconds of processor, MiB"])


def _power(sizes: Sequence[int], seconds: Sequence[float]) -> str:
    if len(sizes) < 2:
        return ""
    return f"{math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0]):.2f}"


# Nodes that only pretend ---------------------------------------------------------------------------------------------
@dataclass(eq=False)
class _Node:
    """A worker that says at once all that a worker says in the course of a run; one in fifty dies of it."""

    number: int
    say: Callable[[_Node, str | None], None]
    job: Job | None = None
    served: bool = False
    given: int = field(default=0)

    def send(self, message: Job | Stop) -> None:
        name = message.fingerprint
        if isinstance(message, Stop):
            self.say(self, encode(Stopped(name)))
            return
        self.given += 1
        self.say(self, encode(Started(name)))
        if self.given == 50:
            self.say(self, None)
            return
        for epoch in range(1, 6):
            row = {"epoch": float(epoch), "validation/skill": 0.1, "validation/loss": 1.0}
            self.say(self, encode(Told(name, EpochDone(epoch, 5, row))))
        self.say(self, encode(Finished(name, "done")))

    def death(self) -> Death:
        return Death(None, "nowhere", "none", blames_job=False, why="its node failed")


class _Nodes(Pool[_Node]):
    def _start(self, number: int) -> _Node:
        return _Node(number, lambda node, line: self._inbox.put((node, line)))

    def close(self) -> None:
        """Nothing runs."""


def serve(runs: int, nodes: int) -> None:
    """Hand out so many runs to so many nodes.

    Raises:
        AssertionError: a run did not finish once.
    """
    finished: list[str] = []
    lost = 0

    def hear(message: Message) -> None:
        nonlocal lost
        lost += isinstance(message, Lost)
        if isinstance(message, Finished):
            finished.append(message.fingerprint)

    config = ForeignConfig(settings={})
    with _Nodes(nodes) as pool:
        pool.run([Job(f"{n:032x}", "s", "a", n, config, "", "") for n in range(runs)], hear)
    assert sorted(finished) == [f"{n:032x}" for n in range(runs)]
    assert lost == 0 or runs >= 50 * nodes / 2
    print(f"{runs} runs on {nodes} nodes, {lost} lost and done again")


if __name__ == "__main__":
    main()
