"""The tables of the section about attention: every number behind its words, in full precision."""

from __future__ import annotations

import math
from typing import Literal, get_args

from mmcore.language import later
from reports.model.section import Table, plain_table
from reports.sections.attention.estimates import MEASURES, Attending, Compared, Correlation, Difference, Measure


def faithfulness_table(found: Attending) -> Table:
    """What rollout correlates with, by arm."""
    names: tuple[Correlation, ...] = ("occlusion", "gradient", "beyond", "nearness")
    words = (
        later("ρ with occlusion"),
        later("ρ with gradient × input"),
        later("ρ with nearness held fixed"),
        later("ρ of nearness alone"),
    )
    columns = ["arm", "label"]
    for word in words:
        columns += [word, "low", "high"]
    if any(found.ranked(arm) == "other steps" for arm in found.arms):
        columns += [later("other steps in rollout"), later("other steps in occlusion")]
    else:
        columns += [later("past in rollout"), later("past in occlusion")]
    columns += [later("stability of rollout over repeats"), "repeats"]
    rows = []
    for arm in found.arms:
        judged = found.faithfulness(arm)
        row: list[object] = [arm, judged.label]
        for name in names:
            rho = found.correlated(arm, name)
            row += [_known(rho.mean), _known(rho.low), _known(rho.high)]
        row += [_known(found.shared(found.past(arm, of)).mean) for of in get_args(Compared)]
        rows.append([*row, _known(found.stability(arm)), judged.correlation.n])
    return plain_table(columns, rows)


def layer_table(found: Attending) -> Table:
    """What heads do, by arm, place and layer; means over heads."""
    measures: tuple[Measure | Literal["own", "past"], ...] = ("entropy", "distance", "own", "past", "events", "apart")
    events = _LABEL_CHANGES if found.of_labels else _EDITS
    columns = ["arm", "place", "layer", *_LAYER_WORDS, events, later("distance between heads (0–1)"), "repeats"]
    rows = []
    for arm in found.arms:
        for place, layer in found.layers(arm):
            measured = [found.layer(arm, place, layer, name) for name in measures]
            rows.append([arm, place, layer + 1, *(_known(one.mean) for one in measured), measured[0].n])
    return plain_table(columns, rows)


_LAYER_WORDS = (
    later("entropy (1: as wide as it could)"), "distance", later("share on the own step"),
    later("share on earlier steps"),
)  # fmt: skip
_EDITS, _LABEL_CHANGES = (
    later("share on edits above equal weights"), later("share on label changes above equal weights")
)  # fmt: skip


def flow_table(found: Attending) -> Table:
    """Shares by arm, source, target and layer."""
    rows = [
        [arm, source, target, layer + 1, _known(share.mean), _known(share.low), _known(share.high), share.n]
        for arm in found.arms
        for (source, target, layer), share in found.flows(arm).items()
    ]
    return plain_table(["arm", "from", "to", "layer", "share", "low", "high", "repeats"], rows)


def difference_table(found: Attending) -> Table:
    """Each measure of each arm against the reference."""
    columns = [
        "arm", "against", "measure", "difference", "low", "high", "p", "p corrected", "outcome", "ICC of the measure",
        "repeats",
    ]  # fmt: skip
    agreement: dict[Measure, float | None] = {name: _known(found.agreement(name)) for name in MEASURES}
    return plain_table(columns, [_compared_row(found, d, agreement) for d in found.differences])


def _compared_row(found: Attending, d: Difference, agreement: dict[Measure, float | None]) -> list[object]:
    difference = d.test.estimate
    outcome = {"above": "higher", "below": "lower", "open": "undecided"}.get(d.test.outcome, d.test.outcome)
    numbers = (_known(difference.mean), _known(difference.low), _known(difference.high))
    return [
        d.arm, d.reference, found.measure_words(d.measure), *numbers, d.test.paired.p, d.test.p, outcome,
        agreement[d.measure], difference.n,
    ]  # fmt: skip


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
