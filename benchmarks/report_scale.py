"""What the report of a large study costs: seconds, memory and size of the page.

    python -m benchmarks.report_scale [--arms N] [--repeats N] [--epochs N] [--items N] [--home DIR] [--format json]

Two runs of the quick preset are trained for one epoch; from their records those of all runs are made up: other scores,
a longer history, more test items. Then `mmstudy report` reads them from disk, as a user would have it, in a process of
its own, whose wall time and peak memory are measured. The goal: 2,000 runs × 100 epochs in 30 s, 2 GiB and a page of
10 MiB.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.execute import trial
from experiments.home import Home
from experiments.opening import open_request, with_own_models
from experiments.planning.plan import plan
from experiments.planning.request import Options, PlannedRun, Request
from experiments.records import write_record
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.events import ignore
from mmcore.record import Record
from mmcore.scores import ItemLoss

STUDY = """\
question: Which learning rate is best?
preset: quick
repeats: {repeats}
reference: arm 0
base: {{training.epochs: 1, training.steps_per_epoch: 2}}
arms:
"""
FASTEST = 1e-2
"""Learning rate of the first arm; each further one has a percent less."""


def main() -> None:
    """Make the records, write the report, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("arms", 50), ("repeats", 40), ("epochs", 100), ("items", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--home", type=Path, help="keep everything there; records that are there already are reused")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = Home((given.home or Path(scratch)).resolve()).make()
        study = make_study(home, given.arms, given.repeats)
        start = time.perf_counter()
        make_records(home, study, given.epochs, given.items)
        made = time.perf_counter() - start
        facts = {"runs": given.arms * given.repeats, "epochs": given.epochs, "items": given.items}
        facts |= {"records_mib": mib(home.runs.rglob("record.json")), "seconds_to_make_them": round(made, 1)}
        facts |= measure(home, study)
    if given.format == "json":
        print(json.dumps(facts, indent=1))
    else:
        print("\n".join(f"{name.replace('_', ' '):24} {value}" for name, value in facts.items()))


def make_study(home: Home, arms: int, repeats: int) -> Path:
    """A study file in the home: arms that differ in one number, each compared with the first."""
    path = home.root / "scale.yaml"
    lines = [f"  arm {i}: {{training.optimiser.learning_rate: {FASTEST * 0.99**i:.9f}}}" for i in range(arms)]
    path.write_text(STUDY.format(repeats=repeats) + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_records(home: Home, study: Path, epochs: int, items: int) -> None:
    """Records of every run of the study that has none."""
    request = with_own_models(open_request(str(study), home, Options()), "run")
    request.place.ensure()
    request = with_own_models(open_request(str(study), home, Options()), "run")
    todo = plan(request, home)
    store = prepare(request.place.folder, request.study.arms[0].config.data, home.prepared)
    model = _train(todo.runs[0], home, store)
    for run in todo.runs:
        assert run.fingerprint is not None
        folder = home.run(run.fingerprint)
        if not (folder / "record.json").exists() or run is todo.runs[0]:
            folder.mkdir(parents=True, exist_ok=True)
            write_record(folder, made_up(model, run, request, epochs, items))


def _train(run: PlannedRun, home: Home, store: Prepared) -> Record:
    assert run.fingerprint is not None
    folder = home.root / "model"
    return trial(
        run.config.model_copy(update={"threads": 1}), folder, lambda: store, study="scale", arm=run.arm,
        fingerprint=run.fingerprint, on_event=ignore,
    )  # fmt: skip


def made_up(model: Record, run: PlannedRun, request: Request, epochs: int, items: int) -> Record:
    """A record like that of a real run, with numbers of its own.

    Args:
        model: a real record. epochs: rows of its history. items: test items.
    """
    assert run.fingerprint is not None
    arm = [a.name for a in request.study.arms].index(run.arm)
    rng, shared = np.random.default_rng([arm, run.repeat]), np.random.default_rng(run.repeat)
    level = 0.03 * shared.normal() - 0.002 * arm
    scores = [
        s if s.baseline is not None or math.isnan(s.value) else replace(s, value=s.value + level + 0.02 * rng.normal())
        for s in model.scores
    ]
    first = model.history[0]
    losses = [key for key in first if "loss" in key or "skill" in key]
    history = [
        {
            **first,
            "epoch": epoch,
            "steps": epoch * 2,
            **{k: v * (0.3 + 0.97**epoch) + 0.01 * rng.normal() for k in losses if not math.isnan(v := first[k])},
        }
        for epoch in range(1, epochs + 1)
    ]
    components = list(dict.fromkeys(row.component for row in model.items))
    tested = shared.choice(4 * items, items, replace=False)
    naive = {(i, c): float(v) for i in tested for c, v in zip(components, shared.uniform(0.5, 1.5, len(components)))}  # noqa: B905
    rows = [
        ItemLoss(f"item_{i:03}", f"item_{i:03}", True, c, loss * (1 - level + 0.1 * rng.normal()), 100, loss)
        for (i, c), loss in naive.items()
    ]
    return replace(
        model, arm=run.arm, repeat=run.repeat, fingerprint=run.fingerprint, config=run.config, epochs=epochs,
        best_epoch=epochs, seconds=40.0 + rng.normal(), scores=tuple(scores), history=tuple(history), items=tuple(rows),
    )  # fmt: skip


def measure(home: Home, study: Path) -> Mapping[str, Any]:
    """Write the report in a process of its own; its wall time, peak memory and files."""
    command = [sys.executable, "-m", "experiments.cli", "--home", str(home.root), "report", str(study)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    page = Path(done.stdout.rsplit("Report: ", 1)[1].strip())
    files = page.parent.rglob("*")
    return {
        "seconds": round(seconds, 1),
        "seconds_of_cpu": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
        "page_mib": mib([page]),
        "report_mib": mib(f for f in files if f.is_file()),
        "report": str(page),
    }


def mib(paths: Iterator[Path] | list[Path]) -> float:
    """Size of files in MiB."""
    return round(sum(path.stat().st_size for path in paths) / 2**20, 2)


if __name__ == "__main__":
    main()
