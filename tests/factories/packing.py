"""Runs that are trained as one batch, and what they are compared with: the same runs, each by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.bench_pack import kernels
from mmcore.errors import TrainingDiverged
from mmcore.events import ignore
from mmcore.packing.member import Member, advanced, concluded
from mmcore.packing.passes import score_together
from mmcore.packing.training import Pack, train_packed
from mmcore.record import Record
from mmcore.run import run_in_steps
from mmcore.training.loop import train_epoch


def opened(configs: list[Any], folder: Path, store: Any, hears: list[Any] | None = None) -> list[Any]:
    """Runs that wait for their training; each tells its own of what happens."""
    told = [ignore] * len(configs) if hears is None else hears
    return [run_in_steps(config, folder / str(r), told[r], store) for r, config in enumerate(configs)]


def operations(configs: list[Any], folder: Path, store: Any) -> tuple[int, int]:
    """Operations of a pass over the training windows: of the first run alone, and of all as one batch."""
    members: list[Member] = [next(each) for each in opened(configs, folder, store)]
    alone = next(run_in_steps(configs[0], folder / "one", prepared=store))
    for member in (alone, *members):
        # Windows are picked on the host: none of the device's work.
        member.loader.keep(room=0)
    pack = Pack(members)

    def one() -> object:
        return train_epoch(alone.state, alone.loader, alone.config, alone.objective, ignore)

    # The first pass looks at the model, too.
    pack.train({})
    one()
    cpu = torch.device("cpu")
    return kernels(one, cpu), kernels(lambda: pack.train({}), cpu)


def packed(configs: list[Any], folder: Path, store: Any, hears: list[Any] | None = None) -> list[Record | Exception]:
    """What becomes of runs that are trained as one batch."""
    steps = opened(configs, folder, store, hears)
    found: dict[int, Record | Exception] = {}
    for group in train_packed([next(each) for each in steps]):
        asked: dict[int, Member] = {}
        for r, error in group.items():
            if error is not None and not isinstance(error, TrainingDiverged):
                found[r] = error
                continue
            now = advanced(steps[r], error)
            if isinstance(now, Member):
                asked[r] = now
            else:
                found[r] = now
        for r, error in score_together(asked).items():
            found[r] = concluded(steps[r]) if error is None else error
    return [found[r] for r in range(len(configs))]


def same(one: Record, other: Record, within: float = 2e-4) -> None:
    """Alike but for rounding and time."""
    assert (one.status, one.epochs, one.best_epoch, one.steps) == (
        other.status,
        other.epochs,
        other.best_epoch,
        other.steps,
    )
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert list(mine) == list(theirs)
        for name in mine:
            if name != "seconds":
                assert mine[name] == pytest.approx(theirs[name], rel=within, abs=within, nan_ok=True), name
    for mine, theirs in zip(one.scores, other.scores, strict=True):
        assert mine.value == pytest.approx(theirs.value, rel=within, abs=within, nan_ok=True), mine
