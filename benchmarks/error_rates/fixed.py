"""A fixed number of repeats: how often verdicts are wrong and how often right.

Every study is one comparison of two arms by N paired repeats. The rule of :mod:`reports.statistics.verdicts` is held
against what is often done instead: the paired t-test, Wilcoxon's signed ranks and the percentile bootstrap, each at
alpha and none of them corrected for overlapping splits. S studies, N repeats, B resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy.special import stdtr
from scipy.stats import wilcoxon

from mmcore.seeding import generator
from reports.statistics.comparisons import sign_flip_ps

ALPHA = 0.05
STUDIES = 10_000
REPEATS = (6, 10, 20)
EFFECT = 1.0
"""The difference where there is one, in deviations of the difference of one repeat."""

TEST, TRAIN = 8, 24
"""Groups of a split, where splits overlap."""

RESAMPLES = 2000
STUDIES_AT_ONCE = 500

SHAPES = {
    "normal": "both arms' scores are normal",
    "skewed": "both arms' scores are log-normal (σ = 1)",
    "heavy-tailed": "both arms' scores are Student's t with 3 degrees of freedom",
    "unlike arms": "the arm is mostly a little better and seldom much worse: 1 − an exponential",
}
FAIR = tuple(SHAPES)[:3]
"""Shapes under which two equally good arms could change places: what an exact p assumes."""


@dataclass(frozen=True)
class Cell:
    """One kind of study.

    Args:
        overlapping: whether splits are drawn anew from the same groups, so that differences share a common term.
        shape: one of :data:`SHAPES`.
        repeats: paired repeats.
        effect: mean difference in deviations of the difference.
    """

    overlapping: bool
    shape: str
    repeats: int
    effect: float

    @property
    def overlap(self) -> float:
        """n_test / n_train, 0 for independent splits."""
        return TEST / TRAIN if self.overlapping else 0.0


def cells(effect: float) -> list[Cell]:
    """Every kind of study with this effect, in the order of the table."""
    return [Cell(overlapping, shape, n, effect) for overlapping, shape, n in product((False, True), SHAPES, REPEATS)]


def simulate(cell: Cell, studies: int) -> np.ndarray:
    """Paired differences of many studies, differences_SN: mean the cell's effect, deviation 1.

    Overlapping splits share a common term with correlation ρ = n_test / (n_test + n_train), the correlation that
    Nadeau & Bengio 2003 assume (section 3).
    """
    name = f"calibration {'overlapping' if cell.overlapping else 'independent'} {cell.shape} {cell.effect}"
    rng = generator(0, name, index=cell.repeats)
    own_SN = _noise(rng, cell.shape, (studies, cell.repeats))
    correlation = TEST / (TEST + TRAIN) if cell.overlapping else 0.0
    common_S1 = _noise(rng, cell.shape, (studies, 1))
    return cell.effect + math.sqrt(correlation) * common_S1 + math.sqrt(1 - correlation) * own_SN


def _noise(rng: np.random.Generator, shape: str, size: tuple[int, int]) -> np.ndarray:
    """Differences of mean 0 and deviation 1."""
    two = (2, *size)
    match shape:
        case "normal":
            return rng.normal(size=size)
        case "skewed":
            arm, reference = rng.lognormal(size=two)
            return (arm - reference) / math.sqrt(2 * (math.e - 1) * math.e)
        case "heavy-tailed":
            arm, reference = rng.standard_t(3, size=two)
            return (arm - reference) / math.sqrt(2 * 3)
        case "unlike arms":
            return 1 - rng.exponential(size=size)
        case _:
            raise ValueError(shape)


def rule(differences_SN: np.ndarray, overlap: float) -> np.ndarray:
    """Whether the verdict on each study is ``better`` or ``worse``, without an equivalence margin.

    The same as :func:`reports.statistics.verdicts.decide` on each as a family of one comparison, many at once.
    """
    claims_S = _t_p(differences_SN, overlap) <= ALPHA
    # Both p values must be small: where the first is not, the costly one is not asked.
    claims_S[claims_S] = sign_flip_ps(differences_SN[claims_S]) <= ALPHA
    return claims_S


def naive_t(differences_SN: np.ndarray, overlap: float) -> np.ndarray:
    """Whether the paired t-test finds a difference; takes repeats as independent."""
    return _t_p(differences_SN, 0.0) <= ALPHA


def naive_wilcoxon(differences_SN: np.ndarray, overlap: float) -> np.ndarray:
    """Whether Wilcoxon's signed-rank test (exact) finds a difference; takes repeats as independent."""
    _, p_S = wilcoxon(differences_SN, axis=1, method="exact")
    return np.asarray(p_S) <= ALPHA


