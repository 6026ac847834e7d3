"""Runs that are trained as one batch are the runs that they are alone, but for rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from factories.packing import opened, operations, packed, same

from mmcore.data.prepare import prepare
from mmcore.errors import PartError, RunStopped, TrainingDiverged
from mmcore.events import EpochDone, Note, ignore
from mmcore.model.dropout import keep_mask, scale_of
from mmcore.packing.allowed import why_alone
from mmcore.packing.draws import Form, draw
from mmcore.packing.member import concluded
from mmcore.packing.training import Pack, train_packed
from mmcore.record import Record
from mmcore.run import run
from mmcore.training.evaluation import Pass
from mmcore.training.loop import train_epoch

Build = Callable[..., Any]


KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "attention dropout, pre-norm, rotary": {
        "model__attention_dropout": 0.1, "model__norm": "pre", "model__positions": "rotary",
    },
    "learned positions, time, absence, encoders before": {
        "model__positions": "learned", "model__time_features": True, "model__absence": "learned",
        "model__layers_before": 1,
    },
    **{kind: {"model__fusion": {"kind": kind}} for kind in (
        "gated_softmax", "concat", "add", "attention", "cross_modal", "bottleneck", "hierarchical", "low_rank",
        "decision",
    )},
    **{f"head {kind}": {"model__head": {"kind": kind}} for kind in ("shared", "residual", "track_tokens")},
    "other losses": {
        "loss__binary": {"kind": "focal", "class_weights": "balanced"}, "loss__continuous": {"kind": "huber"},
        "loss__categorical": {"kind": "cross_entropy", "label_smoothing": 0.1}, "loss__weights": {"asset": 0.0},
    },
    "uncertainty": {"loss__weighting": {"kind": "uncertainty"}},
    "random weights": {"loss__weighting": {"kind": "random"}},
    "augmented": {"augmentation__noise": {"deviations": 0.2}, "augmentation__crop": {}},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_is_that_of_the_run_alone(config: Build, ragged: Any, tmp_path: Path, kind: str) -> None:
    """Loss and every gradient, from the same parameters, data and dropout masks, within 1e-6."""
    corpus, store = ragged
    once = {"training__epochs": 1, "training__steps_per_epoch": 1, "training__clip_norm": None, **KINDS[kind]}
    configs = [config(corpus, repeat=repeat, **once) for repeat in (0, 1, 2)]
    alone = [next(each) for each in opened(configs, tmp_path / "alone", store)]
    members = [next(each) for each in opened(configs, tmp_path / "packed", store)]
    for one, other in zip(alone, members, strict=True):
        assert all(map(torch.equal, one.state.model.parameters(), other.state.model.parameters()))
    rows = [train_epoch(m.state, m.loader, m.config, m.objective, ignore) for m in alone]
    pack, failed = Pack(members), {}
    found = pack.train(failed)
    assert not failed
    for r, member in enumerate(members):
        assert found[r]["train/loss"] == pytest.approx(rows[r]["train/loss"], rel=1e-6, abs=1e-6)
        assert found[r]["learning_rate"] == rows[r]["learning_rate"]
        pack.stack.show_gradients(r)
        for (name, mine), theirs in zip(
            member.state.model.named_parameters(), alone[r].state.model.parameters(), strict=True
        ):
            assert (mine.grad is None) == (theirs.grad is None), name
            if mine.grad is not None and theirs.grad is not None:
                torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-6, msg=name)


def test_whole_runs_end_as_they_do_alone(config: Build, ragged: Any, tmp_path: Path) -> None:
    """Members stop by patience at different epochs, have different numbers of steps and partly filled batches."""
    corpus, store = ragged
    sizes = {"training__epochs": 8, "training__patience": 1, "training__batch": 7, "training__clip_norm": 0.5}
    # The schedule is flat, so that patience ends the members at different epochs.
    sizes |= {"training__optimiser__learning_rate": 0.05, "training__schedule": {"kind": "constant"}}
    configs = [config(corpus, repeat=repeat, **sizes) for repeat in (0, 2, 4)]
    alone = [run(each, tmp_path / "alone" / str(r), prepared=store) for r, each in enumerate(configs)]
    found = packed(configs, tmp_path / "packed", store)
    assert len({each.steps / each.epochs for each in alone}) > 1, "the members must have other numbers of steps"
    assert len({each.epochs for each in alone}) > 1, "the members must end at other epochs"
    for r, (one, other) in enumerate(zip(alone, found, strict=True)):
        assert isinstance(other, Record)
        same(one, other)
        assert (one.hardware.packed, other.hardware.packed) == (None, 3)
        assert other.fingerprint == one.fingerprint
        files = [tmp_path / kind / str(r) / "checkpoints" / "last.pt" for kind in ("packed", "alone")]
        mine, theirs = (torch.load(file, weights_only=True) for file in files)
        assert mine.pop("packed") == 3
        assert list(mine) == list(theirs)
        assert {n: x.shape for n, x in mine["model"].items()} == {n: x.shape for n, x in theirs["model"].items()}
        # Of its own numbers alone, not of those of the whole pack.
        assert files[0].stat().st_size < 1.1 * files[1].stat().st_size
    # Their time is shared out, so that the times of a pack add up to what it took.
    assert all(isinstance(each, Record) and each.seconds < 60 for each in found)


def test_one_target_an_item_is_voted_for_by_windows_as_alone(config: Build, label_corpus: Path, tmp_path: Path) -> None:
    configs = [config(label_corpus, repeat=repeat, data__window=20, training__epochs=2) for repeat in (0, 1)]
    store = prepare(label_corpus, configs[0].data, tmp_path / "store")
    alone = [run(each, tmp_path / "alone" / str(r), prepared=store) for r, each in enumerate(configs)]
    for one, other in zip(alone, packed(configs, tmp_path / "packed", store), strict=True):
        assert isinstance(other, Record)
        same(one, other)


def test_a_member_that_diverges_or_is_stopped_ends_alone(config: Build, ragged: Any, tmp_path: Path) -> None:
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, training__epochs=3) for repeat in (0, 1, 2)]

    def stops(event: object) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise RunStopped("enough")

    members = opened(configs, tmp_path / "packed", store)
    waiting = [next(each) for each in members]
    waiting[2] = replace(waiting[2], on_event=stops)
    with torch.no_grad():
        next(waiting[1].state.model.parameters()).fill_(math.nan)
    ended = {r: error for group in train_packed(waiting) for r, error in group.items()}
    assert ended[0] is None
    assert isinstance(ended[1], TrainingDiverged)
    assert (ended[1].epoch, ended[1].step) == (1, 1)
    assert isinstance(ended[2], RunStopped)
    record = concluded(members[1], ended[1])
    assert record.status == "failed"
    assert "is not finite" in record.why
    same(run(configs[0], tmp_path / "alone", prepared=store), concluded(members[0]))
    # The member that was stopped has its second epoch, and goes on from there.
    assert waiting[2].state.epoch == 2
    same(
        run(configs[2], tmp_path / "other", prepared=store), run(configs[2], tmp_path / "packed" / "2", prepared=store)
    )


def test_a_measure_of_the_users_that_raises_ends_its_member_alone(
    config: Build, ragged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of validation, where batches of all members are one."""
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, training__epochs=2) for repeat in (0, 1, 2)]
    steps = opened(configs, tmp_path / "packed", store)
    members = [next(each) for each in steps]

    class Raising(Pass):
        def add(self, *given: Any) -> None:
            raise PartError("no such value", expected="a number", found="text")

    a_pass = members[1].data.a_pass
    monkeypatch.setattr(members[1].data, "a_pass", lambda *given: Raising(a_pass(*given).tally))
    ended = {r: error for group in train_packed(members) for r, error in group.items()}
    assert isinstance(ended[1], PartError)
    assert (ended[0], ended[2]) == (None, None)
    assert members[1].state.epoch == 1
    assert members[1].state.history == []
    same(run(configs[0], tmp_path / "alone", prepared=store), concluded(steps[0]))


