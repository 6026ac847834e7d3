"""The stratum of every group: what ``split.stratify`` asks each side to hold its share of."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mmcore.config import SplitConfig
from mmcore.data.normalisation import counted_targets
from mmcore.data.prepared import Prepared
from mmcore.errors import ConfigError, nearest


def strata_of(prepared: Prepared, config: SplitConfig) -> dict[str, str] | None:
    """Group to stratum; None where nothing is stratified.

    A group's stratum is the value that most of its items have in a column of ``items.csv``, or the class that most of
    its counted targets have, all tracks together; the first in order where several are equally frequent, and the empty
    text where a group has no target. A column goes before a target of the same name.

    Raises:
        ConfigError: ``split.stratify`` names neither a column nor a target with classes.
    """
    name = config.stratify
    if name is None:
        return None
    targets = prepared.schema.targets
    columns = [*prepared.items[0].metadata] if prepared.items else []
    classes = [parameter.name for parameter in targets.parameters if parameter.kind != "continuous"]
    if name not in (*columns, *classes):
        raise ConfigError(
            "split.stratify names a column of items.csv or a target with classes",
            expected=" or ".join((*columns, *classes)) or "nothing, since this corpus has neither",
            found=f"'{name}'",
            next_step=nearest(name, [*columns, *classes]),
            where="split.stratify",
        )
    seen: dict[str, Counter[str]] = {}
    for index, item in enumerate(prepared.items):
        count = seen.setdefault(item.group, Counter())
        if name in columns:
            count[item.metadata[name]] += 1
            continue
        at = [parameter.name for parameter in targets.parameters].index(name)
        codes = counted_targets(prepared, index)[:, at]
        values, counts = np.unique(codes[~np.isnan(codes)].astype(int), return_counts=True)
        count.update({str(value): int(times) for value, times in zip(values, counts, strict=True)})
    return {group: min(count, key=lambda value: (-count[value], value), default="") for group, count in seen.items()}
