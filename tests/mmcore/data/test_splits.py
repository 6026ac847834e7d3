"""Splits: no group on two sides, no side empty, a function of the repeat alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import SplitConfig
from mmcore.data.sources.folder import Item
from mmcore.data.splits import draw_split
from mmcore.errors import SplitError


def items(groups: list[str], sides: list[str | None] | None = None) -> list[Item]:
    return [
        Item(f"item{at}", group, side, {})
        for at, (group, side) in enumerate(zip(groups, sides or [None] * len(groups), strict=True))
    ]


groupings = st.lists(st.integers(0, 12).map(str), min_size=1, max_size=40).filter(lambda g: len(set(g)) >= 3)
shares = st.tuples(st.floats(0.01, 0.49), st.floats(0.01, 0.49)).map(lambda s: SplitConfig(validation=s[0], test=s[1]))


@given(groupings, shares, st.integers(0, 50))
def test_every_item_lies_on_one_side_and_every_group_too(groups: list[str], config: SplitConfig, repeat: int) -> None:
    split = draw_split(items(groups), config, repeat)
    sides = (split.train, split.validation, split.test)
    assert sorted(index for side in sides for index in side) == list(range(len(groups)))
    assert all(side == tuple(sorted(side)) and side for side in sides)
    owners = [{groups[index] for index in side} for side in sides]
    assert sum(map(len, owners)) == len(set(groups))
    assert split.drawn == "each_repeat"
    assert split == draw_split(items(groups), config, repeat)


@given(groupings, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_items(groups: list[str], repeat: int, rng: random.Random) -> None:
    shuffled = rng.sample(groups, len(groups))
    first, second = (draw_split(items(g), SplitConfig(), repeat) for g in (groups, shuffled))
    assert {groups[i] for i in first.test} == {shuffled[i] for i in second.test}
    assert {groups[i] for i in first.validation} == {shuffled[i] for i in second.validation}


def test_shares_are_those_of_the_groups_and_repeats_differ() -> None:
    many = items([str(at) for at in range(110)])
    splits = [draw_split(many, SplitConfig(), repeat) for repeat in range(5)]
    assert {(len(s.train), len(s.validation), len(s.test)) for s in splits} == {(66, 22, 22)}
    assert len({s.test for s in splits}) == 5


@given(groupings, shares, st.integers(0, 50))
def test_a_test_side_drawn_once_is_that_of_all_repeats(groups: list[str], config: SplitConfig, repeat: int) -> None:
    once = config.model_copy(update={"test_drawn": "once"})
    first, split = draw_split(items(groups), once, 0), draw_split(items(groups), once, repeat)
    assert split.drawn == "once"
    assert split.test == first.test
    usual = draw_split(items(groups), config, repeat)
    for side in ("train", "validation", "test"):
        count = [len({groups[i] for i in getattr(one, side)}) for one in (split, usual)]
        assert count[0] == count[1], side
    sides = (split.train, split.validation, split.test)
    assert sorted(index for side in sides for index in side) == list(range(len(groups)))


def test_a_test_side_drawn_once_leaves_train_and_validation_to_the_repeat() -> None:
    many = items([str(at) for at in range(110)])
    splits = [draw_split(many, SplitConfig(test_drawn="once"), repeat) for repeat in range(5)]
    assert len({s.test for s in splits}) == 1
    assert len({s.validation for s in splits}) == 5


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_groups_are_counted(count: int) -> None:
    with pytest.raises(SplitError, match=f"found {count} group"):
        draw_split(items([f"g{i % count}" for i in range(10)]), SplitConfig(), 0)


def test_a_given_split_is_respected_whatever_the_repeat() -> None:
    given_items = items(["a", "b", "c", "c"], ["test", "train", "validation", "validation"])
    for repeat in range(3):
        split = draw_split(given_items, SplitConfig(), repeat)
        assert (split.train, split.validation, split.test, split.drawn) == ((1,), (2, 3), (0,), "corpus")


def test_a_missing_validation_side_is_drawn_from_train_by_group() -> None:
    groups = [str(at // 2) for at in range(22)]
    listed = items(groups, ["test" if g == "10" else "train" for g in groups])
    splits = [draw_split(listed, SplitConfig(), repeat) for repeat in range(6)]
    for split in splits:
        assert split.test == (20, 21)
        assert split.drawn == "corpus"
        assert len({groups[i] for i in split.validation}) == 2
        assert not {groups[i] for i in split.validation} & {groups[i] for i in split.train}
    assert len({s.validation for s in splits}) > 1


@pytest.mark.parametrize(
    ("groups", "sides", "says"),
    [
        (["a", "a", "b"], ["train", "test", "test"], "group 'a' lies on two sides"),
        (["a", "b", "c"], ["train", None, "test"], "nothing for item 'item1'"),
        (["a", "b", "c"], [None, "train", "test"], "nothing for item 'item0'"),
        (["a", "b"], ["train", "validation"], "leaves test empty"),
        (["a", "b"], ["test", "validation"], "leaves train empty"),
        (["a", "b"], ["train", "test"], "1 group"),
    ],
)
def test_a_split_column_that_cannot_be_used_is_told(groups: list[str], sides: list[str | None], says: str) -> None:
    with pytest.raises(SplitError, match=says):
        draw_split(items(groups, sides), SplitConfig(), 0)
