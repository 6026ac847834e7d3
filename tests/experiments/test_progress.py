"""Progress on a pipe: a line for each finished job, counted over the whole command, and a sign of life each minute."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments.planning.estimate import Estimate
from experiments.planning.stages import ANALYSE, REPORT, SYNC, TRAIN, Part, Stage
from experiments.progress import HEARTBEAT, Level, Screen, chosen_column
from mmcore.events import EpochDone, Note


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


NOTHING = Estimate(0.0, 1.0)


def stage(name: str, *parts: tuple[str, int, float], workers: int = 1) -> Stage:
    return Stage(name, tuple(Part(g, n, Estimate(s)) for g, n, s in parts), workers, NOTHING)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    return lambda: capsys.readouterr().err.splitlines()


def test_more_jobs_than_were_expected_raise_the_total(lines: Callable[[], list[str]]) -> None:
    with Screen() as screen:
        screen.expect([stage(TRAIN, ("", 1, 1.0))])
        screen.begin(TRAIN)
        for name in ("a", "b"):
            screen.started(name)
        for name in ("a", "b"):
            screen.finished(name, "done", failed=False)
        screen.started("c")
        screen.finished("c", "no luck", failed=True)
    assert lines() == ["[1/2] a: done", "[2/2] b: done", "[3/3] c: no luck"]


def test_search_training_and_analyses_are_counted_together_and_the_report_is_not(
    lines: Callable[[], list[str]],
) -> None:
    screen = Screen()
    screen.expect(
        [
            stage("search tuned", ("tuned", 1, 1.0)),
            stage(TRAIN, ("tuned", 1, 1.0)),
            stage(ANALYSE, ("tuned", 1, 1.0)),
            stage(REPORT, ("", 1, 5.0)),
        ]
    )
    for name in ("search tuned", TRAIN, ANALYSE):
        screen.begin(name)
        screen.started("a job", "tuned")
        screen.finished("a job", name, failed=False, group="tuned")
    assert lines() == ["[1/3] a job: search tuned", "[2/3] a job: train", "[3/3] a job: analyse"]


def test_a_stage_that_nobody_expected_takes_nothing_from_those_that_were(lines: Callable[[], list[str]]) -> None:
    screen = Screen()
    screen.expect([stage(TRAIN, ("a", 2, 1.0)), stage(ANALYSE, ("a", 1, 1.0))])
    screen.begin("prepare")
    screen.begin(TRAIN)
    screen.started("a r0", "a")
    screen.finished("a r0", "done", failed=False, group="a")
    assert lines() == ["[1/3] a r0: done"]


def test_a_pipe_hears_each_minute_how_far_the_command_is(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    screen = Screen(clock)
    screen.expect([stage(TRAIN, ("slow", 3, 300.0))])
    screen.begin(TRAIN)
    screen.started("slow r0", "slow")
    clock.now += HEARTBEAT - 1
    screen.heartbeat()
    assert lines() == []
    clock.now += 1
    screen.heartbeat()
    screen.heartbeat()
    assert lines() == ["0 of 3 done, 1 running, about 14 min left"]
    clock.now += 30
    screen.finished("slow r0", "done", failed=True, group="slow")
    clock.now += HEARTBEAT - 1
    screen.heartbeat()
    assert lines() == ["[1/3] slow r0: done"], "what was just told is sign of life enough"
    clock.now += 1
    screen.heartbeat()
    assert lines() == ["1 of 3 done, 0 running, 1 failed, about 3 min left"]


def test_nothing_is_told_while_nothing_is_expected(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    screen = Screen(clock)
    clock.now += 1000
    screen.heartbeat()
    assert lines() == []


def test_what_is_overdue_is_not_said_to_take_no_time(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    screen = Screen(clock)
    screen.expect([stage(TRAIN, ("a", 1, 10.0)), stage(REPORT, ("", 1, 30.0))])
    screen.begin(TRAIN)
    screen.started("a r0", "a")
    clock.now += 10
    screen.finished("a r0", "done", failed=False, group="a")
    screen.begin(REPORT)
    clock.now += HEARTBEAT
    screen.heartbeat()
    assert lines() == ["[1/1] a r0: done", "1 of 1 done, 0 running"]


def test_a_bar_shows_the_metric_that_chooses_the_epoch() -> None:
    row = {
        "epoch": 1,
        "train/loss": 2.0,
        "validation/loss": 1.0,
        "validation/skill": 0.1,
        "validation/skill/active": 0.2,
    }
    assert chosen_column(row) == "validation/skill"
    assert chosen_column({**row, "validation/accuracy": 0.7, "gate/audio": 0.5}) == "validation/accuracy"


def test_a_pipe_hears_each_minute_of_a_stage_without_jobs(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    screen = Screen(clock)
    screen.begin(SYNC)
    for _ in range(179):
        clock.now += 1
        screen.heartbeat()
    assert lines() == ["bringing MLflow up to date for 1 min so far", "bringing MLflow up to date for 2 min so far"]
    screen.begin(REPORT)
    clock.now += HEARTBEAT
    screen.heartbeat()
    assert lines() == ["writing the report for 1 min so far"]


def test_a_pipe_hears_of_a_long_command_once_a_minute_no_more_and_no_less(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    screen = Screen(clock)
    screen.expect([stage(TRAIN, ("a", 1, 3600.0)), stage(REPORT, ("", 1, 60.0))])
    screen.begin(TRAIN)
    screen.started("a r0", "a")
    heard = []
    for second in range(1, 601):
        clock.now += 1
        screen.event("a r0", EpochDone(1, 2, {"epoch": 1.0}))
        screen.heartbeat()
        heard += [second] * len(lines())
    assert heard == [60 * minute for minute in range(1, 11)]


def told_by(level: Level, lines: Callable[[], list[str]]) -> list[str]:
    """What a command says of one stage with a good job and a bad one."""
    clock = Clock()
    screen = Screen(clock, level)
    screen.expect([stage(TRAIN, ("a", 2, 10.0))])
    screen.say("6 of 8 runs are there already")
    screen.say("warning: too few repeats")
    screen.begin(TRAIN)
    screen.started("a r0", "a")
    row = {"epoch": 1.0, "train/loss": 1.5, "validation/skill": 0.25, "seconds": 3.0}
    screen.event("a r0", EpochDone(1, 2, row))
    screen.event("a r0", Note("resumed"))
    screen.finished("a r0", "test skill 0.250", failed=False, group="a")
    screen.started("a r1", "a")
    screen.finished("a r1", "failed: NaN", failed=True, group="a")
    clock.now += HEARTBEAT
    screen.heartbeat()
    return lines()


def test_a_quiet_command_says_warnings_and_failures_alone(lines: Callable[[], list[str]]) -> None:
    assert told_by("quiet", lines) == ["warning: too few repeats", "[2/2] a r1: failed: NaN"]


def test_a_verbose_command_adds_stages_and_epochs_to_what_is_usual(lines: Callable[[], list[str]]) -> None:
    usual, verbose = told_by("usual", lines), told_by("verbose", lines)
    assert usual == [
        "6 of 8 runs are there already",
        "warning: too few repeats",
        "a r0: resumed",
        "[1/2] a r0: test skill 0.250",
        "[2/2] a r1: failed: NaN",
        "2 of 2 done, 0 running, 1 failed",
    ]
    assert [line for line in verbose if line not in usual] == [
        "stage train: 2 jobs ahead, 0 running, about 20 s left",
        "a r0: epoch 1 of 2: train loss 1.500, validation skill 0.250, 3 s",
    ]
    assert [line for line in verbose if line in usual] == usual
