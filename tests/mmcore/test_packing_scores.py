"""Members whose training ends at once are scored as one batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from factories.packing import opened, packed, same

from benchmarks.bench_pack import kernels
from mmcore.errors import PartError
from mmcore.packing.member import Member, advanced, concluded
from mmcore.packing.passes import score_together
from mmcore.packing.training import train_packed
from mmcore.record import Record
from mmcore.run import run
from mmcore.training.evaluation import Pass

Build = Callable[..., Any]


def to_score(steps: list[Any]) -> dict[int, Member]:
    """Runs after their training, of which all end at once."""
    (group,) = train_packed([next(each) for each in steps])
    asked: dict[int, Member] = {}
    for r in sorted(group):
        now = advanced(steps[r], group[r])
        assert isinstance(now, Member)
        asked[r] = now
    return asked


def test_scores_are_those_of_runs_one_by_one(config: Build, ragged: Any, tmp_path: Path) -> None:
    """Validation and test, items, outcomes and calibration; also where a member may not read its test items."""
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, evaluation__test=repeat != 1) for repeat in (0, 1, 2)]
    alone = [run(each, tmp_path / "alone" / str(r), prepared=store) for r, each in enumerate(configs)]
    began = time.monotonic()
    found = packed(configs, tmp_path / "packed", store)
    took = time.monotonic() - began
    for one, other in zip(alone, found, strict=True):
        assert isinstance(other, Record)
        same(one, other)
        assert [(s.split, s.metric, s.component) for s in one.scores] == [
            (s.split, s.metric, s.component) for s in other.scores
        ]
        for mine, theirs in zip(one.items, other.items, strict=True):
            assert (mine.item, mine.component, mine.count) == (theirs.item, theirs.component, theirs.count)
            assert mine.loss == pytest.approx(theirs.loss, rel=1e-3, abs=1e-4)
        assert len(one.outcomes) == len(other.outcomes)
        assert one.selection == other.selection
        assert one.split == other.split
    assert {score.split for score in found[0].scores} == {"validation", "test"}  # pyright: ignore[reportAttributeAccessIssue]
    assert {score.split for score in found[1].scores} == {"validation"}  # pyright: ignore[reportAttributeAccessIssue]
    seconds = [each.seconds for each in found if isinstance(each, Record)]
    assert took / 4 < sum(seconds) < took, "the times of a pack add up to what it took"


def test_ten_members_are_scored_with_hardly_more_kernels_than_one(
    config: Build, ragged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What computes on the device; counting what was predicted is work of the CPU, and is left out."""
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, training__epochs=1, training__batch=1) for repeat in range(10)]
    asked = to_score(opened(configs, tmp_path / "packed", store))
    alone = next(iter(to_score(opened(configs[:1], tmp_path / "one", store)).values()))

    class Uncounted(Pass):
        def add(self, *given: Any) -> None:
            pass

    for member in (alone, *asked.values()):
        for loader, _ in member.asked:
            loader.keep(room=0)
        silent = tuple((loader, Uncounted(found.tally)) for loader, found in member.asked)
        object.__setattr__(member, "asked", silent)
    cpu = torch.device("cpu")
    # In inference mode an operation that is made of several is counted as one.
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)
    one = kernels(alone.score, cpu)
    many = kernels(lambda: score_together(asked), cpu)
    assert one > 100
    # Stacking the parameters, once; and members have up to one batch more than the first.
    longest = max(sum(len(loader) for loader, _ in member.asked) for member in asked.values())
    longest /= sum(len(loader) for loader, _ in alone.asked)
    assert many <= 1.2 * one * longest, (many, one, longest)


def test_a_measure_that_raises_in_the_end_fails_its_member_alone(
    config: Build, ragged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, training__epochs=1) for repeat in (0, 1, 2)]
    steps = opened(configs, tmp_path / "packed", store)
    asked = to_score(steps)

    def raises(*_: object) -> None:
        raise PartError("no such value", expected="a number", found="text")

    monkeypatch.setattr(asked[1].asked[1][1], "add", raises)
    ended = score_together(asked)
    assert (ended[0], ended[2]) == (None, None)
    assert isinstance(ended[1], PartError)
    with pytest.raises(PartError, match="no such value"):
        concluded(steps[1], ended[1])
    for r in (0, 2):
        same(run(configs[r], tmp_path / "alone" / str(r), prepared=store), concluded(steps[r]))
