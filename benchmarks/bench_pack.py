"""Repeats trained as one batch, of one arm or of several, beside the same runs one by one: kernels, CPU time and, on a
graphics card, seconds.

    python -m benchmarks.bench_pack [--members N …] [--arms N] [--device cpu|cuda] [--rounds N] [--format json]

Sizes are those of the preset quick, on its simulated corpus. Arms differ in the weights of the losses, and every other
one in the learning rate as well. A kernel is a call that computes: on CUDA the profiler
counts what is launched; on a CPU, where nothing is launched, operations of torch that write numbers are counted in its
place, without views and allocations. The count does not depend on the machine's load. Times are taken in turns (alone,
packed, alone, packed …), each of one pass over the training windows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.bench_step import TRAINED
from mmcore.config import build_config
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.simulated import simulate
from mmcore.events import ignore
from mmcore.packing.member import Member
from mmcore.packing.training import Pack
from mmcore.run import run_in_steps
from mmcore.training.loop import train_epoch
from mmcore.training.threads import with_threads

ALLOCATES = ("empty", "new_empty", "_unsafe_view")


@dataclass(frozen=True)
class Measured:
    """R members, alone and packed.

    Args:
        members: R. alone, packed: kernels of a step of one run by itself, and of a step of the pack.
        launches: packed ÷ alone. cpu_alone, cpu_packed: milliseconds of CPU time of a step of all R runs. cpu: median
            over rounds of alone ÷ packed. wall: the same of the clock's time.
    """

    members: int
    alone: float
    packed: float
    launches: float
    cpu_alone: float
    cpu_packed: float
    cpu: float
    wall: float


class _Computing(TorchDispatchMode):
    """Counts operations that write numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.name().removeprefix("aten::")
        if not (_is_view(func) or name.startswith(ALLOCATES)):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def _is_view(func: Any) -> bool:
    schema = func._schema
    given = any(a.alias_info is not None and not a.alias_info.is_write for a in schema.arguments)
    return given and any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)


def kernels(do: Callable[[], object], device: torch.device) -> int:
    """How many kernels a call takes; see the head of this file."""
    if device.type != "cuda":
        with _Computing() as mode:
            do()
        return mode.found.total()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        do()
        torch.cuda.synchronize()
    return sum(event.count for event in found.key_averages() if "LaunchKernel" in event.key)


def members_of(
    corpus: Path, prepared: Prepared, scratch: Path, count: int, device: str, steps: int, arms: int = 1
) -> list[Member]:
    """Repeats of the preset quick, each about to be trained for so many steps an epoch.

    Args:
        count: of all members. arms: how many share the repeats.
    """
    training = TRAINED["training"] | {"epochs": 1000, "steps_per_epoch": steps}
    where = {"corpus": str(corpus), "device": device}
    first = next(iter(prepared.schema.targets.components))
    found = []
    for n in range(count):
        repeat, arm = divmod(n, arms)
        optimiser = {"learning_rate": 1e-4 / (1 + arm % 2)}
        of_arm = {"training": training | {"optimiser": optimiser}, "loss": {"weights": {first: 1.0 + arm}}}
        config = build_config({**TRAINED, **of_arm, **where, "repeat": repeat})
        found.append(next(run_in_steps(config, scratch / str(n), prepared=prepared)))
    return found


def one_by_one(members: Sequence[Member]) -> None:
    """A pass over the training windows of each."""
    for member in members:
        train_epoch(member.state, member.loader, member.config, member.objective, ignore)


def measure(
    corpus: Path, prepared: Prepared, scratch: Path, count: int, device: str, steps: int, rounds: int, arms: int = 1
) -> Measured:
    """One number of members."""
    alone = members_of(corpus, prepared, scratch / f"alone{count}", count, device, steps, arms)
    packed = members_of(corpus, prepared, scratch / f"packed{count}", count, device, steps, arms)
    pack, where = Pack(packed), next(packed[0].state.model.parameters()).device
    for member in packed if where.type == "cuda" else (*alone, *packed):
        # Where batches are made is not what is compared: on a CPU no windows are kept, so that none are picked.
        member.loader.keep(room=None if where.type == "cuda" else 0)
    sides: tuple[Callable[[], object], ...] = (lambda: one_by_one(alone), lambda: pack.train({}))
    with with_threads(1):
        for side in sides:
            # Memory, kernels, the optimisers' state.
            side()
        launched = (kernels(lambda: one_by_one(alone[:1]), where) / steps, kernels(sides[1], where) / steps)
        taken = [(_timed(sides[0], where), _timed(sides[1], where)) for _ in range(rounds)]
    cpu = [(a[0] / steps, b[0] / steps) for a, b in taken]
    return Measured(
        count,
        *launched,
        launches=launched[1] / launched[0],
        cpu_alone=1e3 * statistics.median(a for a, _ in cpu),
        cpu_packed=1e3 * statistics.median(b for _, b in cpu),
        cpu=statistics.median(a / b for a, b in cpu),
        wall=statistics.median(a[1] / b[1] for a, b in taken),
    )


def measured_on(
    device: str, members: Sequence[int], scratch: Path, steps: int = 10, rounds: int = 5, arms: int = 1
) -> list[Measured]:
    """Several numbers of members, on the simulated corpus of the preset quick."""
    corpus = simulate(scratch / "corpus", "quick")
    prepared = prepare(corpus, build_config({**TRAINED, "corpus": str(corpus)}).data, scratch / "store")
    return [measure(corpus, prepared, scratch, count, device, steps, rounds, arms) for count in members]


def _timed(do: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of CPU time and of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    do()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Repeats packed and one by one, in turns.")
    parser.add_argument("--members", type=int, nargs="+", default=[2, 5, 10])
    parser.add_argument("--arms", type=int, default=1, help="arms that share the members' repeats")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="steps of a pass")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measured_on(given.device, given.members, Path(folder), given.steps, given.rounds, given.arms)
    if given.format == "json":
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    print("runs  kernels of one  of the pack  ratio  CPU ms alone  packed  alone ÷ packed: CPU  clock")
    for one in found:
        print(
            f"{one.members:4} {one.alone:15.1f} {one.packed:12.1f} {one.launches:6.2f} {one.cpu_alone:13.1f} "
            f"{one.cpu_packed:7.1f} {one.cpu:20.2f} {one.wall:6.2f}"
        )


if __name__ == "__main__":
    main()
