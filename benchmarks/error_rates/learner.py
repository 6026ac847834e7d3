"""A real learner on simulated corpora: how often verdicts are wrong and how often right, by design and groups.

Every family of :mod:`benchmarks.error_rates.families` is judged by the functions that reports call. Without an effect a
``better`` or ``worse`` is a false claim about new items.

R repeats, X: the metric, then the components; B resamples of groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.error_rates.families import CELLS, Cell, Trained, simulate
from benchmarks.error_rates.fixed import ALPHA
from reports.statistics.comparisons import Paired, compare
from reports.statistics.new_items import on_new_items
from reports.statistics.verdicts import THESE_ITEMS, Verdict, decide

STUDIES = 2000
EFFECT = 0.8
"""By how much more the first modality weighs where there is an effect; its weight is about 1."""


def paired(cell: Cell, trained: Trained) -> list[Paired]:
    """First arm against second on the metric and on each component, as a report compares them."""
    skill_ARX = trained.skill_ARX
    found = [
        compare(arm, other, overlap=cell.overlap) for arm, other in zip(*skill_ARX.transpose(0, 2, 1), strict=True)
    ]
    if not cell.shared:
        return found
    resampled_RBX, groups = trained.resampled_RBX(), cell.sides[0]
    difference_RX = skill_ARX[0] - skill_ARX[1]
    return [
        replace(
            one,
            shared=True,
            new_items=on_new_items(difference_RX[:, x], resampled_RBX[..., x], groups, left_out=cell.left_out),
        )
        for x, one in enumerate(found)
    ]


@dataclass(frozen=True)
class Words:
    """Verdicts on one family: on the metric, and on the components as a family of their own.

    Args:
        metric, components: by the rule. metric_alone, components_alone: by the repeats alone, whatever they tested.
    """

    metric: Verdict
    components: tuple[Verdict, ...]
    metric_alone: Verdict
    components_alone: tuple[Verdict, ...]


def verdicts(cell: Cell, trained: Trained) -> Words:
    """What a report says of the family, and what it would say by the repeats alone."""
    found = paired(cell, trained)
    alone = [replace(one, shared=False, new_items=None) for one in found]

    def words(family: Sequence[Paired]) -> tuple[Verdict, ...]:
        return tuple(decision.verdict for decision in decide(family, alpha=ALPHA))

    return Words(words(found[:1])[0], words(found[1:]), words(alone[:1])[0], words(alone[1:]))


CLAIMS = ("better", "worse")


@dataclass(frozen=True)
class Rates:
    """Shares of families with a claim.

    Args:
        metric, component, either: ``better`` or ``worse`` on the metric; on any component; on any of them.
        metric_alone, component_alone: the same by the repeats alone.
        these_items: ``better on these items`` or ``worse on these items`` on the metric.
        found, found_here, found_alone: ``better`` on the metric; ``better on these items``; ``better`` by the repeats
            alone.
        found_component: ``better`` on a component, mean over the components.
    """

    metric: float
    component: float
    either: float
    metric_alone: float
    component_alone: float
    these_items: float
    found: float
    found_here: float
    found_alone: float
    found_component: float


def rates(cell: Cell, studies: int) -> Rates:
    """How often families of this kind get a claim."""
    every = [verdicts(cell, trained) for trained in simulate(cell, studies)]

    def share(claims: Iterator[bool]) -> float:
        return float(np.mean(list(claims)))

    def any_component(words: tuple[Verdict, ...]) -> bool:
        return any(word in CLAIMS for word in words)

    return Rates(
        metric=share(w.metric in CLAIMS for w in every),
        component=share(any_component(w.components) for w in every),
        either=share(w.metric in CLAIMS or any_component(w.components) for w in every),
        metric_alone=share(w.metric_alone in CLAIMS for w in every),
        component_alone=share(any_component(w.components_alone) for w in every),
        these_items=share(w.metric in [f"{claim}{THESE_ITEMS}" for claim in CLAIMS] for w in every),
        found=share(w.metric == "better" for w in every),
        found_here=share(w.metric == f"better{THESE_ITEMS}" for w in every),
        found_alone=share(w.metric_alone == "better" for w in every),
        found_component=share(word == "better" for w in every for word in w.components),
    )


def error_row(cell: Cell, studies: int) -> str:
    """A line of the table of errors."""
    r = rates(cell, studies)
    numbers = (r.metric, r.component, r.either, r.metric_alone, r.component_alone, r.these_items)
    return _line([*_names(cell), *map(_percent, numbers)])


def power_row(cell: Cell, studies: int) -> str:
    """A line of the table of power."""
    r = rates(cell, studies)
    return _line([*_names(cell), *map(_percent, (r.found, r.found_component, r.found_here, r.found_alone))])


def report(studies: int) -> str:
    """Both tables as Markdown; that of power rests on a quarter of the families."""
    some = max(1, studies // 4)
    names = ["design", "luck", "tails", "groups"]
    errors = ["metric", "any component", "either", "repeats alone: metric", "repeats alone: any component"]
    power = ["metric", "one component", "on these items alone", "repeats alone"]
    parts = [
        f"### A real learner, no effect: share of {studies:,} families with any claim, every one false "
        f"(alpha = {100 * ALPHA:g} %)",
        "\n".join(
            [
                _line([*names, *errors, "on these items alone"]),
                _rule(names, len(errors) + 1),
                *(error_row(cell, studies) for cell in CELLS),
            ]
        ),
        f"### A real learner, an effect: share of {some:,} families that find the arm better",
        "\n".join(
            [
                _line([*names, *power]),
                _rule(names, len(power)),
                *(power_row(replace(cell, effect=EFFECT), some) for cell in CELLS if cell.luck == "seed"),
            ]
        ),
    ]
    return "\n\n".join(parts)


def _names(cell: Cell) -> list[str]:
    return [cell.design, cell.luck, cell.tails, str(cell.groups)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _rule(names: Sequence[str], numbers: int) -> str:
    return "|" + "---|" * (len(names) - 1) + "--:|" * (numbers + 1)
