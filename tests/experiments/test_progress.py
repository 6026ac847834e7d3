"""Progress on a pipe: a line for each finished job, counted over the whole command, and a sign of life each minute."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments.planning.estimate import Estimate
from experiments.planning.stages import ANALYSE, REPORT, TRAIN, Part, Stage
from experiments.progress import HEARTBEAT, Screen, chosen_column


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
