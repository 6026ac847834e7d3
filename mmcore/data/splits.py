"""Train, validation and test: by group, a function of the repeat alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmcore.config import SplitConfig
from mmcore.errors import SplitError
from mmcore.facts import Drawn
from mmcore.seeding import generator


class Grouped(Protocol):
    """What a split needs to know of an item."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def split(self) -> str | None: ...


@dataclass(frozen=True)
class Split:
    """Item indices of the three sides, each in increasing order.

    Args:
        drawn: ``each_repeat``: all sides vary between repeats; ``once``: test does not; ``corpus``: it fixed train and
            test, so they do not vary (train does where validation is drawn from it).
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    drawn: Drawn


def draw_split(
    items: Sequence[Grouped], config: SplitConfig, repeat: int, strata: Mapping[str, str] | None = None
) -> Split:
    """Split items so that no group lies on two sides.

    A ``split`` column is respected as it is; where it names no validation item, that side is drawn from train, by
    group, with the share ``config.validation`` of train's groups. Without the column, shares of all groups are drawn
    anew for each repeat; with ``test_drawn: once`` all repeats share their test side. Every side gets at least one
    group; shares are rounded to whole groups. The draw depends on the set of groups, not on the order of the items.

    With strata, each side that is drawn gets its share of every stratum, to within one group and as far as whole groups
    allow. The sides have as many groups as without, and every group is as likely to be tested.

    Args:
        items: with name, group and split.
        config: the shares.
        repeat: the repeat; equal repeats give equal splits on every machine.
        strata: the stratum of every group, see :func:`mmcore.data.strata.strata_of`; None: groups are drawn as they
            come.

    Raises:
        SplitError: too few groups; a group on two sides; a split column that is filled for some items only, or that
            leaves train or test empty.
    """
    sides = _given(items) if any(item.split is not None for item in items) else {}
    drawn: Drawn = "corpus" if sides else config.test_drawn
    groups = sorted({item.group for item in items})
    if drawn != "corpus":
        if len(groups) < 3:
            raise SplitError(
                "train, validation and test need at least one group each",
                expected="3 groups or more",
                found=_count(groups),
                next_step="Give the items finer groups in items.csv, or add recordings",
            )
        test = min(max(1, round(config.test * len(groups))), len(groups) - 2)
        validation = min(max(1, round(config.validation * len(groups))), len(groups) - 1 - test)
        if drawn == "once":
            groups = _shuffled(groups, 0, "split/test", strata)
            groups[test:] = _shuffled(sorted(groups[test:]), repeat, "split/validation", strata)
        else:
            groups = _shuffled(groups, repeat, "split", strata)
        sides = dict.fromkeys(groups, "train")
        sides |= dict.fromkeys(groups[:test], "test") | dict.fromkeys(groups[test : test + validation], "validation")
    elif "validation" not in sides.values():
        trained = [group for group in groups if sides[group] == "train"]
        if len(trained) < 2:
            raise SplitError(
                "a validation side must be drawn from train's groups, and one must remain",
                expected="2 groups or more in train",
                found=_count(trained),
                next_step="Mark validation items in the split column of items.csv",
            )
        count = min(max(1, round(config.validation * len(trained))), len(trained) - 1)
        sides |= dict.fromkeys(_shuffled(trained, repeat, "split/validation", strata)[:count], "validation")

    def members(side: str) -> tuple[int, ...]:
        return tuple(index for index, item in enumerate(items) if sides[item.group] == side)

    return Split(members("train"), members("validation"), members("test"), drawn)


def _shuffled(groups: list[str], repeat: int, purpose: str, strata: Mapping[str, str] | None) -> list[str]:
    rng = generator(repeat, purpose)
    shuffled = [groups[at] for at in rng.permutation(len(groups))]
    return shuffled if strata is None else _evenly(shuffled, strata, rng)


def _evenly(groups: list[str], strata: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """The same groups in an order in which every stretch holds nearly its share of each stratum.

    Each stratum is spread over [0, 1) at equal distances from a start drawn at random: systematic sampling. So a
    stratum of a single group may land on any side.

    Source: Madow and Madow 1944, on the theory of systematic sampling.
    """
    place: dict[str, float] = {}
    for stratum in sorted({strata[group] for group in groups}):
        mine = [group for group in groups if strata[group] == stratum]
        start = float(rng.random())
        place |= {group: (at + start) / len(mine) for at, group in enumerate(mine)}
    return sorted(groups, key=place.__getitem__)


def _given(items: Sequence[Grouped]) -> dict[str, str]:
    """Group to side, as the split column says."""
    sides: dict[str, str] = {}
    for item in items:
        if item.split is None:
            raise SplitError(
                "the split column must be filled for every item, or for none",
                found=f"nothing for item '{item.name}'",
                next_step="Fill or drop the column split of items.csv",
            )
        if sides.setdefault(item.group, item.split) != item.split:
            raise SplitError(
                f"group '{item.group}' lies on two sides of the split",
                found=f"{sides[item.group]} and {item.split} (item '{item.name}')",
                next_step="Give all items of a group one side in items.csv",
            )
    for side in ("train", "test"):
        if side not in sides.values():
            raise SplitError(
                f"the split column leaves {side} empty",
                expected="train and test, and validation where it is fixed too",
                found=", ".join(sorted(set(sides.values()))),
                next_step="Mark some groups in items.csv, or drop the column to have splits drawn",
            )
    return sides


def _count(groups: Sequence[str]) -> str:
    listed = ", ".join(sorted(groups)[:5])
    return f"{len(groups)} group{'' if len(groups) == 1 else 's'}" + (f" ({listed})" if groups else "")
