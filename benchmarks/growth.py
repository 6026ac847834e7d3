"""How cost grows: CPU seconds against items, steps, features, tracks, modalities, arms, repeats and runs, of preparing,
training, analysing, planning and reporting.

    python -m benchmarks.growth [--only WORD …] [--rounds N] [--format json]

Each subject is measured at a few sizes, each twice the one before, and all of them in turns: a round takes every
subject at every size once, so that other work on the machine disturbs all alike. What counts is the least of the
rounds, in CPU time of one thread. A slope is the power p of size^p: 1 is in proportion, 2 is quadratic. Small sizes
have costs that do not grow, so the slope over the last three sizes is printed beside the slope over all. It takes about
ten minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.report_scale import make_records, make_study
from experiments.cli.text import status_text
from experiments.corpus import Corpus
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.results import load_results
from mmcore.analyse import analyse
from mmcore.analyses import AnyAnalysis, CoalitionsAnalysis, CorruptionAnalysis, ErrorsAnalysis, GatesAnalysis
from mmcore.batch import Batch
from mmcore.config import AdamW, DataConfig, Forecast, LossConfig, ModelConfig, build_config
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.events import ignore
from mmcore.model.build import build_model
from mmcore.schema import CorpusSchema
from mmcore.trained import Trained
from mmcore.training.objective import Objective
from mmcore.training.optimiser import build_optimiser, take_step
from reports.output.render import write_report
from reports.summary.build import summarise

STEEP = 1.1
"""Slopes above this are printed."""
LAST = 3
"""Sizes at the end whose slope is printed by itself."""

Work = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """What is measured, and against what.

    Args:
        what: is done. against: what grows. sizes: of it. make: the work at a size; a folder that it may write to.
        expected: why a slope above :data:`STEEP` is no fault; empty where it would be one.
    """

    what: str
    against: str
    sizes: tuple[int, ...]
    make: Callable[[int, Path], Work]
    expected: str = ""

    @property
    def name(self) -> str:
        """Unique."""
        return f"{self.what} against {self.against}"


@dataclass(frozen=True)
class Grown:
    """What a subject took.

    Args:
        seconds: of CPU time, size by size. slope: over all sizes. last: over the last :data:`LAST`. bends: the first
            size from which on doubling it makes the cost grow by more than :data:`STEEP`; None where there is none.
    """

    what: str
    against: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    slope: float
    last: float
    bends: int | None
    expected: str

    @property
    def steep(self) -> bool:
        """Whether either slope is above :data:`STEEP`."""
        return max(self.slope, self.last) > STEEP


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power p of seconds ~ size^p, by least squares on logarithms.

    Example:
        >>> round(slope([1, 2, 4], [3, 12, 48]), 6)
        2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def bends(sizes: Sequence[int], seconds: Sequence[float]) -> int | None:
    """The first size from which on every step to the next one is steeper than :data:`STEEP`.

    Example:
        >>> bends([1, 2, 4, 8], [1.0, 1.5, 4.0, 16.0])
        2
        >>> bends([1, 2, 4], [1.0, 4.0, 8.0]) is None
        True
    """
    steps = [slope(sizes[i : i + 2], seconds[i : i + 2]) for i in range(len(sizes) - 1)]
    found = None
    for at in reversed(range(len(steps))):
        if steps[at] <= STEEP:
            break
        found = sizes[at]
    return found


def measure(subjects: Sequence[Subject], rounds: int) -> list[Grown]:
    """Every subject at every size, in turns."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, contextlib.redirect_stdout(io.StringIO()):
        torch.set_num_threads(1)
        work: dict[tuple[str, int], Work] = {}
        for at, subject in enumerate(subjects):
            for size in subject.sizes:
                folder = Path(scratch).resolve() / f"{at}_{size}"
                folder.mkdir()
                work[subject.name, size] = subject.make(size, folder)
        taken: dict[tuple[str, int], list[float]] = {key: [] for key in work}
        for _ in range(rounds):
            for key, run in work.items():
                # What the work before left behind is not charged to this one.
                gc.collect()
                start = _processor()
                run()
                taken[key].append(_processor() - start)
    found = []
    for one in subjects:
        seconds = tuple(min(taken[one.name, size]) for size in one.sizes)
        slopes = slope(one.sizes, seconds), slope(one.sizes[-LAST:], seconds[-LAST:])
        found.append(Grown(one.what, one.against, one.sizes, seconds, *slopes, bends(one.sizes, seconds), one.expected))
    return found


