"""Records are read as columns, by several processes: the same tables, and the same refusals."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from factories.records import a_record, each

from experiments import many_records
from experiments.home import Home
from experiments.many_records import load_records
from experiments.planning.plan import AnyPlan
from experiments.records import RECORD, _quickly, read_columns, read_record, write_record
from mmcore.errors import RecordError
from mmcore.facts import Failure
from mmcore.forked import Copy, CopyFailedError
from mmcore.record import Record
from mmcore.rows import rows_of
from mmcore.scores import ItemLoss, NaiveClasses, Outcome, Reliability, Score
from reports.records.long import Tables

ARMS, REPEATS = ("one", "two"), 5


def a_whole_record(**changes: Any) -> Record:
    """A record with every kind of row, and no NaN, which equals nothing."""
    rows: dict[str, object] = {
        "scores": (
            Score("test", "all", "mae", "x", 0.5, parameter="left"),
            Score("test", "all", "skill", None, 0.25, baseline="constant"),
        ),
        "history": ({"epoch": 1, "train/loss": 2.0}, {"epoch": 2, "train/loss": 1.0, "validation/skill": 0.5}),
        "items": (ItemLoss("a", "g", True, "x", 0.1, 7, 0.2), ItemLoss("b", "g", False, "x", 0.3, 2, 0.4)),
        "outcomes": (
            Outcome("a", "left", "x", 7, 0.1, 0.2, None, ((0, 1, 7),)),
            Outcome("a", "y", "x", 7, 0.1, 0.2, 3.0, None),
        ),
        "calibration": (Reliability("x", 3, 5, 0.25, 1.0),),
        "naive_classes": (NaiveClasses("left", "x", (0, 2)),),
    }
    return a_record(**{**rows, **changes})


def test_columns_are_the_rows_turned(tmp_path: Path) -> None:
    record = a_whole_record()
    write_record(tmp_path, record)
    quick = _quickly(tmp_path)
    assert quick is not None
    run, rows = quick
    assert run == record.run
    whole = rows_of(record)
    for name in ("scores", "items", "outcomes", "calibration"):
        one, other = cast("list[Mapping[str, Sequence[object]]]", [getattr(found, name) for found in (rows, whole)])
        assert {field: [*column] for field, column in one.items()} == {f: [*column] for f, column in other.items()}
    assert rows.history == {"epoch": (1, 2), "train/loss": (2.0, 1.0), "validation/skill": (None, 0.5)}
    assert rows.naive_classes == whole.naive_classes


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within JSON."""
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*at, key))


def test_whatever_is_wrong_anywhere_in_the_rows_is_refused_as_in_the_whole_record(tmp_path: Path) -> None:
    """Every value of every row becomes every other kind of JSON, or is left out."""
    write_record(tmp_path, a_whole_record())
    text = (tmp_path / RECORD).read_text()
    rows = ("scores", "history", "items", "outcomes", "calibration", "naive_classes")
    refused = 0
    for place in [way for way in places(json.loads(text)) if way and way[0] in rows]:
        for wrong in ("word", 1, True, None, {}, [1], "left out"):
            content = json.loads(text)
            inner = content
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            if wrong == "left out":
                del inner[place[-1]]
            (tmp_path / RECORD).write_text(json.dumps(content, indent=1))
            whole, columns = outcome(read_record, tmp_path), outcome(read_columns, tmp_path)
            if isinstance(whole, Record):
                assert isinstance(columns, tuple)
                quick = _quickly(tmp_path)
                if quick is not None:
                    assert repr(tables(*quick)) == repr(tables(whole.run, rows_of(whole))), (place, wrong)
            else:
                refused += 1
                assert columns == whole, (place, wrong)
    assert refused > 200


def outcome(read: Callable[[Path], object], folder: Path) -> object:
    """What is read, or the refusal's words."""
    try:
        return read(folder)
    except RecordError as problem:
        return str(problem)


def tables(run: Any, rows: Any) -> list[dict[str, object]]:
    long = many_records.Collected(
        cast(Any, SimpleNamespace(name="s", numbers=range(9), arms=[SimpleNamespace(name="both")]))
    )
    long.add(run, rows)
    return [frame.to_dict("list") for frame in vars(long.long.tables()).values()]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes")


