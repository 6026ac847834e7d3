"""The simulation of unpaired comparisons behind docs/error_rates.md: a cell of its table is made again."""

import re
from pathlib import Path

import pytest

from benchmarks.unpaired_error_rates import ARMS, SHAPES, SIZES, rate

PAGE = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("## Unpaired repeats") : PAGE.index("## Tables")]


def row(shape):
    (cells,) = re.findall(rf"^\| {re.escape(shape)} \| (.*) \|$", TABLE, flags=re.M)
    return [cell.strip() for cell in cells.split("|")]


def test_the_table_has_every_shape_and_size():
    assert all(len(row(shape)) == len(SIZES) for shape in SHAPES)
    assert all(len(row(f"{ARMS} arms, {shape}")) == len(SIZES) for shape in SHAPES)
    assert f"| scores | {' | '.join(f'{m} and {n}' for m, n in SIZES)} |" in TABLE


def test_three_repeats_never_claim_anything():
    assert rate("skewed, arm varies 3 times as much", (3, 3), 5.0, 50) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "size"), [("normal", (4, 4)), ("skewed, arm varies 3 times as much", (5, 15))])
def test_a_cell_is_what_the_page_says(shape, size):
    assert f"{100 * rate(shape, size, 0.0, 4000):.1f} %" == row(shape)[SIZES.index(size)]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "size"), [("normal, arm varies 3 times as much", (5, 15)), ("normal", (8, 8))])
def test_a_cell_of_several_arms_is_what_the_page_says(shape, size):
    assert f"{100 * rate(shape, size, 0.0, 1000, ARMS):.1f} %" == row(f"{ARMS} arms, {shape}")[SIZES.index(size)]