def _processor() -> float:
    """Seconds of CPU time so far, those of copies that draw or read for a large report, too."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


# Data ----------------------------------------------------------------------------------------------------------------
def _corpus(folder: Path, items: int = 16, steps: int = 200, features: int = 8, modalities: int = 2) -> Corpus:
    """Random streams and two targets a step."""
    rng = np.random.default_rng(0)
    X = {f"m{m}": rng.normal(size=(items, steps, features)) for m in range(modalities)}
    return Corpus.from_arrays(X, rng.normal(size=(items, steps, 2)), folder=folder / "corpus")


def preparing(**sizes: int) -> Callable[[int, Path], Work]:
    """Preparing a corpus: its sizes, and which of them grows (the one that is 0)."""

    def make(size: int, folder: Path) -> Work:
        corpus = _corpus(folder, **{name: value or size for name, value in sizes.items()})
        stores = iter(range(1000))
        return lambda: prepare(corpus.path, DataConfig(), folder / f"store {next(stores)}")

    return make


def _epoch(size: int, folder: Path) -> Work:
    """All windows of so many items, as training reads them."""
    corpus = _corpus(folder, items=size)
    prepared, config = prepare(corpus.path, DataConfig(), folder), DataConfig(window=50, stride=25)
    every = range(len(prepared.items))
    names = list(prepared.schema.modalities)
    loader = Loader(prepared, fit_normaliser(prepared, every), config, Forecast(), names, every, batch=16)

    def work() -> None:
        for _ in range(5):
            for _ in loader.batches(np.arange(loader.windows)):
                pass

    return work


# Training ------------------------------------------------------------------------------------------------------------
def training(**sizes: int) -> Callable[[int, Path], Work]:
    """A few steps of training: sizes of the batch, and which of them grows (the one that is 0)."""

    def make(size: int, _: Path) -> Work:
        return _steps(**{name: value or size for name, value in sizes.items()})

    return make


def _steps(window: int = 64, features: int = 32, modalities: int = 2, tracks: int = 4) -> Work:
    schema = _schema(features, modalities, tracks)
    batch = _batch(schema, 4, window)
    shape = {"width": 64, "layers": 2, "heads": 4, "feed_forward": 256}
    model = build_model(ModelConfig.model_validate(shape), schema, causal=False, repeat=0)
    optimiser, objective = build_optimiser(AdamW(), model.parameters()), Objective(LossConfig(), schema.targets)
    parameters, rng = list(model.parameters()), torch.Generator().manual_seed(0)

    def work() -> None:
        for _ in range(4):
            losses = objective(model(batch, rng), batch)
            for parameter in parameters:
                parameter.grad = None
            losses.trained_P.sum().backward()
            take_step(optimiser)

    return work


def _schema(features: int, modalities: int, tracks: int) -> CorpusSchema:
    numbers = [{"name": name, "component": name, "kind": "continuous"} for name in ("x", "y")]
    streams = {f"m{m}": {"features": [{"name": f"f_{{0..{features - 1}}}"}]} for m in range(modalities - 1)}
    targets = [{"name": f"{{0..{tracks - 1}}}_{one['name']}"} for one in numbers]
    return CorpusSchema.model_validate(
        {
            "format": 1,
            "name": "growth",
            "modalities": {**streams, "track": {"features": targets}},
            "targets": {"from": "track", "tracks": tracks, "parameters": numbers},
        }
    )


def _batch(schema: CorpusSchema, B: int, T: int) -> Batch:
    rng, K, P = torch.Generator().manual_seed(0), schema.targets.tracks, len(schema.targets.parameters)
    every_BTKP = torch.ones(B, T, K, P, dtype=torch.bool)
    target_BTKP = torch.randn(B, T, K, P, generator=rng)
    return Batch(
        values={name: torch.randn(B, T, len(m.columns), generator=rng) for name, m in schema.modalities.items()},
        present_BTM=torch.ones(B, T, len(schema.modalities), dtype=torch.bool),
        valid_BT=torch.ones(B, T, dtype=torch.bool),
        target_BTKP=target_BTKP,
        target_valid_BTKP=every_BTKP,
        previous_BTKP=target_BTKP,
        previous_valid_BTKP=every_BTKP,
        item_B=torch.arange(B),
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()


# Analyses ------------------------------------------------------------------------------------------------------------
def analysing(analysis: AnyAnalysis, **sizes: int) -> Callable[[int, Path], Work]:
    """An analysis of an untrained model: sizes of the corpus, and which of them grows (the one that is 0)."""
    shape = {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "fusion": {"kind": "gated"}}

    def make(size: int, folder: Path) -> Work:
        corpus = _corpus(folder, **{name: value or size for name, value in sizes.items()})
        config = build_config({"corpus": str(corpus.path), "data": {"window": 50}, "model": shape})
        prepared = prepare(corpus.path, config.data, folder)
        model = build_model(config.model, prepared.schema, causal=False, repeat=0, window=50).eval()
        return lambda: analyse(Trained(config, prepared, model, torch.device("cpu"), ignore), analysis)

    return make


# Studies -------------------------------------------------------------------------------------------------------------
def planning(arms: int, repeats: int) -> Callable[[int, Path], Work]:
    """Opening and planning a study of which nothing is done; the number that is 0 grows."""

    def make(size: int, folder: Path) -> Work:
        home = Home(folder).make()
        study = str(make_study(home, arms or size, repeats or size))
        open_request(study, home, Options()).place.ensure()
        return lambda: plan(open_request(study, home, Options()), home)

    return make


def looking(arms: int, repeats: int) -> Callable[[int, Path], Work]:
    """The status of a study that is done; the number that is 0 grows."""

    def make(size: int, folder: Path) -> Work:
        home = Home(folder).make()
        study = make_study(home, arms or size, repeats or size)
        make_records(home, study, epochs=2, items=4)
        return lambda: status_text(plan(open_request(str(study), home, Options()), home), home)

    return make


def reporting(arms: int, repeats: int) -> Callable[[int, Path], Work]:
    """Reading the records of a study and writing its report; the number that is 0 grows."""

    def make(size: int, folder: Path) -> Work:
        home = Home(folder).make()
        study = make_study(home, arms or size, repeats or size)
        make_records(home, study, epochs=10, items=10)

        def work() -> None:
            results = load_results(plan(open_request(str(study), home, Options()), home), home)
            write_report(summarise(results), results, folder / "report")

        return work

    return make


PAIRS = "every arm is compared with every other one"
ATTENTION = "attention looks from every step at every other one"
ALIKE = "every column is compared with every other one"
SUBJECTS = (
    Subject("prepare", "items", (16, 32, 64, 128, 256), preparing(items=0)),
    Subject("prepare", "steps", (1000, 2000, 4000, 8000, 16000), preparing(steps=0)),
    Subject("prepare", "features", (8, 16, 32, 64, 128), preparing(features=0), ALIKE),
    Subject("prepare", "modalities", (2, 4, 8, 16, 32), preparing(modalities=0), ALIKE),
    Subject("load windows", "items", (16, 32, 64, 128, 256), _epoch),
    Subject("train", "steps", (64, 128, 256, 512, 1024, 2048), training(window=0), ATTENTION),
    Subject("train", "features", (512, 1024, 2048, 4096, 8192), training(features=0)),
    Subject("train", "tracks", (32, 64, 128, 256, 512), training(tracks=0)),
    Subject("train", "modalities", (4, 8, 16, 32, 64), training(modalities=0)),
    Subject("errors", "items", (20, 40, 80, 160), analysing(ErrorsAnalysis(), items=0)),
    Subject("errors", "steps", (100, 200, 400, 800), analysing(ErrorsAnalysis(), steps=0)),
    Subject("gates", "items", (20, 40, 80, 160), analysing(GatesAnalysis(), items=0)),
    Subject("corruption", "items", (20, 40, 80, 160), analysing(CorruptionAnalysis(levels=3), items=0)),
    Subject("coalitions", "items", (20, 40, 80, 160), analysing(CoalitionsAnalysis(draws=2), items=0)),
    Subject("plan", "arms", (25, 50, 100, 200, 400), planning(0, 5)),
    Subject("plan", "repeats", (100, 200, 400, 800, 1600), planning(5, 0)),
    Subject("status", "repeats", (25, 50, 100, 200), looking(5, 0)),
    Subject("report", "arms", (5, 10, 20, 40), reporting(0, 10), PAIRS),
    Subject("report", "repeats", (20, 40, 80, 160), reporting(5, 0)),
)


def table(found: Sequence[Grown]) -> str:
    """A row for each subject: what grows, what it cost from the smallest to the largest size, and how it grew."""
    lines = [f"{'':14}{'against':12}{'sizes':>14}{'CPU seconds':>20}{'slope':>8}{'last':>7}"]
    for one in found:
        sizes = f"{one.sizes[0]}-{one.sizes[-1]}"
        seconds = f"{one.seconds[0]:.3f}-{one.seconds[-1]:.3f}"
        printed = ""
        if one.steep:
            where = "" if one.bends is None else f" from {one.bends} on"
            printed = f"   above {STEEP}{where}: {one.expected or 'unexpected'}"
        lines.append(f"{one.what:14}{one.against:12}{sizes:>14}{seconds:>20}{one.slope:8.2f}{one.last:7.2f}{printed}")
    return "\n".join(lines)


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="subjects whose names have such a word")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(words)
    subjects = [one for one in SUBJECTS if any(word in one.name for word in given.only)]
    if not subjects:
        sys.exit(f"No subject has such a word; there are: {', '.join(one.name for one in SUBJECTS)}")
    found = measure(subjects, given.rounds)
    print(json.dumps([asdict(one) for one in found], indent=1) if given.format == "json" else table(found))


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        main()
    else:
        # Threads that wait for one another count as CPU time, and numpy reads this when it is imported.
        one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.growth", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | one, check=False).returncode)
