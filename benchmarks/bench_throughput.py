"""A training step beside a plain implementation and beside its matrix products alone, and two workers at once.

    python -m benchmarks.bench_throughput [--rounds N] [--size seed|quick] [--format json]

Everything is measured in turns in one run, and of each the least of the rounds counts, once in CPU time and once by
the clock. On a busy machine trust the ratios of CPU time; on a quiet one both say the same.

The products alone are those of one of our own steps in float32, forward and backward, each with its shapes and strides,
on random numbers: no training with these products can be faster. Attention is not among them. In float32 they are
taken twice: as torch computes them (MKL on x86), and by oneDNN, which our steps use.

A step is forward, loss, backward and Adam; ours also measures and clips the norm of the gradients. ``workers`` are two
processes that take steps at the same time with one thread each, as a study does on two cores. The plain implementation
cannot share a machine so, and uses both cores for its step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.bench_model import make_batch, plain_step
from benchmarks.bench_step import stepper
from experiments.launchers.start import worker_environment
from mmcore.config import ModelConfig
from mmcore.model.linear import linear

Kind = Literal["plain", "fp32", "bf16", "products fp32", "products fp32 by oneDNN", "products bf16"]
SIZES = {"seed": (256, 6, 16, 100), "quick": (64, 2, 8, 50)}
"""Width, layers, batch, window."""
GOALS = (
    ("fp32: products ÷ step", "at least", 0.85),
    ("fp32: products by oneDNN ÷ step", "at least", 0.85),
    ("bf16: step ÷ products", "at most", 2.5),
    ("two workers in bf16: times plain", "at least", 4.0),
)
"""What is compared, and the goal, at the seed experiment's size."""


@dataclass(frozen=True)
class Contestant:
    """Something that is measured: its kind, its CPU threads, and in how many processes at once."""

    kind: Kind
    threads: int = 1
    processes: int = 1

    @property
    def name(self) -> str:
        """As tables have it."""
        together = "2 workers at once" if self.processes > 1 else f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.kind}, {together}"


CONTESTANTS = (
    Contestant("plain"),
    Contestant("plain", threads=2),
    Contestant("fp32"),
    Contestant("bf16"),
    Contestant("products fp32"),
    Contestant("products fp32 by oneDNN"),
    Contestant("products bf16"),
    Contestant("fp32", processes=2),
    Contestant("bf16", processes=2),
)


@dataclass(frozen=True)
class Taken:
    """Milliseconds of a step: of all its threads on processors, and by the clock."""

    cpu: float
    clock: float


