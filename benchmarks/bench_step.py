"""CPU time of a training step: bf16 against fp32 in one process, or this code against another checkout's.

    python -m benchmarks.bench_step [--format json]
    python -m benchmarks.bench_step --against FOLDER [--rounds N] [--study]

Everything is measured in turns (A B A B …), on one thread and in CPU time, so that other work on the machine disturbs
both sides alike. Trust the ratios more than the milliseconds.

The first form takes steps of models of growing width on batches of the seed experiment's features. The second trains
one arm of the quick preset, evaluations and checkpoints included, in a process of each checkout in turn; both import
the packages that are installed for this interpreter. With ``--study`` each checkout does the README's first study from
nothing, with all of its processes, and the clock is read as well: it says something on a quiet machine alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.bench_model import SCHEMA, make_batch
from mmcore.config import AdamW, LossConfig, ModelConfig, Precision, build_config
from mmcore.model.build import build_model
from mmcore.training.objective import Objective
from mmcore.training.optimiser import build_optimiser, clip_gradients, gradient_norm, take_step
from mmcore.training.threads import with_threads

SIZES = ((64, 2, 8, 50, 30), (128, 3, 16, 100, 7), (256, 6, 16, 100, 5))
"""Width, layers, batch, window, and how many rounds: as the presets quick, small and seed have them."""


@dataclass(frozen=True)
class Compared:
    """Two ways of doing the same.

    Args:
        what: is compared. before, after: median milliseconds of CPU time. ratio: median over rounds of before ÷ after.
    """

    what: str
    before: float
    after: float
    ratio: float


def compared(what: str, seconds: list[tuple[float, float]]) -> Compared:
    """Medians of rounds, each the seconds of both sides."""
    before, after = zip(*seconds, strict=True)
    ratio = statistics.median(a / b for a, b in seconds)
    return Compared(what, 1e3 * statistics.median(before), 1e3 * statistics.median(after), ratio)


def stepper(width: int, layers: int, batch: int, window: int, precision: Precision) -> Callable[[], None]:
    """A step of training: forward, loss, backward, norm and clipping of gradients, optimiser."""
    sizes = {"width": width, "layers": layers, "feed_forward": 4 * width, "heads": 4}
    model = build_model(ModelConfig.model_validate(sizes), SCHEMA, True, 0)
    model.precision = precision
    optimiser, objective = build_optimiser(AdamW(), model.parameters()), Objective(LossConfig(), SCHEMA.targets)
    parameters, rng, windows = list(model.parameters()), torch.Generator().manual_seed(0), make_batch(batch, window)

    def step() -> None:
        losses = objective(model(windows, rng), windows)
        for parameter in parameters:
            parameter.grad = None
        losses.trained_P.sum().backward()
        clip_gradients(parameters, gradient_norm(parameters).item(), 1.0)
        take_step(optimiser)

    return step


def by_precision(rounds: int | None = None) -> list[Compared]:
    """fp32 (before) and bf16 (after), size by size."""
    found = []
    for width, layers, batch, window, usual in SIZES:
        sides = [stepper(width, layers, batch, window, precision) for precision in ("fp32", "bf16")]
        seconds = [(_timed(sides[0]), _timed(sides[1])) for _ in range(1 + (rounds or usual))]
        # The first round warms up: memory, kernels, the optimiser's state.
        found.append(compared(f"width {width}, {layers} layers, {batch} × {window}", seconds[1:]))
    return found


def _timed(step: Callable[[], None]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


# Another checkout --------------------------------------------------------------------------------------------------
TRAINED = {
    "data": {"window": 50, "stride": 25},
    "model": {"width": 64, "layers": 2, "heads": 4, "feed_forward": 128, "dropout": 0.1},
    "training": {"epochs": 12, "batch": 8, "clip_norm": 5.0},
}
CHILD = """
import json, sys, tempfile, time
from pathlib import Path
from mmcore.config import build_config
from mmcore.data.prepare import prepare
from mmcore.run import run
config = build_config(json.loads(sys.argv[1]))
prepared = prepare(Path(config.corpus), config.data, Path(sys.argv[2]))
spent = []
for _ in range(2):
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        record = run(config, folder, prepared=prepared)
        spent.append(time.process_time() - began)
print(json.dumps([spent[-1] / record.steps, repr(record.score())]))
"""


def against(other: Path, rounds: int) -> Compared:
    """The other checkout (before) and this one (after): CPU time of a run by its optimiser steps.

    Raises:
        SystemExit: a child failed, or the two have other scores.
    """
    from mmcore.data.sources.simulated import simulate

    here = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        folder = simulate(Path(scratch) / "corpus", "quick")
        config = build_config({"corpus": str(folder), **TRAINED}).model_dump_json(exclude_defaults=True)
        seconds, scores = [], set()
        for _ in range(rounds):
            reported = [_child(code, config, Path(scratch) / "store") for code in (other.resolve(), here)]
            seconds.append((reported[0][0], reported[1][0]))
            scores |= {score for _, score in reported}
    if len(scores) > 1:
        raise SystemExit(f"the two do not compute the same: scores {', '.join(sorted(scores))}")
    return compared("a run of the quick preset, by step", seconds)


STUDY = """
question: Does multimodal beat track-only?
reference: track_only
arms:
  multimodal: {}
  track_only: {model.modalities: [track]}
margin: 0.02
"""


def studies(other: Path, rounds: int) -> list[Compared]:
    """The first study of the README, from nothing to its report, in the other checkout (before) and in this one.

    Raises:
        SystemExit: a command failed.
    """
    here = Path(__file__).resolve().parent.parent
    cpu, clock = [], []
    for _ in range(rounds):
        sides = [_whole_study(code) for code in (other.resolve(), here)]
        cpu.append((sides[0][0], sides[1][0]))
        clock.append((sides[0][1], sides[1][1]))
    return [compared("the first study, CPU time", cpu), compared("the first study, by the clock", clock)]


def _whole_study(code: Path) -> tuple[float, float]:
    """Seconds of CPU time of a command and all that it started, and by the clock."""
    with tempfile.TemporaryDirectory() as scratch:
        study = Path(scratch) / "first.yaml"
        study.write_text(STUDY)
        words = ["-c", "from experiments.cli.main import main; main()", "run", str(study), "--home", f"{scratch}/home"]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([sys.executable, *words], cwd=code, capture_output=True, text=True, check=False)
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{code}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def _child(code: Path, config: str, store: Path) -> tuple[float, str]:
    command = [sys.executable, "-c", CHILD, config, str(store)]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{code}: {done.stderr.strip().splitlines()[-1]}")
    took, score = json.loads(done.stdout.splitlines()[-1])
    return took, score


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU time of training steps, in turns.")
    parser.add_argument("--against", type=Path, help="folder of another checkout")
    parser.add_argument("--study", action="store_true", help="with --against: the whole first study of the README")
    parser.add_argument("--rounds", type=int, help="default: 5 against a checkout, else by size")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(words)
    if given.against is None:
        with with_threads(1):
            found = by_precision(given.rounds)
    elif given.study:
        found = studies(given.against, given.rounds or 3)
    else:
        found = [against(given.against, given.rounds or 5)]
    if given.format == "json":
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    names = ("fp32", "bf16") if given.against is None else ("other", "this")
    print(f"{'':40} {names[0] + ' ms':>10} {names[1] + ' ms':>10} {names[0] + ' ÷ ' + names[1]:>14}")
    for one in found:
        print(f"{one.what:40} {one.before:10.1f} {one.after:10.1f} {one.ratio:14.2f}")


if __name__ == "__main__":
    main()
