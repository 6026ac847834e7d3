"""A fixed study to which repeats are added by hand if it is undecided: what it claims, and what check ABL046 doubts.

Every study is one comparison of equally good arms, so every claim is false. It is looked at by the rule of
:mod:`reports.statistics.verdicts`. Where it is undecided, repeats are added, and all of them are looked at again, at
the whole of alpha. Beside this stand what the report advises instead, fresh repeats that are judged alone, and what it
advises against, a stopping rule that is declared after the first look. S studies, N repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.error_rates import sequential
from benchmarks.error_rates.fixed import ALPHA, TEST, TRAIN, rule
from mmcore.seeding import generator
from reports.model.report import ComparisonRow
from reports.records.looks import Look, LookedAt, PlannedRepeats, SeenRun
from reports.statistics.comparisons import compare
from reports.statistics.sequential import Rule
from reports.statistics.verdicts import decide
from reports.verdicts.looks import claim_after

STUDIES = 10_000
LATE = 30
"""Repeats at most of the rule that is declared after the first look."""
ARMS = ("arm", "reference")


@dataclass(frozen=True)
class Cell:
    """One kind of study: whether its splits overlap, its repeats at first, and with those that are added."""

    overlapping: bool
    first: int
    then: int

    @property
    def overlap(self) -> float:
        """n_test / n_train, 0 for independent splits."""
        return TEST / TRAIN if self.overlapping else 0.0

    @property
    def drawn(self) -> int:
        """Repeats that are simulated: those of the study, and as many fresh ones as it has in the end."""
        return max(LATE, self.first + self.then)


CELLS = tuple(Cell(overlapping, *n) for overlapping in (False, True) for n in ((6, 10), (8, 12), (10, 15)))


def simulate(cell: Cell, studies: int) -> np.ndarray:
    """Paired differences of many studies, differences_SN: normal, mean 0, deviation 1.

    Where splits overlap repeats share a common term, as in :func:`benchmarks.error_rates.fixed.simulate`.
    """
    name = f"extended calibration {'overlapping' if cell.overlapping else 'independent'}"
    rng = generator(0, name, index=cell.first)
    own_SN, common_S1 = rng.normal(size=(studies, cell.drawn)), rng.normal(size=(studies, 1))
    correlation = TEST / (TEST + TRAIN) if cell.overlapping else 0.0
    return math.sqrt(correlation) * common_S1 + math.sqrt(1 - correlation) * own_SN


@dataclass(frozen=True)
class Extended:
    """One study.

    Args:
        first: whether the first look claims something; then nothing is added.
        later: whether the second one does. doubted: whether the check doubts that claim.
        fresh: whether fresh repeats by themselves claim something, in place of those that are added.
    """

    first: bool
    later: bool
    doubted: bool
    fresh: bool


def extend(differences_N: np.ndarray, cell: Cell) -> Extended:
    """Look, and look again with more repeats where the first look is undecided."""
    one = _look(differences_N[: cell.first], cell.overlap)
    if one.verdict != "undecided":
        return Extended(one.verdict in ("better", "worse"), False, False, False)
    two = _look(differences_N[: cell.then], cell.overlap)
    seen = LookedAt(arm="arm", reference="reference", component=None, n=cell.first, verdict=one.verdict)
    planned = PlannedRepeats(repeats=cell.first)
    looks = [Look(planned=planned, metric="skill", comparisons=(seen,), runs=_runs(cell.first))]
    doubt = claim_after(looks, two, {(run.arm, run.fingerprint) for run in _runs(cell.then)})
    fresh = _look(differences_N[cell.first : cell.first + cell.then], cell.overlap)
    return Extended(False, _claims(two), doubt is not None, _claims(fresh))


def _look(differences_N: np.ndarray, overlap: float) -> ComparisonRow:
    paired = compare(differences_N, np.zeros(len(differences_N)), alpha=ALPHA, overlap=overlap)
    return ComparisonRow(*ARMS, None, paired, decide([paired], alpha=ALPHA)[0], None)


def _claims(row: ComparisonRow) -> bool:
    return row.verdict in ("better", "worse")


def _runs(repeats: int) -> tuple[SeenRun, ...]:
    return tuple(SeenRun(arm=arm, repeat=r, fingerprint=f"{arm} {r}") for r in range(repeats) for arm in ARMS)


def declared_late(differences_SN: np.ndarray, cell: Cell) -> np.ndarray:
    """What a stopping rule claims that is declared after the first look and begins with its repeats; claims_S."""
    found = sequential.follow(differences_SN[:, None, :LATE], cell.overlap, Rule(cell.first, LATE))
    return found.claims_SC[:, 0] != 0


def error_row(cell: Cell, studies: int) -> str:
    """A line of the table."""
    d_SN = simulate(cell, studies)
    # All studies at once; the check is asked only where there is a claim to doubt.
    first, then = rule(d_SN[:, : cell.first], cell.overlap), rule(d_SN[:, : cell.then], cell.overlap)
    fresh = ~first & rule(d_SN[:, cell.first : cell.first + cell.then], cell.overlap)
    later, doubted = ~first & then, np.zeros(studies, bool)
    for study in np.flatnonzero(later):
        doubted[study] = extend(d_SN[study], cell).doubted
    late = first | declared_late(d_SN, cell)
    shares = [first, first | later, later & doubted, (first | later) & ~doubted, fresh, late]
    splits = "overlapping" if cell.overlapping else "independent"
    return _line([splits, f"{cell.first}, then {cell.then}", *(f"{100 * np.mean(s):.1f} %" for s in shares)])


def report(studies: int) -> str:
    """The table as Markdown."""
    names = [
        "splits", "repeats", "at the first look", "in the end", "of them doubted", "not doubted", "fresh repeats alone",
        f"rule to {LATE} declared late",
    ]  # fmt: skip
    title = (
        f"### Repeats added by hand, no effect: share of {studies:,} studies with any claim, every one false "
        f"(alpha = {100 * ALPHA:g} %)"
    )
    rows = [error_row(cell, studies) for cell in CELLS]
    return f"{title}\n\n" + "\n".join([_line(names), "|---|---|--:|--:|--:|--:|--:|--:|", *rows])


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"
