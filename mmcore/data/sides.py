"""What each side of a split holds and lacks: modalities, classes, targets that move. K tracks, P parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcore.data.normalisation import counted_targets
from mmcore.data.prepared import Prepared
from mmcore.errors import SplitError
from mmcore.facts import Labels


def absent_from(prepared: Prepared, items: Sequence[int]) -> dict[str, int]:
    """Modality to the number of these items that lack it, in the order of the schema."""
    return {m: sum(not prepared.items[i].has[at] for i in items) for at, m in enumerate(prepared.schema.modalities)}


def labels_of(prepared: Prepared, items: Sequence[int]) -> dict[str, Labels]:
    """What there is to predict in these items, all tracks together, by parameter."""
    facts: dict[str, Labels] = {}
    parameters = prepared.schema.targets.parameters
    counts = np.zeros(len(parameters), int)
    low_P, high_P = np.full(len(parameters), np.inf), np.full(len(parameters), -np.inf)
    of_class = [np.zeros(p.outputs, int) for p in parameters]
    for index in items:
        values_NP = counted_targets(prepared, index)
        known_NP = ~np.isnan(values_NP)
        counts += known_NP.sum(axis=0)
        if len(values_NP):
            low_P, high_P = np.fmin(low_P, np.fmin.reduce(values_NP)), np.fmax(high_P, np.fmax.reduce(values_NP))
        for p, parameter in enumerate(parameters):
            if parameter.kind != "continuous":
                codes = values_NP[known_NP[:, p], p].astype(int)
                of_class[p] += np.bincount(codes, minlength=parameter.outputs)
    for p, parameter in enumerate(parameters):
        names = parameter.labels or tuple(str(code) for code in range(parameter.outputs))
        classes = None if parameter.kind == "continuous" else dict(zip(names, of_class[p].tolist(), strict=True))
        constant = bool(counts[p]) and bool(low_P[p] == high_P[p])
        facts[parameter.name] = Labels(int(counts[p]), classes, constant)
    return facts


def refuse_untrained(prepared: Prepared, train: Sequence[int], read: Sequence[str]) -> None:
    """Whether training has anything to learn from and anything to learn.

    Args:
        train: item indices.
        read: modalities that the model reads, in training and when it is tested.

    Raises:
        SplitError: every training item lacks each of these modalities, or no training item has a target.
    """
    absent = absent_from(prepared, train)
    if all(absent[name] == len(train) for name in read):
        raise SplitError(
            "a model must read a modality that it was trained on",
            expected=f"{' or '.join(read)} in at least one training item",
            found=f"none of them in all {len(train)} training items",
            next_step="Let the model read other modalities (model.modalities), or give training items that have them: "
            "correct the column split of items.csv, or stratify the split by a column (split.stratify)",
            where="model.modalities",
        )
    if not any(fact.count for fact in labels_of(prepared, train).values()):
        names = [prepared.items[index].name for index in train]
        raise SplitError(
            "the training side needs at least one target",
            found=f"none in {len(train)} items ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})",
            next_step=f"Fill the table '{prepared.schema.targets.from_}' of these items, or correct the column split "
            "of items.csv",
        )


def remarks(prepared: Prepared, side: str, items: Sequence[int]) -> list[str]:
    """What a person should know of a side before a model is trained: texts for notes, [] where all is well."""
    words = {"train": "training"}.get(side, side)
    texts = [
        f"modality '{name}' is absent from all {len(items)} {words} items"
        for name, count in absent_from(prepared, items).items()
        if count == len(items)
    ]
    facts = labels_of(prepared, items)
    if not any(fact.count for fact in facts.values()):
        return [*texts, f"no {words} item has a target"]
    empty = [name for name, fact in facts.items() if not fact.count]
    still = [name for name, fact in facts.items() if fact.count and fact.constant]
    if empty:
        texts.append(f"no {words} item has a target {_some(empty)}")
    if len(still) == 1:
        texts.append(f"target '{still[0]}' never varies in the {words} items")
    elif still:
        texts.append(f"targets {_some(still)} never vary in the {words} items")
    return texts


def _some(names: Sequence[str]) -> str:
    """Up to four names; of an edit's twelve parameters, most may never move."""
    shown = [f"'{name}'" for name in names[: 4 if len(names) > 5 else 5]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 5 else "")
