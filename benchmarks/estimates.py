"""How good are estimates of time? Small studies are planned and run; what was said is held against what it took.

    python -m benchmarks.estimates
    python -m benchmarks.estimates --fresh      # every study in a home of its own, where nothing has been timed

Each study is planned before it runs, and asked for the time left once half of its jobs are done. A search is among
them. Everything but ``--home`` is thrown away. The later studies of a home profit from the times of the earlier ones,
as a user's do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.remaining import Remaining
from experiments.planning.request import Options
from experiments.planning.stages import Stage
from experiments.progress import Silent
from mmcore import events
from reports.numbers import about
from reports.output.columns import table

STUDIES: dict[str, dict[str, Any]] = {
    "two arms": {
        "arms": {"all": {}, "track": {"model.modalities": ["track"]}},
        "reference": "track",
        "repeats": 4,
        "base": {"training.epochs": 8},
        "analyses": ["gates", "coalitions"],
    },
    "fusions": {
        "arms": {kind: {"model.fusion.kind": kind} for kind in ("add", "concat", "cross_modal", "bottleneck")},
        "reference": "add",
        "repeats": 2,
        "base": {"training.epochs": 5},
    },
    "wide and deep": {
        "arms": {"wide": {"model.width": 192, "model.feed_forward": 512}, "deep": {"model.layers": 8}},
        "reference": "deep",
        "repeats": 2,
        "base": {"training.epochs": 4},
    },
    "patience": {
        "arms": {"slow": {"training.optimiser.learning_rate": 3e-4}, "fast": {}},
        "reference": "slow",
        "repeats": 3,
        "base": {"training.epochs": 20, "training.patience": 2},
    },
    "search": {
        "arms": {"preset": {}},
        "reference": "preset",
        "repeats": 3,
        "base": {"training.epochs": 9},
        "search": {
            "space": {
                "training.optimiser.learning_rate": {
                    "kind": "log_uniform", "low": 1e-4, "high": 1e-2, "role": "scientific"
                },
                "training.batch": {"kind": "choice", "values": [8, 16, 32], "role": "scientific"},
            },
            "sampler": "random",
            "pruner": "halving",
            "budget": {"trials": 12},
            "repeats": 1,
        },
    },
}  # fmt: skip
"""On the quick preset, each a minute or so on two free cores."""


@dataclass(frozen=True)
class Measured:
    """A study's estimates beside what followed.

    Args:
        study: its name. basis: what the first estimate rested on.
        before, low, high: seconds that the plan gave, and between which.
        actual: seconds that the command took, its report included.
        half_estimated, half_actual: the time left when half of the jobs were done, and what it was; None where there
            were too few jobs.
    """

    study: str
    basis: str
    before: float
    low: float
    high: float
    actual: float
    half_estimated: float | None
    half_actual: float | None

    @property
    def ratio(self) -> float:
        """Estimated ÷ actual, from the start."""
        return self.before / self.actual

    @property
    def half_ratio(self) -> float | None:
        """The same from the middle."""
        return self.half_estimated / self.half_actual if self.half_estimated and self.half_actual else None


class Meter(Silent):
    """Asks for the time left once half of the jobs are done.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._remaining, self._clock = Remaining(clock), clock
        self.half: tuple[float, float] | None = None

    def expect(self, stages: Sequence[Stage]) -> None:
        """What is still to do."""
        self._remaining.expect(stages)

    def begin(self, stage: str) -> None:
        """A stage begins."""
        self._remaining.begin(stage)

    def started(self, name: str, group: str = "") -> None:
        """A job begins."""
        self._remaining.started(name, group)

    def event(self, name: str, event: events.Event) -> None:
        """Keeps a job's share."""
        if isinstance(event, events.EpochDone):
            self._remaining.share(name, event.epoch / event.epochs)

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None:
        """Half of the jobs may be done now."""
        self._remaining.finished(name, group, failed)
        left = self._remaining.left()
        if self.half is None and 2 * self._remaining.done >= self._remaining.total and left is not None:
            self.half = self._clock(), left


def measure(name: str, home: Home, folder: Path, workers: int | None) -> Measured:
    """Plan and run one of :data:`STUDIES`."""
    file = folder / f"{name.replace(' ', '_')}.yaml"
    written = {"question": f"How long do {name} take?", "preset": "quick", **STUDIES[name]}
    file.write_text(json.dumps(written), encoding="utf-8")  # JSON is YAML
    options = Options(workers=workers)
    found = plan(open_request(str(file), home, options), home)
    meter, began = Meter(), time.monotonic()
    run_study(str(file), home.root, options, display=meter)
    ended = time.monotonic()
    half = (None, None) if meter.half is None else (meter.half[1], ended - meter.half[0])
    outlook = found.outlook
    return Measured(name, found.basis, outlook.seconds, outlook.low, outlook.high, ended - began, *half)


def as_text(measured: Sequence[Measured]) -> str:
    """A table for people."""
    rows = [
        [
            one.study,
            about(one.before),
            f"{about(one.low)} to {about(one.high)}",
            about(one.actual),
            f"{one.ratio:.2f}",
            "-" if one.half_estimated is None else about(one.half_estimated),
            "-" if one.half_actual is None else about(one.half_actual),
            "-" if one.half_ratio is None else f"{one.half_ratio:.2f}",
        ]
        for one in measured
    ]
    heads = ["study", "estimate", "likely", "actual", "ratio", "left at half", "actual", "ratio"]
    lines = [table(heads, rows), "", "estimates rest on"]
    return "\n".join([*lines, *(f"  {one.study}: {one.basis}" for one in measured)])


def main(words: Sequence[str] | None = None) -> None:
    """Run the studies and print a line each."""
    parser = argparse.ArgumentParser(description="Estimates of time beside what followed.")
    parser.add_argument("names", nargs="*", metavar="STUDY", help=f"default all: {', '.join(STUDIES)}")
    parser.add_argument("--home", type=Path, help="keep everything here; default: thrown away")
    parser.add_argument("--fresh", action="store_true", help="every study in a home of its own")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(words)
    if unknown := set(given.names) - set(STUDIES):
        parser.error(f"no such study: {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    with tempfile.TemporaryDirectory() as scratch:
        root, measured = given.home or Path(scratch) / "home", []
        for number, name in enumerate(given.names or STUDIES):
            home = Home((root / str(number) if given.fresh else root).resolve()).make()
            measured.append(measure(name, home, home.root, given.workers))
            if given.format == "text":
                print(f"{name}: {about(measured[-1].before)} estimated, {about(measured[-1].actual)} taken", flush=True)
    if given.format == "json":
        ratios = [{"ratio": one.ratio, "half_ratio": one.half_ratio} for one in measured]
        print(json.dumps([{**asdict(one), **ratio} for one, ratio in zip(measured, ratios, strict=True)], indent=1))
    else:
        print("\n" + as_text(measured))


if __name__ == "__main__":
    main()
