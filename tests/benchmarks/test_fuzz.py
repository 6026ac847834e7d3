"""Bad input made by chance: 300 cases of the campaign, and what its judges call a failure."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.fuzz import watch
from benchmarks.fuzz.__main__ import campaign
from benchmarks.fuzz.cases import KINDS
from benchmarks.fuzz.watch import FAILURES, Silent, judge
from mmcore.errors import StudyError


def test_three_hundred_cases_end_in_an_answer_or_a_refusal_with_its_place(tmp_path: Path) -> None:
    found = list(campaign(0, range(300), tmp_path))
    assert [one for one in found if one.verdict in FAILURES] == []
    counts = Counter((one.kind, one.verdict) for one in found)
    for kind in KINDS:
        # Both must happen, or the cases of this kind try nothing.
        assert counts[kind, "refused"] >= 5, counts
        assert counts[kind, "accepted"] >= 1, counts


def test_a_case_is_a_function_of_seed_and_number(tmp_path: Path) -> None:
    first = list(campaign(5, [3, 4, 5, 6], tmp_path / "a"))
    assert [(one.case, one.verdict) for one in campaign(5, [6], tmp_path / "b")] == [(first[3].case, first[3].verdict)]


def test_the_judge_knows_every_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CPU_SECONDS", 0.2)
    monkeypatch.setattr(watch, "WALL_SECONDS", 0.5)

    def raises(error: Exception) -> None:
        raise error

    def computes() -> None:
        while True:
            pass

    assert judge(lambda: None) == ("accepted", "")
    assert judge(lambda: raises(StudyError("no", where="a:1"))) == ("refused", "a:1: no")
    assert judge(lambda: raises(StudyError("no")))[0] == "no place"
    assert judge(lambda: raises(KeyError("x")))[0] == "traceback"
    assert judge(lambda: raises(Silent("x")))[0] == "silent"
    assert judge(lambda: raises(OSError(2, "gone", "file")))[0] == "refused"
    assert judge(lambda: raises(OSError("no name")))[0] == "traceback"
    assert judge(computes)[0] == "hang"
    assert judge(lambda: time.sleep(60))[0] == "hang"