# One process -------------------------------------------------------------------------------------------------------
class _Products(TorchDispatchMode):
    """Notes the matrix products that are computed while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.mm.default:
            self.found.append((args[0], args[1]))
        elif func is torch.ops.aten.addmm.default:
            self.found.append((args[1], args[2]))
        return func(*args, **(kwargs or {}))


def products_of(step: Callable[[], None], dtype: torch.dtype, onednn: bool = False) -> tuple[Callable[[], None], int]:
    """The matrix products of a step alone, and how many operations they are (2 for each multiply-add).

    Args:
        step: takes a step. dtype: of the products. onednn: by the operator of :mod:`mmcore.model.linear`.
    """
    with _Products() as noted:
        step()
    # Factors of one shape are one tensor, and so are results: less memory traffic than any training has.
    factors: dict[tuple[Any, ...], Tensor] = {}
    results: dict[tuple[int, int], Tensor] = {}
    pairs = []
    for pair in noted.found:
        left, right = (factors.setdefault((*x.shape, *x.stride()), _like(x, dtype)) for x in pair)
        shape = (left.shape[0], right.shape[1])
        pairs.append((left, right, results.setdefault(shape, torch.empty(shape, dtype=dtype))))

    def multiply() -> None:
        for left, right, result in pairs:
            torch.mm(left, right, out=result)

    def multiply_by_onednn() -> None:
        with torch.no_grad():
            for left, right, _ in pairs:
                linear(left, right.t())

    multiply = multiply_by_onednn if onednn else multiply
    return multiply, sum(2 * left.shape[0] * left.shape[1] * right.shape[1] for left, right, _ in pairs)


def _like(x: Tensor, dtype: torch.dtype) -> Tensor:
    found = torch.empty_strided(x.shape, x.stride(), dtype=dtype)
    return found.copy_(torch.randn(x.shape))


def contestant(kind: Kind, size: tuple[int, int, int, int]) -> Callable[[], None]:
    """What is done once in each round."""
    width, layers, batch, window = size
    match kind:
        case "plain":
            sizes = {"width": width, "layers": layers, "feed_forward": 4 * width, "heads": 4}
            return plain_step(make_batch(batch, window), ModelConfig.model_validate(sizes))[0]
        case "fp32" | "bf16":
            return stepper(width, layers, batch, window, kind)
        case "products fp32":
            return products_of(stepper(width, layers, batch, window, "fp32"), torch.float32)[0]
        case "products fp32 by oneDNN":
            return products_of(stepper(width, layers, batch, window, "fp32"), torch.float32, onednn=True)[0]
        case "products bf16":
            return products_of(stepper(width, layers, batch, window, "fp32"), torch.bfloat16)[0]


def serve() -> None:
    """Answer each line of standard input, ``[kind, threads, size, steps]``, with its milliseconds of a step."""
    made: dict[Kind, Callable[[], None]] = {}
    for line in sys.stdin:
        kind, threads, size, steps = json.loads(line)
        torch.set_num_threads(threads)
        if kind not in made:
            made[kind] = contestant(kind, size)
        # Warms up: memory, kernels, threads, the optimiser's state. Without it a change of threads would be measured.
        made[kind]()
        cpu, clock = time.process_time(), time.perf_counter()
        for _ in range(steps):
            made[kind]()
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        print(json.dumps([1e3 * cpu / steps, 1e3 * clock / steps]), flush=True)


# All processes -----------------------------------------------------------------------------------------------------
def measure(size: tuple[int, int, int, int], rounds: int, steps: int = 1) -> dict[Contestant, Taken]:
    """The least of the rounds, contestant by contestant.

    Of two workers at once the CPU time is that of one of them, their mean, and the clock's that of the later one.

    Raises:
        RuntimeError: a process ended before its answer; what it said is on standard error.
    """
    command = [sys.executable, "-c", "from benchmarks.bench_throughput import serve; serve()"]
    # Ours as workers of a study are started, the plain one as anybody starts Python.
    kinds = [worker_environment(os.environ)] * 2 + [dict(os.environ)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) for env in kinds
    ]
    try:
        every: dict[Contestant, list[Taken]] = {one: [] for one in CONTESTANTS}
        for _ in range(rounds):
            for one, taken in every.items():
                chosen = workers[2:] if one.kind == "plain" else workers[: one.processes]
                taken.append(_once(chosen, one, size, steps))
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    return {one: Taken(min(t.cpu for t in all_), min(t.clock for t in all_)) for one, all_ in every.items()}


def _once(workers: Sequence[subprocess.Popen[str]], one: Contestant, size: tuple[int, ...], steps: int) -> Taken:
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps([one.kind, one.threads, size, steps]) + "\n")
        worker.stdin.flush()
    answers = []
    for worker in workers:
        assert worker.stdout is not None
        if not (line := worker.stdout.readline()):
            raise RuntimeError(f"{one.name}: the process that measures it ended")
        answers.append(json.loads(line))
    return Taken(sum(cpu for cpu, _ in answers) / len(answers), max(clock for _, clock in answers))


def ratios(taken: dict[Contestant, Taken]) -> dict[str, Taken]:
    """What the goals are about, and the same for what has none: by CPU time, and by the clock."""
    found: dict[str, Taken] = {}
    for kind in ("fp32", "bf16"):
        found[f"{kind}, 1 thread: times plain"] = _over(taken[Contestant("plain")], taken[Contestant(kind)])
    found["fp32: products ÷ step"] = _over(taken[Contestant("products fp32")], taken[Contestant("fp32")])
    by_onednn = taken[Contestant("products fp32 by oneDNN")]
    found["fp32: products by oneDNN ÷ step"] = _over(by_onednn, taken[Contestant("fp32")])
    found["bf16: step ÷ products"] = _over(taken[Contestant("bf16")], taken[Contestant("products bf16")])
    for kind in ("fp32", "bf16"):
        both = taken[Contestant(kind, processes=2)]
        # By the clock each worker brings a step in the time of one, and plain has both cores for its own. Threads that
        # wait for one another burn CPU time, so there the plain step is taken as if two threads halved it without loss.
        by_clock = 2 * taken[Contestant("plain", 2)].clock / both.clock
        found[f"two workers in {kind}: times plain"] = Taken(taken[Contestant("plain")].cpu / both.cpu, by_clock)
    return found


def _over(above: Taken, below: Taken) -> Taken:
    return Taken(above.cpu / below.cpu, above.clock / below.clock)


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", choices=tuple(SIZES), default="seed")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(words)
    before = os.getloadavg()[0]
    taken = measure(SIZES[given.size], given.rounds, steps=1 if given.size == "seed" else 20)
    compared = ratios(taken)
    load = (before, os.getloadavg()[0])
    if given.format == "json":
        rows = [{"what": one.name, **asdict(of)} for one, of in taken.items()]
        print(
            json.dumps({"load": load, "steps": rows, "ratios": {k: asdict(v) for k, v in compared.items()}}, indent=1)
        )
        return
    width, layers, batch, window = SIZES[given.size]
    print(f"width {width}, {layers} layers, {batch} × {window}; least of {given.rounds} rounds")
    print(f"processes that wanted a core, on average over a minute: {load[0]:.1f} before, {load[1]:.1f} after")
    print(f"{'a step, ms':44} {'CPU':>9} {'clock':>9}")
    for one, of in taken.items():
        print(f"{one.name:44} {of.cpu:9.1f} {of.clock:9.1f}")
    goals = {name: f"{word} {value:g}" for name, word, value in GOALS} if given.size == "seed" else {}
    print(f"\n{'ratio':44} {'by CPU':>9} {'by clock':>9}  goal")
    for name, of in compared.items():
        print(f"{name:44} {of.cpu:9.2f} {of.clock:9.2f}  {goals.get(name, '')}".rstrip())


if __name__ == "__main__":
    main()
