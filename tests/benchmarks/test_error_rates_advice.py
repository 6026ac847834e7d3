"""The simulation of studies whose advice is followed, behind the last part of docs/error_rates.md."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.error_rates.advice import CELLS, MOST, STUDIES, Cell, error_row, follow, simulate
from benchmarks.error_rates.fixed import ALPHA, rule
from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide

PAGE = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
SMALL = 300
SLACK = 3 * math.sqrt(ALPHA * (1 - ALPHA) / SMALL)
"""Three standard errors of a simulated rate of 5 %."""


@pytest.mark.parametrize("cell", [Cell(False, 8), Cell(True, 8)], ids=str)
def test_a_study_looks_again_as_often_and_as_far_as_its_verdicts_say(cell):
    more_than_once = 0
    for d_N in simulate(cell, 40):
        found = follow(d_N, cell.first, cell.overlap)
        assert found.looks[0] == cell.first
        decisions = [decide([compare(d_N[:n], np.zeros(n), overlap=cell.overlap)])[0] for n in found.looks]
        assert [d.verdict for d in decisions[:-1]] == ["undecided"] * (len(found.looks) - 1)
        assert np.diff(found.looks).tolist() == [d.more for d in decisions[:-1]]
        last = decisions[-1]
        assert found.claims == (last.verdict in ("better", "worse"))
        assert last.more is None or found.looks[-1] + last.more > MOST
        more_than_once += len(found.looks) > 1
    assert more_than_once > 0


def test_the_first_look_keeps_to_alpha_and_following_the_advice_does_not():
    cell = Cell(False, 8)
    d_SN = simulate(cell, SMALL)
    found = [follow(d_N, cell.first, cell.overlap) for d_N in d_SN]
    first = np.array([study.claims_by(1) for study in found])
    assert first.tolist() == rule(d_SN[:, :8], 0.0).tolist()
    assert first.mean() <= ALPHA + SLACK
    assert np.mean([study.claims_by(MOST) for study in found]) > 1.5 * max(ALPHA, first.mean())


def test_differences_have_the_deviation_and_correlation_that_are_told():
    for overlapping in (False, True):
        d_SN = simulate(Cell(overlapping, 8), 20_000)
        assert d_SN.shape == (20_000, MOST)
        assert d_SN.mean() == pytest.approx(0, abs=0.02)
        assert d_SN.std() == pytest.approx(1, abs=0.02)
        assert np.corrcoef(d_SN[:, 0], d_SN[:, 1])[0, 1] == pytest.approx(0.25 if overlapping else 0, abs=0.03)


def test_the_page_shows_every_kind_of_study_and_how_much_advice_costs():
    lines = PAGE.split("### Advice followed, no effect", 1)[1].split("\n### ")[0].splitlines()
    assert f"{STUDIES:,} studies" in lines[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.endswith(" |")][1:]
    assert [row[:2] for row in rows] == [
        ["overlapping" if c.overlapping else "independent", str(c.first)] for c in CELLS
    ]
    slack = 3 * math.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
    for row in rows:
        first, once, to_the_end = (float(share.removesuffix(" %")) / 100 for share in row[2:5])
        assert first <= ALPHA + slack < once <= to_the_end


@pytest.mark.slow
def test_the_page_is_what_the_command_prints():
    row = error_row(CELLS[0], STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row
