"""How often unpaired comparisons make a false claim, and how often they find a difference, on simulated scores.

``python -m benchmarks.unpaired_error_rates`` prints the table of docs/error_rates.md, from a fixed seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from reports.statistics.unpaired import compare_unpaired
from reports.statistics.verdicts import decide

SIZES = ((3, 3), (4, 4), (5, 5), (8, 8), (15, 15), (5, 15), (15, 5))
"""Repeats of the arm and of the reference."""
ARMS = 6
"""Arms that are compared with one reference in the rows of several."""
EFFECT = 1.5
"""Difference of means in the power column, in standard deviations of the reference."""


def _normal(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    return spread * rng.normal(size=n)


def _skewed(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    """Exponential with mean 0: a long tail upwards."""
    return spread * (rng.exponential(size=n) - 1)


SHAPES: dict[str, tuple[Callable[[np.random.Generator, int, float], np.ndarray], float]] = {
    "normal": (_normal, 1.0),
    "normal, arm varies 3 times as much": (_normal, 3.0),
    "skewed": (_skewed, 1.0),
    "skewed, arm varies 3 times as much": (_skewed, 3.0),
}


def rate(shape: str, sizes: tuple[int, int], effect: float, studies: int, arms: int = 1) -> float:
    """Share of studies that call any of their arms better or worse than the reference."""
    draw, spread = SHAPES[shape]
    rng = np.random.default_rng(7)
    claims = 0
    for _ in range(studies):
        drawn = [draw(rng, sizes[0], spread) + effect for _ in range(arms)]
        reference = draw(rng, sizes[1], 1.0)
        family = decide([compare_unpaired(arm, reference) for arm in drawn])
        claims += any(decision.verdict in ("better", "worse") for decision in family)
    return claims / studies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies of each cell; of several arms / 4")
    studies = parser.parse_args().studies
    print(f"| scores | {' | '.join(f'{m} and {n}' for m, n in SIZES)} |")
    print(f"|:--|{'--:|' * len(SIZES)}")
    for shape in SHAPES:
        cells = [f"{100 * rate(shape, sizes, 0.0, studies):.1f} %" for sizes in SIZES]
        print(f"| {shape} | {' | '.join(cells)} |", flush=True)
    for shape in SHAPES:
        cells = [f"{100 * rate(shape, sizes, 0.0, studies // 4, ARMS):.1f} %" for sizes in SIZES]
        print(f"| {ARMS} arms, {shape} | {' | '.join(cells)} |", flush=True)
    cells = [f"{100 * rate('normal', sizes, EFFECT, studies):.0f} %" for sizes in SIZES]
    print(f"| power: normal, difference of {EFFECT:g} standard deviations | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