@pytest.mark.usefixtures("each_epoch_saved")
def test_a_pack_that_was_killed_between_two_checkpoints_goes_on(config: Build, ragged: Any, tmp_path: Path) -> None:
    """The first member has its second epoch on the disk, the others have their first: each goes on from its own."""
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat) for repeat in (0, 1, 2)]

    class Killed(BaseException):
        pass

    def kills(event: object) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        packed(configs, tmp_path / "packed", store, [kills, ignore, ignore])
    notes: list[str] = []
    hear = [lambda event: notes.append(event.text) if isinstance(event, Note) else None] * 3
    found = packed(configs, tmp_path / "packed", store, hear)
    assert [note for note in notes if "resumed" in note] == [f"resumed after epoch {epoch} of 4" for epoch in (2, 1, 1)]
    for r, other in enumerate(found):
        assert isinstance(other, Record)
        same(run(configs[r], tmp_path / "alone" / str(r), prepared=store), other)
        assert other.hardware.packed == 3


def test_masks_are_those_of_the_run_alone_whatever_the_size_of_its_batch() -> None:
    forms = (
        Form((6, 5, 3), (0.1,) * 4, torch.float32), Form((30, 2), (0.1,) * 4, torch.float32),
        Form((6, 1), (0.3, 0.1, 0.2, 0.5), torch.float32), Form((6, 7), (0.3,) * 4, torch.bfloat16),
    )  # fmt: skip
    rows_R, seeds = [6, 4, 0, 1], [11, 12, 13, 14]
    masks = draw(forms, 6, rows_R, seeds, torch.device("cpu"))
    for r, (rows, seed) in enumerate(zip(rows_R, seeds, strict=True)):
        rng = torch.Generator().manual_seed(seed)
        for form, mask in zip(forms, masks, strict=True):
            first = form.shape[0] * rows // 6
            if rows:
                like = torch.empty(first, *form.shape[1:], dtype=form.dtype)
                alone = keep_mask(like, form.rate_R[r], rng)
                scaled = alone if form.dtype == torch.bfloat16 else alone * scale_of(form.rate_R[r])
                assert torch.equal(mask[r, :first], scaled), (r, form)


