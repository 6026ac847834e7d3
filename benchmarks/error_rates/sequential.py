"""Repeats added until comparisons are decided: how often verdicts are wrong, how often right, and what is saved.

Every study compares C arms with one reference, on 6 to 30 repeats. The rule is the one of
:mod:`reports.statistics.sequential` and :mod:`reports.statistics.verdicts`, many studies at once; so that this takes
minutes, it follows :data:`ENUMERATED` pairs' patterns instead of 16, at Holm's levels alone. It is held against the
rule at the fixed maximum, and against looking as often without paying for it.

S studies, C comparisons, N repeats, K looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from benchmarks.error_rates.fixed import ALPHA, TEST, TRAIN
from mmcore.seeding import generator
from reports.statistics.sequential import Rule
from reports.statistics.spending import critical_t, sign_flip_rungs, t_of, t_rungs

STUDIES = 2000
COMPARISONS = 3
RULE = Rule(6, 30)
EFFECTS = (0.5, 0.8, 1.2)
"""Differences in deviations of the difference of one repeat."""

ENUMERATED = 11
"""Pairs whose sign patterns are all followed, here; the level is exact for any number."""

STUDIES_AT_ONCE = 250

SHAPES = {
    "normal": 1.0,
    "skewed": math.sqrt((math.e - 1) * math.e),
    "heavy-tailed": math.sqrt(3),
}
"""How scores of arms are distributed, with their deviation; see :data:`benchmarks.error_rates.fixed.SHAPES`."""

LEVELS = tuple(ALPHA / i * (1 - 1e-12) for i in range(COMPARISONS, 0, -1))


@dataclass(frozen=True)
class Cell:
    """One kind of study; ``effect`` is that of every arm against the reference."""

    overlapping: bool
    shape: str
    effect: float

    @property
    def overlap(self) -> float:
        """n_test / n_train, 0 for independent splits."""
        return TEST / TRAIN if self.overlapping else 0.0


NULLS = tuple(Cell(overlapping, shape, 0.0) for overlapping in (False, True) for shape in SHAPES)
REAL = tuple(Cell(overlapping, "normal", effect) for overlapping in (False, True) for effect in EFFECTS)


def simulate(cell: Cell, studies: int) -> np.ndarray:
    """Paired differences of many studies, differences_SCN: mean the cell's effect, deviation 1.

    The arms share their reference, so that comparisons depend on one another (correlation 1/2). Where splits overlap,
    each arm has a term that all its repeats share, with the correlation that Nadeau & Bengio 2003 assume.
    """
    name = f"sequential calibration {'overlapping' if cell.overlapping else 'independent'} {cell.shape} {cell.effect}"
    rng, arms = generator(0, name), COMPARISONS + 1
    own_SAN = _scores(rng, cell.shape, (studies, arms, RULE.most))
    common_SA1 = _scores(rng, cell.shape, (studies, arms, 1))
    correlation = TEST / (TEST + TRAIN) if cell.overlapping else 0.0
    score_SAN = math.sqrt(correlation) * common_SA1 + math.sqrt(1 - correlation) * own_SAN
    return cell.effect + (score_SAN[:, 1:] - score_SAN[:, :1]) / (math.sqrt(2) * SHAPES[cell.shape])


def _scores(rng: np.random.Generator, shape: str, size: tuple[int, ...]) -> np.ndarray:
    match shape:
        case "normal":
            return rng.normal(size=size)
        case "skewed":
            return rng.lognormal(size=size)
        case "heavy-tailed":
            return rng.standard_t(3, size=size)
        case _:
            raise ValueError(shape)


@dataclass(frozen=True)
class Outcome:
    """What became of each comparison of each study.

    Args:
        claims_SC: 1 better, −1 worse, 0 neither. repeats_SC: at the look where it stopped, or the last.
    """

    claims_SC: np.ndarray
    repeats_SC: np.ndarray


def follow(differences_SCN: np.ndarray, overlap: float, rule: Rule = RULE) -> Outcome:
    """The sequential rule on many studies; a rule with a single look is the fixed study."""
    chunks = range(0, len(differences_SCN), STUDIES_AT_ONCE)
    found = [_follow(differences_SCN[i : i + STUDIES_AT_ONCE], overlap, rule) for i in chunks]
    return Outcome(
        np.concatenate([outcome.claims_SC for outcome in found]),
        np.concatenate([outcome.repeats_SC for outcome in found]),
    )


def _follow(differences_SCN: np.ndarray, overlap: float, rule: Rule) -> Outcome:
    studies, comparisons, repeats = differences_SCN.shape
    looks, shares = rule.looks, [rule.share(n) for n in rule.looks]
    d_PN = differences_SCN.reshape(-1, repeats)
    critical_KL = critical_t(looks, shares, overlap, LEVELS)
    levels = np.array([*LEVELS, 1.0])
    shape = (studies, comparisons, len(looks))
    p_SCK = levels[sign_flip_rungs(d_PN, looks, shares, LEVELS, ENUMERATED)].reshape(shape)
    p_t_SCK = levels[t_rungs(d_PN, looks, overlap, critical_KL)].reshape(shape)
    claims_SC, repeats_SC = np.zeros((studies, comparisons)), np.full((studies, comparisons), rule.most)
    p_SC, p_t_SC = np.ones((studies, comparisons)), np.ones((studies, comparisons))
    for look, n in enumerate(looks):
        open_SC = claims_SC == 0
        p_SC, p_t_SC = np.where(open_SC, p_SCK[..., look], p_SC), np.where(open_SC, p_t_SCK[..., look], p_t_SC)
        t_SC = t_of(d_PN, n, overlap).reshape(studies, comparisons)
        hold_SC = (_holm(p_SC) <= ALPHA) & ((_holm(p_t_SC) if overlap else p_t_SC) <= ALPHA)
        # The interval at this look leaves out 0.
        new_SC = open_SC & hold_SC & (np.abs(t_SC) > critical_KL[look, -1])
        claims_SC[new_SC], repeats_SC[new_SC] = np.sign(t_SC[new_SC]), n
    return Outcome(claims_SC, repeats_SC)


def _holm(p_SC: np.ndarray) -> np.ndarray:
    """Holm's p of many families."""
    order_SC = np.argsort(p_SC, axis=1, kind="stable")
    factors = np.arange(p_SC.shape[1], 0, -1)
    adjusted_SC = np.minimum(1, np.maximum.accumulate(np.take_along_axis(p_SC, order_SC, axis=1) * factors, axis=1))
    found_SC = np.empty_like(p_SC)
    np.put_along_axis(found_SC, order_SC, adjusted_SC, axis=1)
    return found_SC


