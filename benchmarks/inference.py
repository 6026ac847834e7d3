"""What a trained arm costs where it is used: size on disk, latency of a window, frames a second, whole and in 8 bits.

    python -m benchmarks.inference --home DIR [--study inference] [--rounds N] [--threads N] [--format json]
    python -m benchmarks.inference --footage DIR [--features default]

The study must have run in that home. The best model of each arm is exported to ONNX, whole and with weights of 8 bits,
and predicts one window at a time, as a program does that follows a recording. The files take turns, window by window,
so that other work on the machine meets all of them alike; the middle of the times is given, and the time that 95 % of
windows keep to. Frames are the steps of the study's corpus.

``--footage`` measures the other half: how many seconds of footage one second computes, on all cores, from nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.exporting import INT8, export_arm
from experiments.footage.batch import extract_all
from experiments.footage.grid import STEP
from experiments.footage.listing import Clip, find_clips
from experiments.footage.messages import Broken, Extracted
from experiments.footage.store import FootageStore
from experiments.home import Home
from experiments.launchers.local import cores
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.quantised import Cost
from experiments.trained_arm import TrainedArm, trained_arm

WARM = 5
"""Windows of each file before the clock counts."""


@dataclass(frozen=True)
class Used:
    """One file of an arm.

    Args:
        file: whole, or int8. kib: its size. median, late: milliseconds of a window, and those that 95 % keep to.
        frames: steps a second. score: the study's metric on the test items of the model's repeat.
    """

    arm: str
    file: str
    kib: float
    median: float
    late: float
    frames: float
    score: float


def main() -> None:
    """Export every arm of a study, time the files in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--home", type=Path)
    what.add_argument("--footage", type=Path)
    parser.add_argument("--features", default="default")
    parser.add_argument("--study", default="inference")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args()
    if given.footage is not None:
        computed = real_time(given.footage, given.features)
        print(json.dumps(asdict(computed)) if given.format == "json" else computed.text)
        return
    found = measure(given.study, Home(given.home), given.rounds, given.threads)
    if given.format == "json":
        print(json.dumps([asdict(one) for one in found]))
        return
    heads = ("KiB", "ms a window", "95 % within", "frames a second", "score")
    print(f"{'arm':<12} {'file':<6} {heads[0]:>8} {heads[1]:>12} {heads[2]:>12} {heads[3]:>16} {heads[4]:>8}")
    for one in found:
        print(
            f"{one.arm:<12} {one.file:<6} {one.kib:>8,.0f} {one.median:>12.2f} {one.late:>12.2f} {one.frames:>16,.0f} "
            f"{one.score:>8.4f}"
        )


@dataclass(frozen=True)
class Footage:
    """How long the features of some footage take.

    Args:
        files: that were computed. seconds: of footage. taken: by the clock, with the start of the processes.
        processes: at work.
    """

    files: int
    seconds: float
    taken: float
    processes: int

    @property
    def text(self) -> str:
        """In one line."""
        times = self.seconds / self.taken
        return (
            f"{self.files} files, {self.seconds:.1f} s of footage in {self.taken:.1f} s on {self.processes} processes: "
            f"{times:.1f} times real time, {times / STEP:,.0f} rows a second"
        )


class _Silent:
    """Shows nothing."""

    def advance(self, clip: Clip, share: float) -> None:
        """Nothing."""

    def finished(self, clip: Clip, outcome: Extracted | Broken) -> None:
        """Nothing."""


def real_time(folder: Path, features: str) -> Footage:
    """Compute the features of a folder's files in a store that is empty."""
    clips = find_clips(folder)
    processes = min(cores(), len(clips))
    with tempfile.TemporaryDirectory() as place:
        clock = time.perf_counter()
        done = extract_all(clips, features, FootageStore(Path(place)), processes, _Silent())
        taken = time.perf_counter() - clock
    whole = [one for one in done if isinstance(one, Extracted)]
    return Footage(len(whole), sum(one.seconds for one in whole), taken, processes)


def measure(study: str, home: Home, rounds: int, threads: int) -> list[Used]:
    """Every arm of a study, whole and in 8 bits."""
    names = [arm.name for arm in open_request(study, home, Options()).study.arms]
    with tempfile.TemporaryDirectory() as folder:
        arms = [trained_arm(study, home, Options(), name) for name in names]
        files = [file for arm in arms for file in _files(arm, Path(folder) / arm.arm)]
        for file in files:
            file.open(threads)
        seconds: list[list[float]] = [[] for _ in files]
        for turn in range(WARM + rounds):
            for file, taken in zip(files, seconds, strict=True):
                clock = time.perf_counter()
                file.run()
                if turn >= WARM:
                    taken.append(time.perf_counter() - clock)
        return [file.used(taken) for file, taken in zip(files, seconds, strict=True)]


class _File:
    """An ONNX file, with one window to read."""

    def __init__(self, arm: str, kind: str, path: Path, score: float) -> None:
        self.arm, self.kind, self.path, self.score = arm, kind, path, score
        facts = json.loads((path.parent / "model.json").read_text(encoding="utf-8"))
        rng = np.random.default_rng(0)
        self.window, modalities = facts["window"], facts["inputs"]
        shape = (1, self.window)
        values = {one["name"]: rng.normal(size=(*shape, len(one["columns"]))) for one in modalities}
        self.given = {name: x_BTF.astype(np.float32) for name, x_BTF in values.items()}
        self.masks = [np.ones((*shape, len(modalities)), bool), np.ones(shape, bool)]

    def open(self, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(self.path.read_bytes(), options, providers=["CPUExecutionProvider"])
        names = [one.name for one in self.session.get_inputs()]
        self.given = dict(zip(names, [*self.given.values(), *self.masks], strict=True))

    def run(self) -> None:
        self.session.run(None, self.given)

    def used(self, seconds: list[float]) -> Used:
        median = statistics.median(seconds)
        late = float(np.quantile(seconds, 0.95))
        kib = self.path.stat().st_size / 1024
        return Used(self.arm, self.kind, kib, 1000 * median, 1000 * late, self.window / median, self.score)


def _files(arm: TrainedArm, folder: Path) -> list[_File]:
    export_arm(arm, folder, int8=True)
    cost = Cost(**json.loads((folder / "model.json").read_text(encoding="utf-8"))["int8"])
    return [
        _File(arm.arm, "whole", folder / "model.onnx", cost.whole),
        _File(arm.arm, "int8", folder / INT8, cost.small),
    ]


if __name__ == "__main__":
    main()
