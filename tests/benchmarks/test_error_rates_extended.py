"""The simulation of repeats that are added by hand, behind the last table of docs/error_rates.md."""

import math
import re
from pathlib import Path

import pytest

from benchmarks.error_rates.extended import CELLS, STUDIES, Cell, declared_late, error_row, extend, simulate
from benchmarks.error_rates.fixed import ALPHA, rule

PAGE = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
SMALL = 400


@pytest.mark.parametrize("cell", [Cell(False, 6, 10), Cell(True, 8, 12)], ids=str)
def test_every_claim_of_added_repeats_is_doubted_and_no_other(cell):
    d_SN = simulate(cell, SMALL)
    found = [extend(d_N, cell) for d_N in d_SN]
    first, then = rule(d_SN[:, : cell.first], cell.overlap), rule(d_SN[:, : cell.then], cell.overlap)
    fresh = rule(d_SN[:, cell.first : cell.first + cell.then], cell.overlap)
    assert [one.first for one in found] == first.tolist()
    assert [one.later for one in found] == (~first & then).tolist()
    assert [one.fresh for one in found] == (~first & fresh).tolist()
    assert [one.doubted for one in found] == [one.later for one in found]
    assert sum(one.later for one in found) > 0


def test_a_rule_that_is_declared_late_claims_something_of_its_own():
    cell = Cell(False, 8, 12)
    d_SN = simulate(cell, SMALL)
    first = rule(d_SN[:, :8], 0.0)
    late = declared_late(d_SN, cell)
    assert 0 < late.mean() <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / SMALL)
    assert (late & ~first).any()


def test_the_page_shows_every_kind_of_study_and_what_is_left_without_a_doubt():
    lines = PAGE.split("### Repeats added by hand, no effect", 1)[1].split("\n### ")[0].splitlines()
    assert f"{STUDIES:,} studies" in lines[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.endswith(" |")][1:]
    assert [row[:2] for row in rows] == [
        ["overlapping" if c.overlapping else "independent", f"{c.first}, then {c.then}"] for c in CELLS
    ]
    slack = 3 * math.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
    for row in rows:
        first, end, doubted, left, fresh, late = (float(share.removesuffix(" %")) / 100 for share in row[2:])
        assert left == first <= ALPHA + slack
        assert math.isclose(end, left + doubted, abs_tol=0.0011)
        assert fresh <= ALPHA + slack
        assert min(end, late) > ALPHA + slack
    told = [[float(row[at].removesuffix(" %")) for row in rows] for at in (3, 5, 6, 7)]
    for shares in told:
        assert f"{min(shares)} % to {max(shares)} %" in " ".join(PAGE.split())


@pytest.mark.slow
def test_the_page_is_what_the_command_prints():
    row = error_row(CELLS[0], STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row
