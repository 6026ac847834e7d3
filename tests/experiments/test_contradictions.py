"""Whether the numbers of a run follow from one another: an edit of any of them is seen, and no run is accused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.finished_study import WORDS, project, whole_project
from factories.once import made_once

from experiments.home import Home
from experiments.records import read_record, write_record
from experiments.upkeep.check import check_home
from experiments.upkeep.numbers import contradictions
from mmcore.config import ForeignConfig, build_config
from mmcore.data.sources.simulated import simulate
from mmcore.record import Record
from mmcore.run import run
from mmcore.scores import Score

pytestmark = pytest.mark.usefixtures("no_mirror")

__all__ = ["project", "whole_project"]

Kept = tuple[Record, Path]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A run on a corpus with continuous, binary and categorical parameters in several components, and its folder."""

    def make(folder: Path) -> None:
        values = {
            "corpus": str(simulate(folder / "corpus", "quick")),
            "training": {"epochs": 2, "steps_per_epoch": 2},
            "model": {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8},
        }
        write_record(folder / "run", run(build_config(values), folder / "run"))

    folder = made_once(tmp_path_factory, "run_of_many_measures", make) / "run"
    record = read_record(folder)
    assert record is not None
    return record, folder


def edited(record: Record, rows: str, at: int, **values: object) -> Record:
    before = getattr(record, rows)
    return replace(record, **{rows: (*before[:at], replace(before[at], **values), *before[at + 1 :])})


def test_a_run_contradicts_nothing(kept: Kept) -> None:
    record, folder = kept
    assert {one.cells is None for one in record.outcomes} == {True, False}
    assert (folder / "items.csv").is_file()
    assert (folder / "history.json").is_file()
    assert [*contradictions(record, folder)] == []


def _alone(record: Record, score: Score) -> bool:
    """Whether nothing else in the record says what a score must be: an error by parameter, where a component has
    several, of a baseline or on the validation side."""
    mine = {
        one.parameter for one in record.scores if (one.metric, one.component) == ("mae", score.component)
    } - {None}  # fmt: skip
    told = score.split == "test" and score.baseline is None
    return score.metric == "mae" and len(mine) > 1 and not told


def test_every_edited_score_is_seen(kept: Kept) -> None:
    record, folder = kept
    blind = [score for score in record.scores if math.isnan(score.value) or _alone(record, score)]
    assert len(blind) < len(record.scores) / 4
    for at, score in enumerate(record.scores):
        if score not in blind:
            found = [*contradictions(edited(record, "scores", at, value=score.value + 0.01), folder)]
            assert found, score


@pytest.mark.parametrize("metric", ["skill", "relative_skill", "loss", "log_loss", "accuracy", "f1", "macro_f1", "mae"])
def test_an_edited_score_is_named_with_what_it_must_be(kept: Kept, metric: str) -> None:
    record, folder = kept
    of = [
        (at, score)
        for at, score in enumerate(record.scores)
        if (score.split, score.items, score.metric, score.baseline) == ("test", "all", metric, None)
    ]
    assert of
    for at, score in of:
        (first, *_) = contradictions(edited(record, "scores", at, value=score.value + 0.01), folder)
        # A loss or a measure of a component also decides others, which are named after it.
        assert metric in first.field
        assert (first.follows, first.found) == pytest.approx((score.value, score.value + 0.01), rel=1e-9)


@pytest.mark.parametrize("rows", ["outcomes", "items"])
@pytest.mark.parametrize("field", ["loss", "naive_loss", "count"])
def test_every_edited_row_of_an_item_is_seen(kept: Kept, rows: str, field: str) -> None:
    record, folder = kept
    for at, row in enumerate(getattr(record, rows)):
        if row.count:
            more = getattr(row, field) + 1
            assert [*contradictions(edited(record, rows, at, **{field: more}), folder)], row


def test_an_edited_error_or_confusion_is_seen(kept: Kept) -> None:
    record, folder = kept
    for at, row in enumerate(record.outcomes):
        if row.error is not None:
            assert [*contradictions(edited(record, "outcomes", at, error=row.error + 1.0), folder)], row
        else:
            assert row.cells is not None
            (true, predicted, count), *rest = row.cells
            swapped = ((true, (predicted + 1) % 2, count), *rest)
            assert [*contradictions(edited(record, "outcomes", at, cells=swapped), folder)], row


