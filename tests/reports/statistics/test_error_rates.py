"""Error rates and power of the verdicts themselves, on simulated studies: what the rules promise, they must keep."""

import math

import numpy as np
import pytest

from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide

STUDIES = 500
ALPHA = 0.05
SLACK = 3 * math.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
"""Three standard errors of a simulated rate of 5 %."""


def rate(draw, comparisons, overlap=0.0, words=("better", "worse"), margin=None):
    """Share of simulated studies in which any comparison gets one of the words."""
    rng = np.random.default_rng(20)
    hits = 0
    for _ in range(STUDIES):
        family = [compare(d, np.zeros(len(d)), overlap=overlap) for d in (draw(rng) for _ in range(comparisons))]
        hits += any(d.verdict in words for d in decide(family, margin=margin))
    return hits / STUDIES


def resampled(groups=32, test=8, repeats=12, effect=0.0):
    """Differences of a study that draws each repeat's test groups from the same few groups."""

    def draw(rng):
        per_group = effect + rng.normal(size=groups)
        return np.array([per_group[rng.permutation(groups)[:test]].mean() for _ in range(repeats)])

    return draw


@pytest.mark.parametrize("comparisons", [1, 4])
@pytest.mark.parametrize("noise", ["normal", "standard_t", "laplace"])
def test_false_claims_stay_within_alpha_for_independent_repeats(comparisons, noise):
    arguments = (3,) if noise == "standard_t" else ()
    assert rate(lambda rng: getattr(rng, noise)(*arguments, size=9), comparisons) <= ALPHA + SLACK


@pytest.mark.parametrize("comparisons", [1, 4])
def test_false_claims_stay_within_alpha_where_splits_overlap(comparisons):
    assert rate(resampled(), comparisons, overlap=8 / 24) <= ALPHA + SLACK


def test_without_the_correction_overlapping_splits_would_fool_us():
    assert rate(resampled(), 1, overlap=0.0) > 4 * ALPHA


def test_a_real_effect_is_found():
    assert rate(lambda rng: rng.normal(1.5, 1, 9), 1, words=("better",)) > 0.9
    assert rate(lambda rng: rng.normal(-1.5, 1, 9), 1, words=("worse",)) > 0.9
    assert rate(resampled(effect=1.0), 1, overlap=8 / 24, words=("better",)) > 0.9


def test_false_equivalence_stays_within_alpha_at_the_margin():
    assert rate(lambda rng: rng.normal(1, 1, 9), 1, words=("equivalent",), margin=1.0) <= ALPHA + SLACK
    assert rate(lambda rng: rng.normal(0, 1, 30), 1, words=("equivalent",), margin=1.0) > 0.9
