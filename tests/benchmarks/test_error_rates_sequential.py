"""The simulation of studies that add repeats, behind the second half of docs/error_rates.md."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.error_rates.fixed import ALPHA
from benchmarks.error_rates.sequential import (
    COMPARISONS,
    NULLS,
    REAL,
    STUDIES,
    Cell,
    error_row,
    follow,
    peek,
    power_row,
    share_of_runs,
    simulate,
)
from reports.statistics.sequential import Rule, compare_sequentially
from reports.statistics.verdicts import decide

PAGE = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
SMALL = 300


def slack(studies):
    """Three standard errors of a simulated rate of 5 %: all that a rate may be above alpha."""
    return 3 * math.sqrt(ALPHA * (1 - ALPHA) / studies)


def by_the_product(d_CN, overlap, rule):
    """Claims and repeats of one study by the functions that reports call."""
    arms = [compare_sequentially(d, np.zeros(len(d)), rule, upto=rule.most, overlap=overlap, comparisons=len(d_CN))
            for d in d_CN]  # fmt: skip
    claims, repeats, at = [0] * len(d_CN), [rule.most] * len(d_CN), [0] * len(d_CN)
    for look, n in enumerate(rule.looks):
        at = [look if not claim else k for claim, k in zip(claims, at, strict=True)]
        for i, decision in enumerate(decide([found[k] for found, k in zip(arms, at, strict=True)])):
            if not claims[i] and decision.verdict in ("better", "worse"):
                claims[i], repeats[i] = (1 if decision.verdict == "better" else -1), n
    return claims, repeats


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_rule_is_the_one_that_reports_follow(overlapping):
    cell, rule = Cell(overlapping, "normal", 1.5 if not overlapping else 3.0), Rule(5, 11)
    d_SCN = simulate(cell, 12)[..., : rule.most]
    ours = follow(d_SCN, cell.overlap, rule)
    theirs = [by_the_product(d_CN, cell.overlap, rule) for d_CN in d_SCN]
    assert ours.claims_SC.tolist() == [claims for claims, _ in theirs]
    assert ours.repeats_SC.tolist() == [repeats for _, repeats in theirs]
    assert (ours.claims_SC != 0).mean() > 0.2
    assert len(set(ours.repeats_SC.ravel().tolist())) > 2


@pytest.mark.parametrize("overlapping", [False, True])
def test_false_claims_stay_within_alpha_though_one_looks_after_every_repeat(overlapping):
    cell = Cell(overlapping, "normal", 0.0)
    d_SCN = simulate(cell, SMALL)
    assert (follow(d_SCN, cell.overlap).claims_SC != 0).any(axis=1).mean() <= ALPHA + slack(SMALL)
    assert peek(d_SCN, cell.overlap).mean() > 2 * ALPHA


def test_real_effects_are_found_with_fewer_repeats():
    d_SCN = simulate(Cell(False, "normal", 1.2), 100)
    found = follow(d_SCN, 0.0)
    assert (found.claims_SC > 0).mean() > 0.97
    assert found.repeats_SC.mean() < 16
    assert share_of_runs(found.repeats_SC) < 0.6


def test_runs_of_the_reference_go_on_as_long_as_any_arm():
    assert share_of_runs(np.array([[6, 6, 30]])) == pytest.approx((6 + 6 + 30 + 30) / 120)


def test_differences_have_the_mean_deviation_and_correlation_that_are_told():
    for cell in (Cell(False, "skewed", 0.5), Cell(True, "normal", 0.5)):
        d_SCN = simulate(cell, 4000)
        assert d_SCN.mean() == pytest.approx(0.5, abs=0.05)
        assert d_SCN.std() == pytest.approx(1, abs=0.1)
        correlation = np.corrcoef(d_SCN[:, 0, 0], d_SCN[:, 0, 1])[0, 1]
        assert correlation == pytest.approx(0.25 if cell.overlapping else 0.0, abs=0.06)
        assert np.corrcoef(d_SCN[:, 0, 0], d_SCN[:, 1, 0])[0, 1] == pytest.approx(0.5, abs=0.1)


def rows(title):
    """Cells of the page's table under a title; percentages as shares."""
    lines = PAGE.split(f"### {title}", 1)[1].split("\n###", 1)[0].splitlines()
    table = [[entry.strip() for entry in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return [[float(e[:-2]) / 100 if e.endswith(" %") else e for e in row] for row in table[1:]]


def test_the_page_shows_every_kind_of_study_and_keeps_what_is_promised():
    errors, power = rows("Sequential, no effect"), rows("Sequential, real effects")
    assert (len(errors), len(power)) == (len(NULLS), len(REAL))
    assert f"share of {STUDIES:,} studies of {COMPARISONS} comparisons" in PAGE
    for splits, scores, any_claim, better, _, peeking, _ in errors:
        assert peeking > 2 * ALPHA
        if splits == "independent" or scores == "normal":
            assert any_claim <= ALPHA + slack(STUDIES)
            assert better <= ALPHA
    for splits, _, sequential, fixed, repeats, spared in power:
        assert sequential <= fixed + 0.02
        assert float(repeats) < 30
        assert spared > 0.01
        if splits == "independent":
            assert sequential > fixed - 0.13


@pytest.mark.slow
@pytest.mark.parametrize("cell", [NULLS[3], pytest.param(NULLS[0], marks=pytest.mark.simulation)], ids=str)
def test_the_page_of_errors_is_what_the_command_prints(cell):
    row = error_row(cell, STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row


@pytest.mark.slow
def test_the_page_of_power_is_what_the_command_prints():
    row = power_row(REAL[2], STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row