@pytest.mark.parametrize("kind", ["plain", "cross_modal", "head track_tokens"])
def test_many_members_cost_hardly_more_kernels_than_one(config: Build, ragged: Any, tmp_path: Path, kind: str) -> None:
    """10 members: at most 1.2 times the operations of one, over a pass of the training windows."""
    corpus, store = ragged
    sizes = {"training__epochs": 9, "training__steps_per_epoch": 4, **KINDS[kind]}
    configs = [config(corpus, repeat=repeat, **sizes) for repeat in range(10)]
    one, many = operations(configs, tmp_path, store)
    assert one > 100
    assert many <= 1.2 * one, (many, one)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_on_a_graphics_card_it_is_ten_times_as_fast(tmp_path: Path) -> None:
    from benchmarks.bench_pack import measured_on

    found = measured_on("cuda", [10], tmp_path)[0]
    assert found.launches <= 1.2
    assert found.wall >= 10


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({}, None),
        ({"loss__weighting": {"kind": "dwa"}}, None),
        ({"loss__weighting": {"kind": "gradnorm"}}, "loss.weighting gradnorm needs the gradient of each component"),
        ({"loss__weighting": {"kind": "pcgrad"}}, "loss.weighting pcgrad needs the gradient of each component"),
        ({"evaluation__without": ["noise"]}, "it trains no model of its own"),
        ({"model__head": {"kind": "custom", "class": "my.parts:Head"}}, "model.head is a class of your own"),
        ({"loss__binary": {"kind": "custom", "class": "my.parts:Loss"}}, "loss.binary is a class of your own"),
    ],
)
def test_what_cannot_be_packed_says_why(
    config: Build, editing_corpus: Path, overrides: dict[str, object], why: str | None
) -> None:
    assert why_alone(config(editing_corpus, **overrides)) == why


def test_order_of_windows_is_that_of_the_run_alone(config: Build, ragged: Any, tmp_path: Path) -> None:
    """Each member reads as many windows of each item as it reads alone."""
    corpus, store = ragged
    configs = [config(corpus, repeat=repeat, training__epochs=1) for repeat in (0, 1)]
    alone = [next(each) for each in opened(configs, tmp_path / "alone", store)]
    for member in alone:
        train_epoch(member.state, member.loader, member.config, member.objective, ignore)
    members = [next(each) for each in opened(configs, tmp_path / "packed", store)]
    Pack(members).train({})
    for one, other in zip(alone, members, strict=True):
        assert np.array_equal(one.data.read_I, other.data.read_I)
