"""Arms of equal shapes that are trained as one batch: what differs between them is each member's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from factories.packing import opened, operations, packed, same

from mmcore.config import RunConfig
from mmcore.events import EpochDone, Note, ignore
from mmcore.packing.allowed import OF_MEMBER, shape_of
from mmcore.packing.training import Pack
from mmcore.record import Record
from mmcore.run import run
from mmcore.training.loop import train_epoch

Build = Callable[..., Any]

ARMS: dict[str, dict[str, object]] = {
    "equal": {},
    "position first": {"loss__weights": {"position": 5.0}},
    "without asset": {"loss__weights": {"asset": 0.0, "active": 2.0}},
    "learned weights": {"loss__weighting": {"kind": "uncertainty"}, "repeat": 2},
    "slow": {"training__optimiser__learning_rate": 1e-5, "training__schedule": {"kind": "constant"}},
    "decayed": {"training__optimiser__weight_decay": 0.5},
    "decoupled": {"training__optimiser": {"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 0.3}},
    "clipped": {"training__clip_norm": 0.05},
    "clipped a little": {"training__clip_norm": 0.4, "repeat": 1},
    "never clipped": {"training__clip_norm": None},
    "further ahead": {"task": {"kind": "forecast", "horizon": 3, "content_lookahead": 1}},
    "dropped more": {"model__dropout": 0.3},
    "other windows": {"data__stride": 7, "data__clip": 1.0, "split__validation": 0.3},
    "noisy": {"augmentation__noise": {"deviations": 0.2}, "data__placebo": ["noise"]},
}
"""One of each setting that a member may have of its own."""
ROUNDED = 1e-3
"""A history after four epochs: where a unit's input is 0 but for rounding, the largest gradient shows it."""


def arms(config: Build, corpus: Path, **more: object) -> list[RunConfig]:
    return [config(corpus, **{"task": {"kind": "forecast"}, **more, **changes}) for changes in ARMS.values()]


def test_the_first_step_of_each_arm_is_that_of_the_run_alone(config: Build, ragged: Any, tmp_path: Path) -> None:
    """Loss, clipped gradients and the parameters after the step, within 1e-6, from the same draws."""
    corpus, store = ragged
    configs = arms(config, corpus, training__epochs=3, training__steps_per_epoch=1)
    alone = [next(each) for each in opened(configs, tmp_path / "alone", store)]
    members = [next(each) for each in opened(configs, tmp_path / "packed", store)]
    before = [[p.detach().clone() for p in one.state.model.parameters()] for one in members]
    rows = [train_epoch(m.state, m.loader, m.config, m.objective, ignore) for m in alone]
    pack, failed = Pack(members), {}
    found = pack.train(failed)
    assert not failed
    for r, (name, member) in enumerate(zip(ARMS, members, strict=True)):
        assert list(found[r]) == list(rows[r])
        for column, value in rows[r].items():
            assert found[r][column] == pytest.approx(value, rel=1e-5, abs=1e-6), (name, column)
        pack.stack.show_gradients(r)
        rate = rows[r]["learning_rate"]
        for start, mine, theirs in zip(
            before[r], member.state.model.parameters(), alone[r].state.model.parameters(), strict=True
        ):
            assert mine.grad is not None
            assert theirs.grad is not None
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-6, msg=name)
            # The first step of Adam is about the sign of the gradient: where that is 0 but for rounding, it says
            # nothing.
            clear = theirs.grad.abs() > 1e-5
            moved, expected = (mine.detach() - start)[clear], (theirs.detach() - start)[clear]
            torch.testing.assert_close(moved, expected, rtol=1e-2, atol=1e-3 * rate, msg=name)
    clipped = dict(zip(ARMS, (row["clipped"] for row in rows), strict=True))
    assert (clipped["clipped"], clipped["never clipped"]) == (1.0, 0.0)


