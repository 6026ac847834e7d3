"""A modality with no information: every item reads another item's values in its place.

A fused model differs from a model with fewer modalities in its parameters, its operations and what it may overfit. The
placebo of a modality keeps all of that and removes only the information that the values hold about the item. I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmcore.data.prepared import OWN, Placebo, Prepared, PreparedItem
from mmcore.data.splits import Split
from mmcore.errors import SplitError
from mmcore.seeding import generator


def with_placebos(prepared: Prepared, names: Sequence[str], split: Split, repeat: int) -> Prepared:
    """The store as a run reads it: each named modality of an item is another item's. Targets stay the item's own.

    On each side of the split by itself, every item that has the modality gets a donor among those that have it, of
    another group where there is one; never itself. No item gives twice, unless one group has more than half of the
    items: then the others give to it in turn. A random turn of the donor's stream takes away what the time within an
    item would show. The donor's gaps come with its values. An item that lacks the modality still lacks it, so every
    side keeps its combinations of missing modalities: the placebo is about values, not about which items have them.

    The draw is a function of (repeat, modality, side, groups and names of its items) alone; several placebos have
    different donors, so together they hold no more information than each alone.

    Args:
        prepared: the store; its arrays are shared, not copied.
        names: modalities of the corpus; () gives the store back.
        split: of the repeat.
        repeat: decides the draw.

    Raises:
        SplitError: only one item of a side has the modality, so no other item can give it values.
    """
    if not names:
        return prepared
    placebos = {name: _drawn(prepared, name, split, repeat) for name in names}
    return replace(prepared, placebos=placebos)


def _drawn(prepared: Prepared, name: str, split: Split, repeat: int) -> Placebo:
    items, m = prepared.items, list(prepared.schema.modalities).index(name)
    donor_I, turn_I = np.full(len(items), OWN, np.int64), np.zeros(len(items), np.int64)
    for side in ("train", "validation", "test"):
        having = [i for i in getattr(split, side) if items[i].has[m]]
        if len(having) == 1:
            raise SplitError(
                f"the placebo of '{name}' needs another item of the {side} side that has '{name}'",
                expected="2 items or more with the modality on each side, or none",
                found=f"'{items[having[0]].name}' alone",
                next_step=f"Make the {side} side larger under split, or leave '{name}' out of data.placebo",
            )
        rng = generator(repeat, f"placebo/{name}/{side}")
        for item, donor in _pairs(items, having, rng):
            donor_I[item] = donor
            turn_I[item] = rng.integers(items[donor].steps)
    return Placebo(items, donor_I, turn_I)


def _pairs(items: Sequence[PreparedItem], having: Sequence[int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Item and donor: of two groups where there are two, else two items.

    Items stand in a circle, group by group. A step of at least the largest group's size leaves every group, and one of
    at most the rest's size does not come round to it again.
    """
    by_group: dict[str, list[int]] = {}
    for i in sorted(having, key=lambda i: items[i].name):
        by_group.setdefault(items[i].group, []).append(i)
    groups = [by_group[g] for g in sorted(by_group)]
    if len(groups) == 1:
        # Within a single group another item is the best that can be had.
        groups = [[i] for i in groups[0]]
    circle = [int(i) for g in rng.permutation(len(groups)) for i in rng.permutation(groups[g])]
    n, largest = len(circle), max(groups, key=len, default=[])
    if 2 * len(largest) <= n:
        step = int(rng.integers(len(largest), n - len(largest) + 1)) if n else 0
        return [(item, circle[(at + step) % n]) for at, item in enumerate(circle)]
    inside = [i for i in circle if i in set(largest)]
    outside = [i for i in circle if i not in set(largest)]
    return [
        *((item, outside[at % len(outside)]) for at, item in enumerate(inside)),
        *((item, inside[at]) for at, item in enumerate(outside)),
    ]