def peek(differences_SCN: np.ndarray, overlap: float) -> np.ndarray:
    """Whether looking at every look at the whole of alpha claims anything: the corrected t-test with Holm; claims_S."""
    studies, comparisons, repeats = differences_SCN.shape
    claims_S = np.zeros(studies, dtype=bool)
    for n in RULE.looks:
        t_P = np.abs(t_of(differences_SCN.reshape(-1, repeats), n, overlap))
        claims_S |= (_holm(2 * stdtr(n - 1, -t_P).reshape(studies, comparisons)) <= ALPHA).any(axis=1)
    return claims_S


def share_of_runs(repeats_SC: np.ndarray) -> float:
    """Runs trained, as a share of all arms at the maximum: the reference goes on for as long as any arm does."""
    runs = repeats_SC.sum() + repeats_SC.max(axis=1).sum()
    return float(runs / (repeats_SC.shape[0] * (repeats_SC.shape[1] + 1) * RULE.most))


def error_row(cell: Cell, studies: int) -> str:
    """A line of the table of errors."""
    d_SCN = simulate(cell, studies)
    ours, fixed = follow(d_SCN, cell.overlap), follow(d_SCN, cell.overlap, Rule(RULE.most, RULE.most))
    shares = [
        (ours.claims_SC != 0).any(axis=1).mean(),
        (ours.claims_SC > 0).any(axis=1).mean(),
        (fixed.claims_SC != 0).any(axis=1).mean(),
        peek(d_SCN, cell.overlap).mean(),
    ]
    return _line([*_names(cell), *map(_percent, shares), f"{ours.repeats_SC.mean():.1f}"])


def power_row(cell: Cell, studies: int) -> str:
    """A line of the table of power."""
    d_SCN = simulate(cell, studies)
    ours, fixed = follow(d_SCN, cell.overlap), follow(d_SCN, cell.overlap, Rule(RULE.most, RULE.most))
    found = [(ours.claims_SC > 0).mean(), (fixed.claims_SC > 0).mean()]
    spared = 1 - share_of_runs(ours.repeats_SC)
    numbers = [*map(_percent, found), f"{ours.repeats_SC.mean():.1f}", _percent(spared)]
    return _line([_names(cell)[0], f"{cell.effect:g}", *numbers])


def report(studies: int) -> str:
    """Both tables as Markdown."""
    errors = ["splits", "scores", "sequential", "sequential, `better` alone", "fixed 30", "peeking", "mean repeats"]
    power = ["splits", "effect", "sequential", "fixed 30", "mean repeats", "runs spared"]
    parts = [
        f"### Sequential, no effect: share of {studies:,} studies of {COMPARISONS} comparisons with any claim "
        f"(alpha = {100 * ALPHA:g} %)",
        "\n".join([_line(errors), "|---|---|--:|--:|--:|--:|--:|", *(error_row(cell, studies) for cell in NULLS)]),
        f"### Sequential, real effects: share of comparisons that find the arm better, in {studies:,} studies",
        "\n".join([_line(power), "|---|--:|--:|--:|--:|--:|", *(power_row(cell, studies) for cell in REAL)]),
    ]
    return "\n\n".join(parts)


def _names(cell: Cell) -> list[str]:
    return ["overlapping" if cell.overlapping else "independent", cell.shape]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"
