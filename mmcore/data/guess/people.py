"""What is said of whole items: groups, sides, conditions, and labels in the same table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mmcore.data.guess.facts import plain
from mmcore.data.guess.words import GROUPS, LABELS, SIDES, SPLITS, common, tokens
from mmcore.language import sentence


@dataclass
class People:
    """Lines of ``items.csv``.

    Args:
        group: item to its group; empty where every item is its own. group_reason: why.
        side: item to train, validation or test; empty where the sides are drawn. side_reason: why.
        conditions: column to item to its text, as reports use it.
        labels: columns of one value an item that look like what is predicted.
        doubts: what the reader should look at.
    """

    group: dict[str, str] = field(default_factory=dict)
    group_reason: str = ""
    side: dict[str, str] = field(default_factory=dict)
    side_reason: str = ""
    conditions: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels_source: str = ""
    doubts: list[str] = field(default_factory=list)


def describe(
    items: Sequence[str],
    describing: Mapping[str, pd.DataFrame],
    constant: Mapping[str, Mapping[str, Mapping[str, str]]],
    side: Mapping[str, str],
) -> People:
    """Find groups, sides, conditions and labels of whole items.

    Args:
        items: all.
        describing: file to its table, one row an item.
        constant: stream to column to item to its only value, for columns that sound like groups.
        side: item to side, as folders say.
    """
    people = People(side=dict(side), side_reason=sentence("the folders say so") if side else "")
    for source, frame in describing.items():
        frame = frame[[str(item) in set(items) for item in frame.index]]
        for name in map(str, frame.columns):
            column: Any = frame[name]
            known = column[column.notna()]
            cells = {str(item): plain(value) for item, value in zip(known.index, known, strict=True)}
            words = set(tokens(name))
            if words & LABELS:
                mine = column.to_frame()
                people.labels = people.labels.join(mine, how="outer") if len(people.labels) else mine
                people.labels_source = source
            elif words & SPLITS and {value.lower() for value in cells.values()} <= set(SIDES) and cells:
                people.side = {item: SIDES[value.lower()] for item, value in cells.items()}
                people.side_reason = sentence("column '{name}' of {source}", name=name, source=source)
            elif words & set(GROUPS) and not people.group and _groups(cells, items):
                people.group, people.group_reason = (
                    cells,
                    sentence("column '{name}' of {source}", name=name, source=source),
                )
            elif name not in ("item", "group", "split"):
                people.conditions.setdefault(name, cells)
    if not people.group:
        _group_from_streams(people, items, constant)
    if not people.group:
        people.group_reason = sentence(
            "no column names a speaker, subject or participant, so every item is its own group"
        )
        starts = _starts(items)
        if starts:
            people.doubts.append(
                sentence(
                    "groups: item names share beginnings ({starts}). If these are people, write them in the "
                    "column group of items.csv, so that no person is in both training and test",
                    starts=common(starts, 4),
                )
            )
    _check_sides(people, items)
    return people


def _groups(cells: Mapping[str, str], items: Sequence[str]) -> bool:
    return len(cells) > len(items) / 2 and len(set(cells.values())) > 1


def _group_from_streams(
    people: People, items: Sequence[str], constant: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> None:
    for word in GROUPS:
        for stream, columns in constant.items():
            for name, cells in columns.items():
                if word in tokens(name) and _groups(cells, items):
                    people.group = dict(cells)
                    people.group_reason = sentence(
                        "column '{name}' of {stream} has one value in each item", name=name, stream=stream
                    )
                    return


def _starts(items: Sequence[str]) -> list[str]:
    """Beginnings that several items share and that are not the same for all: ``s01_a``, ``s01_b``, ``s02_a``."""
    starts: dict[str, int] = {}
    for item in items:
        words = re.split(r"[_\-. ]+", item)
        if len(words) > 1:
            starts[words[0]] = starts.get(words[0], 0) + 1
    several = sum(starts.values()) == len(items) and 1 < len(starts) <= len(items) / 2
    return sorted(starts) if several else []


def _check_sides(people: People, items: Sequence[str]) -> None:
    missing = [item for item in items if item not in people.side]
    if people.side and missing:
        people.doubts.append(
            sentence(
                "sides: {missing} have no side ({side_reason}); the column split is left out, since it "
                "must be filled for every item or for none",
                missing=common(missing),
                side_reason=people.side_reason,
            )
        )
        people.side = {}
    found: dict[str, str] = {}
    for item, side in people.side.items():
        group = people.group.get(item, item)
        if found.setdefault(group, side) != side:
            people.doubts.append(
                sentence(
                    "sides: group '{group}' is on two sides ({found} and {side}); correct items.csv",
                    group=group,
                    found=found[group],
                    side=side,
                )
            )
            return
