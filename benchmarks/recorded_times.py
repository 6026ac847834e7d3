"""Take the times anew that the formula of estimates is held against, for the same configs.

    python -m benchmarks.recorded_times [FILE]

FILE (default: that of the tests) says which configs: some for the seconds of one step of the optimiser and of scoring
the validation windows, some for those of a whole run. They are processor seconds of one thread, written back to the
file. Take them on a quiet machine: other processes slow the caches down.

Then fit the constants of ``experiments.planning.work`` to them, and raise its ``FORMULA``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from experiments.corpora import locate
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from mmcore.config import RunConfig, build_config, override
from mmcore.data.prepare import prepare
from mmcore.run import run, run_in_steps
from mmcore.training import loop
from mmcore.training.threads import with_threads

RECORDED = Path(__file__).parents[1] / "tests" / "experiments" / "recorded_times.json"
STEPS = 40
"""Of which the median counts, or as many as take :data:`SECONDS`."""
SECONDS = 6.0


class _Enough(Exception):
    """Ends a training between two steps."""


def step_and_scoring(config: RunConfig, folder: Path) -> tuple[float, float]:
    """Processor seconds of a training step, and of scoring the validation windows.

    Args:
        config: its corpus is a folder. folder: for what a run writes.
    """
    prepared = prepare(Path(config.corpus), config.data, folder / "prepared")
    steps = run_in_steps(config, folder / "run", prepared=prepared)
    member = next(steps)
    moments = [time.process_time()]
    take = loop.take_step

    def timed(optimiser: Any) -> None:
        take(optimiser)
        moments.append(time.process_time())
        if len(moments) > STEPS or (len(moments) > 5 and moments[-1] - moments[0] > SECONDS):
            raise _Enough

    with member.computing(), mock.patch.object(loop, "take_step", timed):
        try:
            while True:
                loop.train_epoch(member.state, member.loader, config, member.objective, lambda event: None)
        except _Enough:
            pass
        scored = []
        for _ in range(4):
            began = time.process_time()
            member.data.tally(member.predict, member.validation, member.selection.detailed)
            scored.append(time.process_time() - began)
    steps.close()
    return statistics.median(after - before for before, after in pairwise(moments[1:])), min(scored)


def main(words: Sequence[str] | None = None) -> None:
    """Write the file again, and print old and new times side by side."""
    parser = argparse.ArgumentParser(description="Take the times anew that estimates are held against.")
    parser.add_argument("file", type=Path, nargs="?", default=RECORDED)
    file: Path = parser.parse_args(words).file
    recorded = json.loads(file.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch, with_threads(1):
        home = Home((Path(scratch) / "home").resolve()).make()
        for number, one in enumerate(recorded["steps"]):
            corpus = locate(f"simulated:{one['corpus']}", home).ensure()
            config = build_config(override({"corpus": str(corpus)}, one["set"]))
            step, scoring = step_and_scoring(config, Path(scratch) / f"step {number}")
            print(f"step {one['step']:.5f} → {step:.5f}, scoring {one['scoring']:.4f} → {scoring:.4f}", flush=True)
            one |= {"step": round(step, 5), "scoring": round(scoring, 4)}
        for number, one in enumerate(recorded["runs"]):
            request = open_request(one["study"], home, Options(changes=tuple(one["set"].items())))
            config = request.study.arm(one["arm"]).config.model_copy(update={"repeat": one["repeat"]})
            assert isinstance(config, RunConfig)
            began = time.process_time()
            run(config, Path(scratch) / f"run {number}")
            seconds = time.process_time() - began
            print(f"run {one['seconds']:.2f} → {seconds:.2f}", flush=True)
            one["seconds"] = round(seconds, 3)
    lists = [
        f' "{name}": [\n' + ",\n".join(f"  {json.dumps(one)}" for one in recorded[name]) + "\n ]"
        for name in ("steps", "runs")
    ]
    text = ",\n".join([f' "machine": {json.dumps(recorded["machine"])}', *lists])
    file.write_text("{\n" + text + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