def naive_bootstrap(differences_SN: np.ndarray, overlap: float) -> np.ndarray:
    """Whether the percentile bootstrap's interval leaves out 0; takes repeats as independent.

    All studies share one set of resamples, which leaves each study's answer as it is.
    """
    times_BN = _times_drawn(differences_SN.shape[1])
    claims = []
    for start in range(0, len(differences_SN), STUDIES_AT_ONCE):
        positive_S = (times_BN @ differences_SN[start : start + STUDIES_AT_ONCE].T > 0).mean(axis=0)
        claims.append(np.minimum(positive_S, 1 - positive_S) <= ALPHA / 2)
    return np.concatenate(claims)


METHODS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "verdict rule": rule,
    "paired t": naive_t,
    "Wilcoxon": naive_wilcoxon,
    "bootstrap": naive_bootstrap,
}


@cache
def _times_drawn(n: int) -> np.ndarray:
    rng = generator(0, "calibration's percentile bootstrap", index=n)
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def _t_p(differences_SN: np.ndarray, overlap: float) -> np.ndarray:
    n = differences_SN.shape[1]
    deviation_S = differences_SN.std(axis=1, ddof=1) * math.sqrt(1 / n + overlap)
    return 2 * stdtr(n - 1, -np.abs(differences_SN.mean(axis=1)) / deviation_S)


@dataclass(frozen=True)
class Rates:
    """Shares of studies in which a method claims a difference.

    Args:
        better: that the arm is better.
        any: that it is better or worse; without an effect both are false.
    """

    better: float
    any: float


def rates(cell: Cell, studies: int) -> dict[str, Rates]:
    """What each of :data:`METHODS` claims on the same simulated studies."""
    differences_SN = simulate(cell, studies)
    positive_S = differences_SN.mean(axis=1) > 0
    found = {}
    for name, method in METHODS.items():
        claims_S = method(differences_SN, cell.overlap)
        found[name] = Rates(better=float((claims_S & positive_S).mean()), any=float(claims_S.mean()))
    return found


def error_row(cell: Cell, studies: int) -> str:
    """A line of the table of errors."""
    found = rates(cell, studies)
    return _line(_names(cell) + [_percent(r.any) for r in found.values()] + [_percent(found["verdict rule"].better)])


def power_row(cell: Cell, studies: int) -> str:
    """A line of the table of power."""
    return _line(_names(cell) + [_percent(r.better) for r in rates(cell, studies).values()])


def report(studies: int) -> str:
    """Both tables as Markdown."""
    names = ["splits", "scores", "repeats", *METHODS]
    errors = [error_row(cell, studies) for cell in cells(0.0)]
    power = [power_row(cell, studies) for cell in cells(EFFECT)]
    parts = [
        f"### No effect: share of {studies:,} studies with any claim, every one false (alpha = {100 * ALPHA:g} %)",
        "\n".join([_line([*names, "verdict rule, `better` alone"]), _rule(len(METHODS) + 1), *errors]),
        f"### An effect of {EFFECT:g} deviation: share of {studies:,} studies that find the arm better",
        "\n".join([_line(names), _rule(len(METHODS)), *power]),
    ]
    return "\n\n".join(parts)


def _names(cell: Cell) -> list[str]:
    return ["overlapping" if cell.overlapping else "independent", cell.shape, str(cell.repeats)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _rule(numbers: int) -> str:
    return "|---|---|--:|" + "--:|" * numbers
