"""The benchmark of growth tells slopes, and where they become steep."""

import time
from pathlib import Path

import pytest

from benchmarks.growth import SUBJECTS, Subject, bends, main, measure, slope, table


def _burn(size: int, folder: Path):
    def work() -> None:
        end = time.process_time() + 1e-5 * size**2
        while time.process_time() < end:
            pass

    return work


def test_quadratic_work_is_told_with_the_size_from_which_on_it_is_steep() -> None:
    subject = Subject("burn", "wood", (16, 32, 64), _burn)
    (found,) = measure([subject], 2)
    assert found.slope == pytest.approx(2.0, abs=0.3)
    assert found.bends == 16
    assert found.steep
    assert table([found]).splitlines()[1].endswith("above 1.1 from 16 on: unexpected")


def test_slopes_are_of_logarithms() -> None:
    assert slope([10, 20, 40], [2.0, 2.0, 2.0]) == pytest.approx(0.0)
    assert bends([1, 2, 4, 8], [1.0, 1.1, 1.3, 1.6]) is None


def test_real_work_of_each_kind_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert len({one.name for one in SUBJECTS}) == len(SUBJECTS)
    small = {"prepare": (4, 8), "load windows": (4, 8), "train": (4, 8), "errors": (10, 12), "plan": (2, 3)}
    chosen = {one.what: one for one in SUBJECTS if one.what in small}
    found = measure([Subject(what, one.against, small[what], one.make) for what, one in chosen.items()], 1)
    assert [one.what for one in found] == list(small)
    assert all(seconds > 0 for one in found for seconds in one.seconds)
    assert capsys.readouterr().out == ""


def test_a_word_that_no_subject_has_is_answered_with_their_names() -> None:
    with pytest.raises(SystemExit, match="prepare against items"):
        main(["--only", "nothing"])
