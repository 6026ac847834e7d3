"""The simulation behind docs/error_rates.md, in small."""

import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.error_rates.fixed import (
    ALPHA,
    EFFECT,
    FAIR,
    METHODS,
    SHAPES,
    STUDIES,
    Cell,
    cells,
    error_row,
    naive_bootstrap,
    naive_t,
    naive_wilcoxon,
    power_row,
    rates,
    rule,
    simulate,
)
from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide

ROOT = Path(__file__).parents[2]
SMALL = 600
SLACK = 3 * math.sqrt(ALPHA * (1 - ALPHA) / SMALL)
"""Three standard errors of a simulated rate of 5 %."""

rates_of = cache(rates)


def named(cell):
    return f"{'overlapping' if cell.overlapping else 'independent'} {cell.shape} {cell.repeats}"


@pytest.mark.parametrize("cell", [c for c in cells(0.0) if c.shape in FAIR], ids=named)
def test_false_better_stays_within_alpha_and_so_does_any_claim_where_that_is_promised(cell):
    found = rates_of(cell, SMALL)["verdict rule"]
    assert found.better <= ALPHA + SLACK
    if not cell.overlapping or cell.shape == "normal":
        assert found.any <= ALPHA + SLACK


@pytest.mark.parametrize("cell", [c for c in cells(0.0) if c.overlapping], ids=named)
def test_naive_tests_are_fooled_by_overlapping_splits(cell):
    found = rates_of(cell, SMALL)
    for method in ("paired t", "Wilcoxon", "bootstrap"):
        assert found[method].any > 2 * ALPHA + SLACK / 2 > found["verdict rule"].any - SLACK


@pytest.mark.parametrize("cell", [c for c in cells(0.0) if c.shape == "unlike arms" and not c.overlapping], ids=named)
def test_arms_that_cannot_change_places_are_above_alpha_as_the_page_says(cell):
    found = rates_of(cell, STUDIES if cell.repeats < 20 else SMALL)
    assert ALPHA < found["verdict rule"].any <= found["paired t"].any


@pytest.mark.parametrize("repeats", [6, 10, 20])
def test_a_real_effect_is_found_as_often_as_the_t_test_finds_it_from_ten_repeats_on(repeats):
    found = rates_of(Cell(False, "normal", repeats, EFFECT), SMALL)
    assert found["verdict rule"].better >= found["paired t"].better - (0.25 if repeats == 6 else 0.05)
    assert found["verdict rule"].better > (0.25 if repeats == 6 else 0.7)


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("repeats", [6, 10, 17])
def test_the_rule_is_the_one_that_verdicts_follow(overlapping, repeats):
    for shape in SHAPES:
        cell = Cell(overlapping, shape, repeats, 0.6)
        d_SN = simulate(cell, 60)
        verdicts = [decide([compare(d, np.zeros(repeats), overlap=cell.overlap)])[0].verdict for d in d_SN]
        assert [v in ("better", "worse") for v in verdicts] == rule(d_SN, cell.overlap).tolist()


def test_naive_methods_are_the_ones_of_scipy():
    d_SN = simulate(Cell(False, "normal", 10, 0.6), 80)
    assert naive_t(d_SN, 0.0).tolist() == (stats.ttest_1samp(d_SN, 0, axis=1).pvalue <= ALPHA).tolist()
    assert naive_wilcoxon(d_SN, 0.0).tolist() == [bool(stats.wilcoxon(d).pvalue <= ALPHA) for d in d_SN]
    clear = 0
    for d, ours in zip(d_SN, naive_bootstrap(d_SN, 0.0), strict=True):
        low, high = stats.bootstrap(
            (d,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        # An interval that ends close to 0 may end on either side of it, depending on the drawing.
        if min(abs(low), abs(high)) > 0.05 * (high - low):
            clear += 1
            assert ours == (not low <= 0 <= high)
    assert clear > 50


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlapping", [False, True])
def test_differences_have_the_mean_deviation_and_correlation_that_are_told(shape, overlapping):
    d_SN = simulate(Cell(overlapping, shape, 2, 0.5), 200_000)
    assert d_SN.mean() == pytest.approx(0.5, abs=0.02)
    assert d_SN.std() == pytest.approx(1, abs=0.1)
    # Ranks, as moments of long tails settle slowly.
    correlation = np.corrcoef(d_SN.argsort(axis=0).argsort(axis=0).T)[0, 1]
    assert correlation == pytest.approx(0.25 if overlapping else 0.0, abs=0.08 if overlapping else 0.01)


def test_the_page_is_what_the_command_prints():
    page = (ROOT / "docs" / "error_rates.md").read_text(encoding="utf-8").splitlines()
    start, end = (next(i for i, x in enumerate(page) if x.startswith(f"### {t}")) for t in ("No effect", "Sequential"))
    lines = [line for line in page[start:end] if line.startswith("| ") and "%" in line]
    assert len(lines) == len(cells(0.0)) + len(cells(EFFECT))
    assert sum(f"{STUDIES:,} studies" in line for line in page) >= 2
    for cell in (Cell(False, "normal", 6, 0.0), Cell(True, "normal", 10, 0.0), Cell(True, "skewed", 6, 0.0)):
        assert error_row(cell, STUDIES) in lines
    assert power_row(Cell(False, "heavy-tailed", 6, EFFECT), STUDIES) in lines


def test_the_command_prints_tables_and_refuses_nonsense():
    command = [sys.executable, "-m", "benchmarks.error_rates", "--only", "fixed", "--studies"]
    done = subprocess.run([*command, "40"], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "%" in line]
    assert len(rows) == 2 * 2 * len(SHAPES) * 3
    assert {line.count("|") for line in rows} == {len(METHODS) + 4, len(METHODS) + 5}
    refused = subprocess.run([*command, "0"], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--studies must be at least 1" in refused.stderr
