"""Repeats added until the repeats decide, where all of them test the same items: what is then said of new items.

The learner is the one of :mod:`benchmarks.error_rates.families`. A comparison of the metric is looked at after 6, 8, …
20 repeats. It stops as soon as the repeats alone decide it, and only then are the groups of items asked, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from benchmarks.error_rates.families import LUCKS, Cell, Design, Trained, simulate
from benchmarks.error_rates.fixed import ALPHA
from benchmarks.error_rates.learner import CLAIMS, EFFECT
from reports.statistics.new_items import on_new_items
from reports.statistics.sequential import Rule, compare_sequentially
from reports.statistics.verdicts import THESE_ITEMS, Verdict, decide

STUDIES = 1000
RULE = Rule(6, 20, 2)
GROUPS = (10, 30, 60)
SHARED: tuple[Design, ...] = ("once", "given")
CELLS = tuple(Cell(d, luck, "normal", groups, repeats=RULE.most) for d, luck, groups in product(SHARED, LUCKS, GROUPS))


@dataclass(frozen=True)
class Stopped:
    """One family at its last look.

    Args:
        verdict: on the metric. alone: by the repeats alone, which decide when to stop. repeats: at that look.
    """

    verdict: Verdict
    alone: Verdict
    repeats: int


def follow(cell: Cell, trained: Trained, rule: Rule = RULE) -> Stopped:
    """Look until the repeats decide or are used up, then ask the groups of items."""
    arm_R, other_R = trained.skill_ARX[..., 0]
    looks = compare_sequentially(arm_R, other_R, rule, upto=rule.most, alpha=ALPHA)
    words: list[Verdict] = [decide([look], alpha=ALPHA)[0].verdict for look in looks]
    last = next((at for at, word in enumerate(words) if word in CLAIMS), len(looks) - 1)
    n = rule.looks[last]
    new_items = on_new_items(
        (arm_R - other_R)[:n], trained.resampled_RBX()[:n, :, 0], cell.sides[0], alpha=ALPHA, left_out=cell.left_out
    )
    decision = decide([replace(looks[last], shared=True, new_items=new_items)], alpha=ALPHA)[0]
    return Stopped(decision.verdict, words[last], n)


def row(cell: Cell, studies: int) -> str:
    """A line of either table: claims of any kind without an effect, ``better`` with one."""
    found = [follow(cell, trained) for trained in simulate(cell, studies)]
    counted = ("better",) if cell.effect else CLAIMS

    def share(words: Iterator[str], ending: str = "") -> str:
        return f"{100 * np.mean([word in [c + ending for c in counted] for word in words]):.1f} %"

    shares = [
        share(f.verdict for f in found),
        share((f.verdict for f in found), THESE_ITEMS),
        share(f.alone for f in found),
    ]
    return _line([cell.design, cell.luck, str(cell.groups), *shares, f"{np.mean([f.repeats for f in found]):.1f}"])


def report(studies: int) -> str:
    """Both tables as Markdown; that of power rests on a quarter of the families."""
    names = ["design", "luck", "groups", "new items", "on these items alone", "repeats alone", "mean repeats"]
    head = [_line(names), "|---|---|--:|--:|--:|--:|--:|"]
    some, found = max(1, studies // 4), []
    for effect, families, what in ((0.0, studies, "with any claim"), (EFFECT, some, "that find the arm better")):
        title = "no effect" if not effect else "an effect"
        rows = [row(replace(cell, effect=effect), families) for cell in CELLS if not effect or cell.luck == "seed"]
        found += [f"### A real learner, repeats added, {title}: share of {families:,} families {what}"]
        found += ["\n".join([*head, *rows])]
    return "\n\n".join(found)


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"