# Several processes ---------------------------------------------------------------------------------------------------
@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Records of two arms; one run failed, one has a column and a naive predictor that the others lack."""
    home = Home(tmp_path).make()
    for arm in ARMS:
        for repeat in range(REPEATS):
            value = 0.1 * repeat + ARMS.index(arm)
            record = each(a_whole_record(arm=arm, repeat=repeat), "scores", lambda row, v=value: replace(row, value=v))
            if (arm, repeat) == ("two", 1):
                history = ({"epoch": 1, "train/loss": 1.0, "train/loss/x": math.nan},)
                more = (*record.scores, Score("test", "all", "f1", "x", 0.5, baseline="majority"))
                record = replace(record, history=history, scores=more)
            if (arm, repeat) == ("one", 3):
                failure = Failure("TrainingDiverged", "no")
                record = replace(record, status="failed", failure=failure, scores=(), items=(), outcomes=())
            folder = home.run(f"{arm}{repeat}")
            folder.mkdir(parents=True)
            write_record(folder, replace(record, fingerprint=f"{arm}{repeat}"))
    return home


def planned() -> AnyPlan:
    """A plan of these runs, one of them not begun."""
    runs = [SimpleNamespace(arm=arm, repeat=r, fingerprint=f"{arm}{r}") for r in range(REPEATS + 1) for arm in ARMS]
    study = SimpleNamespace(name="s", numbers=range(REPEATS + 1), arms=[SimpleNamespace(name=arm) for arm in ARMS])
    return cast(AnyPlan, SimpleNamespace(runs=runs, request=SimpleNamespace(study=study)))


@pytest.fixture
def by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two copies of this process read two runs at a time, even of a small study."""
    monkeypatch.setattr(many_records, "copies", lambda: 2)
    monkeypatch.setattr(many_records, "LARGE", 0)
    monkeypatch.setattr(many_records, "TOGETHER", 2)


def same(one: Tables, other: Tables) -> None:
    for name, frame in vars(one).items():
        pd.testing.assert_frame_equal(frame, getattr(other, name), check_exact=True)


@LINUX
def test_several_processes_make_the_same_tables(home: Home, request: pytest.FixtureRequest) -> None:
    alone = load_records(planned(), home)
    request.getfixturevalue("by_two")
    together = load_records(planned(), home)
    assert together.runs == alone.runs
    assert [*together.naive_classes.items()] == [*alone.naive_classes.items()]
    assert len(alone.runs) == 10
    made = alone.long.tables()
    assert [len(frame) for frame in vars(made).values()] == [9, 6, 19, 18, 18, 9]
    same(together.long.tables(), made)


@LINUX
@pytest.mark.usefixtures("by_two")
def test_a_broken_record_is_refused_in_the_same_words(home: Home) -> None:
    path = home.run("two2") / RECORD
    path.write_text(path.read_text().replace('"count": 7', '"count": "seven"', 1))
    with pytest.raises(RecordError, match=r"'items\.0\.count' of the record.*found 'seven'"):
        load_records(planned(), home)


@LINUX
@pytest.mark.usefixtures("by_two")
@pytest.mark.parametrize("beside", ["one2", "two1"])
def test_records_with_other_targets_are_refused(home: Home, beside: str) -> None:
    """Whether they are met within one process or between two."""
    record = read_record(home.run(beside))
    assert record is not None
    write_record(home.run(beside), each(record, "items", lambda row: replace(row, count=row.count + 1)))
    first = "arm 'one', repeat " + beside[-1]
    with pytest.raises(RecordError, match=f"targets differ.*in {first}.*in arm 'two', repeat {beside[-1]}"):
        load_records(planned(), home).check()


@LINUX
@pytest.mark.usefixtures("by_two")
def test_without_its_copies_a_process_reads_everything_itself(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_: object) -> None:
        raise CopyFailedError

    monkeypatch.setattr(Copy, "next", dead)
    assert len(load_records(planned(), home).runs) == 10


@LINUX
def test_a_copy_that_fails_says_so_and_leaves_no_process() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError

    copy = Copy(work)
    assert copy.next() == 1
    with pytest.raises(CopyFailedError):
        copy.next()
    copy.end()
    copy.end()
    assert not copy._process.is_alive()