def test_every_edited_number_of_an_epoch_is_seen(kept: Kept) -> None:
    record, folder = kept
    for at, row in enumerate(record.history):
        for name, value in row.items():
            history = (*record.history[:at], {**row, name: value + 1}, *record.history[at + 1 :])
            found = [*contradictions(replace(record, history=history), folder)]
            if name == "seconds":
                assert found == [], "a run that was trained again for its weights takes another time"
                continue
            first = found[0]
            assert first.field == f"history: epoch {row['epoch'] + (name == 'epoch'):g} {name}"
    assert [one.field for one in contradictions(replace(record, history=record.history[:1]), folder)] == [
        "history: rows"
    ]


def test_validation_scores_are_those_of_the_scored_epoch(kept: Kept, tmp_path: Path) -> None:
    record, _ = kept
    # Without the files beside it, and with all that follows from the loss changed along with it.
    scores = tuple(
        replace(one, value=one.value * 2) if one.metric in ("loss", "log_loss") and one.split == "validation" else one
        for one in record.scores
    )
    fields = {one.field for one in contradictions(replace(record, scores=scores), tmp_path)}
    assert "scores: validation/loss" in fields
    assert not any(field.startswith("scores: test") for field in fields)


OTHERS: dict[str, Callable[[Record], Record]] = {
    "another version of the numerics": lambda record: replace(record, numerics=1),
    "other training code": lambda record: replace(record, config=ForeignConfig()),
    "a failed run": lambda record: replace(record, status="failed"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_known_is_not_judged(kept: Kept, name: str) -> None:
    record, folder = kept
    wrong = edited(record, "scores", 0, value=7.0)
    assert [*contradictions(wrong, folder)]
    assert [*contradictions(OTHERS[name](wrong), folder)] == []


def test_numbers_that_json_does_not_have_contradict_nothing(kept: Kept, tmp_path: Path) -> None:
    """A diverged model has infinite losses, which a record keeps as null."""
    record, _ = kept
    complete = {one.item for one in record.items if one.complete}
    row = next(one for one in record.outcomes if one.item in complete and one.error is not None)
    outcomes = tuple(replace(one, loss=math.nan) if one is row else one for one in record.outcomes)
    items = tuple(
        replace(one, loss=math.nan) if (one.item, one.component) == (row.item, row.component) else one
        for one in record.items
    )
    scores = tuple(
        replace(one, value=math.nan)
        if one.split == "test"
        and one.baseline is None
        and one.component in (row.component, None)
        and one.metric in ("loss", "skill", "relative_skill")
        else one
        for one in record.scores
    )
    assert [*contradictions(replace(record, outcomes=outcomes, items=items, scores=scores), tmp_path)] == []


def test_home_check_names_run_field_and_both_values_and_run_puts_it_right(project: Path) -> None:
    home = Home.choose(project / "mlruns")
    path = next(p for p in sorted(home.runs.glob("*/record.json")) if json.loads(p.read_bytes())["outcomes"])
    before = json.loads(path.read_bytes())
    text = path.read_text()
    (skill,) = {
        s["value"] for s in before["scores"]
        if (s["split"], s["items"], s["metric"], s["component"], s["baseline"]) == ("test", "all", "skill", None, None)
    }  # fmt: skip
    path.write_text(text.replace(f'"value": {skill!r}', '"value": 0.95', 1))
    (found,) = check_home(home).findings
    assert (found.kind, found.where) == ("contradictory", path)
    done = mmstudy(home, "home", "check")
    assert done.returncode == 1
    assert f"contradictory: {path}: " in done.stdout
    assert f"test/skill is 0.95, and by the others {skill:.9g}" in done.stdout
    # What it advises.
    assert "or remove it" in found.next_step
    path.unlink()
    assert mmstudy(home, "run", *WORDS).returncode == 0
    assert json.loads(path.read_bytes())["scores"] == before["scores"]
    assert check_home(home).findings == ()
