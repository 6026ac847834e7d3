"""A fixed study whose advice is followed: how often it claims what is not there.

Every study is one comparison of equally good arms. It is looked at by the rule of
:mod:`reports.statistics.verdicts`; where it is undecided, as many repeats are added as the verdict says would decide,
and all of them are looked at again, at the whole of alpha. S studies, N repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.error_rates.fixed import ALPHA, TEST, TRAIN
from mmcore.seeding import generator
from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide

STUDIES = 10_000
MOST = 40
"""Repeats beyond which nobody goes on: advice that asks for more is not followed."""


@dataclass(frozen=True)
class Cell:
    """One kind of study: whether its splits overlap, and the repeats at which it is looked at first."""

    overlapping: bool
    first: int

    @property
    def overlap(self) -> float:
        """n_test / n_train, 0 for independent splits."""
        return TEST / TRAIN if self.overlapping else 0.0


CELLS = tuple(Cell(overlapping, first) for overlapping in (False, True) for first in (8, 12))


def simulate(cell: Cell, studies: int) -> np.ndarray:
    """Paired differences of many studies, differences_SN with N = :data:`MOST`: normal, mean 0, deviation 1.

    Where splits overlap repeats share a common term, as in :func:`benchmarks.error_rates.fixed.simulate`.
    """
    name = f"advice calibration {'overlapping' if cell.overlapping else 'independent'}"
    rng = generator(0, name, index=cell.first)
    own_SN, common_S1 = rng.normal(size=(studies, MOST)), rng.normal(size=(studies, 1))
    correlation = TEST / (TEST + TRAIN) if cell.overlapping else 0.0
    return math.sqrt(correlation) * common_S1 + math.sqrt(1 - correlation) * own_SN


@dataclass(frozen=True)
class Followed:
    """One study.

    Args:
        looks: repeats at each look, rising.
        claims: whether the last look says ``better`` or ``worse``; no look before it does.
    """

    looks: tuple[int, ...]
    claims: bool

    def claims_by(self, look: int) -> bool:
        """Whether it claims anything at that look, counted from 1, or before."""
        return self.claims and len(self.looks) <= look


def follow(differences_N: np.ndarray, first: int, overlap: float) -> Followed:
    """Look at the first repeats, then follow the advice until it is decided or would take more than there are."""
    looks = [first]
    while True:
        n = looks[-1]
        decision = decide([compare(differences_N[:n], np.zeros(n), alpha=ALPHA, overlap=overlap)], alpha=ALPHA)[0]
        if decision.more is None or n + decision.more > len(differences_N):
            return Followed(tuple(looks), decision.verdict in ("better", "worse"))
        looks.append(n + decision.more)


def error_row(cell: Cell, studies: int) -> str:
    """A line of the table."""
    found = [follow(d_N, cell.first, cell.overlap) for d_N in simulate(cell, studies)]
    shares = [np.mean([study.claims_by(look) for study in found]) for look in (1, 2, MOST)]
    repeats = np.mean([study.looks[-1] for study in found])
    splits = "overlapping" if cell.overlapping else "independent"
    return _line([splits, str(cell.first), *(f"{100 * share:.1f} %" for share in shares), f"{repeats:.1f}"])


def report(studies: int) -> str:
    """The table as Markdown."""
    names = ["splits", "first look", "at the first look", "advice followed once", f"until decided, to {MOST}"]
    title = (
        f"### Advice followed, no effect: share of {studies:,} studies with any claim, every one false "
        f"(alpha = {100 * ALPHA:g} %)"
    )
    rows = [error_row(cell, studies) for cell in CELLS]
    return f"{title}\n\n" + "\n".join([_line([*names, "mean repeats"]), "|---|--:|--:|--:|--:|--:|", *rows])


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"
