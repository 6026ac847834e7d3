"""What runs of one repeat share is computed once in a process, and is what each would compute by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from mmcore import once as module
from mmcore import run as run_module
from mmcore import scoring
from mmcore.config import RunConfig
from mmcore.data.prepare import prepare
from mmcore.once import MOST, once
from mmcore.record import Record
from mmcore.scoring import Data
from mmcore.trained import Trained, open_trained


def test_the_latest_results_are_kept_and_errors_are_not() -> None:
    made: list[int] = []

    def make(value: int) -> int:
        made.append(value)
        if value < 0:
            raise ValueError(value)
        return value

    for value in range(MOST):
        assert once("number", (value,), lambda value=value: make(value)) == value
    # The first is used again, so the second is the one that has to go.
    for value, new in ((0, False), (99, True), (0, False), (1, True)):
        before = len(made)
        assert once("number", (value,), lambda value=value: make(value)) == value
        assert (len(made) > before) is new
    assert once("other", (0,), lambda: make(7)) == 7
    for _ in range(2):
        with pytest.raises(ValueError, match="-1"):
            once("number", (-1,), lambda: make(-1))
    assert made[-2:] == [-1, -1]


def test_arms_of_one_repeat_share_their_yardsticks_and_lose_nothing(
    editing_corpus: Path, config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[str] = []
    for name in ("fit_normaliser", "fit_baselines"):
        real = getattr(scoring, name)
        monkeypatch.setattr(scoring, name, lambda *a, real=real, name=name: fitted.append(name) or real(*a))
    prepared = prepare(editing_corpus, config(editing_corpus).data, tmp_path / "prepared")

    def trained(folder: str, **changes: Any) -> Record:
        return run_module.run(config(editing_corpus, **changes), tmp_path / folder, prepared=prepared)

    first = trained("first")
    narrow = trained("narrow", model__width=8)
    assert fitted == ["fit_normaliser", "fit_baselines"]
    trained("other repeat", repeat=1)
    assert len(fitted) == 4
    # How windows are cut is part of what baselines read, not of what the normaliser does.
    trained("other windows", data__window=7)
    assert fitted[4:] == ["fit_baselines"]
    module._kept.clear()
    alone = trained("narrow, by itself", model__width=8)
    assert len(fitted) == 7
    assert (narrow.scores, narrow.items, narrow.calibration) == (alone.scores, alone.items, alone.calibration)
    assert [naive_rows(first), naive_rows(narrow)] == [naive_rows(alone)] * 2
    assert narrow.scores != first.scores

    # So do their analyses, with what was computed for the training or without.
    def yardstick(folder: str, **changes: Any) -> tuple[Trained, dict[str, float]]:
        opened = open_trained(config(editing_corpus, **changes), prepared, tmp_path / folder)
        return opened, opened.naive.losses()

    (one, losses), (other, _) = yardstick("first"), yardstick("narrow", model__width=8)
    assert len(fitted) == 7
    assert one.normaliser is other.normaliser
    assert one.normaliser.to_json() == (tmp_path / "first" / "normalisation.json").read_text()
    module._kept.clear()
    assert yardstick("first")[1] == losses
    assert fitted[7:] == ["fit_normaliser", "fit_baselines"]


def naive_rows(record: Record) -> list[tuple[object, ...]]:
    """The scores of the baselines."""
    return [astuple(row) for row in record.scores if row.baseline]


def test_what_a_shared_result_read_counts_as_read_by_all(
    editing_corpus: Path, config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record proves by such counts that no test item was read before the epoch was chosen."""
    prepared = prepare(editing_corpus, config(editing_corpus).data, tmp_path / "prepared")
    seen: list[list[int]] = []
    chosen = Data.windows_read

    def noted(data: Data, items: Sequence[int]) -> int:
        seen.append(data.read_I.tolist())
        return chosen(data, items)

    monkeypatch.setattr(Data, "windows_read", noted)
    for folder in ("first", "second"):
        run_module.run(config(editing_corpus, training__epochs=1), tmp_path / folder, prepared=prepared)
    assert seen[0] == seen[1]
    assert sum(seen[0]) > 0