def test_arms_end_as_they_do_alone(config: Build, ragged: Any, tmp_path: Path) -> None:
    """Also where they differ in the number of epochs, in patience and in the measure that chooses the epoch."""
    corpus, store = ragged
    lengths: list[dict[str, object]] = [{"epochs": 2}, {"epochs": 6, "patience": 1}, {"select": "active/accuracy"}]
    configs = arms(config, corpus, training__epochs=4)
    configs = [
        one.model_copy(update={"training": one.training.model_copy(update=lengths[r % 3])})
        for r, one in enumerate(configs)
    ]
    alone = [run(each, tmp_path / "alone" / str(r), prepared=store) for r, each in enumerate(configs)]
    assert len({each.epochs for each in alone}) > 2
    for one, other in zip(alone, packed(configs, tmp_path / "packed", store), strict=True):
        assert isinstance(other, Record)
        same(one, other, ROUNDED)
        assert other.score("skill") == pytest.approx(one.score("skill"), abs=1e-4)
        assert (other.hardware.packed, other.fingerprint) == (len(ARMS), one.fingerprint)
    scores = {round(each.score("skill"), 4) for each in alone}
    assert len(scores) > len(ARMS) / 2, "settings that change nothing would prove nothing"


@pytest.mark.usefixtures("each_epoch_saved")
def test_arms_that_were_killed_between_two_checkpoints_go_on(config: Build, ragged: Any, tmp_path: Path) -> None:
    corpus, store = ragged
    configs = arms(config, corpus)

    class Killed(BaseException):
        pass

    def kills(event: object) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        packed(configs, tmp_path / "packed", store, [*[ignore] * 4, kills, *[ignore] * (len(ARMS) - 5)])
    notes: list[str] = []
    hear = [lambda event: notes.append(event.text) if isinstance(event, Note) else None] * len(ARMS)
    found = packed(configs, tmp_path / "packed", store, hear)
    went_on = [2] * 5 + [1] * (len(ARMS) - 5)
    assert [note for note in notes if "resumed" in note] == [f"resumed after epoch {n} of 4" for n in went_on]
    for r, other in enumerate(found):
        assert isinstance(other, Record)
        same(run(configs[r], tmp_path / "alone" / str(r), prepared=store), other, ROUNDED)


def test_five_loss_weights_cost_hardly_more_kernels_than_one_run(config: Build, ragged: Any, tmp_path: Path) -> None:
    """5 arms × 2 repeats: at most 1.2 times the operations of one, over a pass of the training windows."""
    corpus, store = ragged
    sizes = {"training__epochs": 9, "training__steps_per_epoch": 4}
    configs = [
        config(corpus, repeat=repeat, loss__weights={"position": weight}, **sizes)
        for weight in (0.2, 0.5, 1.0, 2.0, 5.0)
        for repeat in (0, 1)
    ]
    one, many = operations(configs, tmp_path, store)
    assert one > 100
    assert many <= 1.2 * one, (many, one)


def test_shapes_are_equal_where_only_what_members_own_differs(config: Build, editing_corpus: Path) -> None:
    configs = arms(config, editing_corpus)
    assert {shape_of(one) for one in configs} == {shape_of(configs[0])}
    changed = {path for changes in ARMS.values() for path in (name.replace("__", ".") for name in changes)}
    untested = {path for path in OF_MEMBER if not any(path.startswith(one) or one.startswith(path) for one in changed)}
    assert untested == {
        "training.epochs", "training.steps_per_epoch", "training.select", "training.patience",
        "training.checkpoint_every", "metrics", "evaluation",
    }  # fmt: skip


def test_the_docs_name_every_setting_that_may_differ() -> None:
    text = (Path(__file__).parents[2] / "docs" / "packs.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    named = {word for line in table for word in re.findall(r"`([a-z_.]+)`", line.split("|")[1])}
    assert named - {"auto"} == {*OF_MEMBER, "model.dropout", "model.attention_dropout"}


@pytest.mark.parametrize(
    "changes",
    [
        {"model__width": 32},
        {"model__positions": "rotary"},
        {"model__modalities": ["speech", "track"]},
        {"model__fusion": {"kind": "concat"}},
        {"model__dropout": 0.0},
        {"model__attention_dropout": 0.1},
        {"loss__binary": {"kind": "focal"}},
        {"loss__continuous": {"kind": "mae"}},
        {"data__window": 30},
        {"task": {"kind": "reconstruct"}},
        {"training__batch": 3},
        {"training__precision": "bf16"},
        {"device": "auto"},
        {"threads": 2},
    ],
    ids=str,
)
def test_other_shapes_and_operations_are_apart(config: Build, editing_corpus: Path, changes: dict[str, object]) -> None:
    plain = config(editing_corpus, task={"kind": "forecast"})
    assert shape_of(config(editing_corpus, **{"task": {"kind": "forecast"}, **changes})) != shape_of(plain)
