"""Estimates are within a factor of two of recorded times, and learn from this machine's own times alone."""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pytest
from factories.records import a_record

from experiments.cli.plan_view import plan_json
from experiments.corpora import locate
from experiments.home import Home
from experiments.launchers.messages import Finished, Message, Started, Stopped, Told
from experiments.opening import open_request
from experiments.planning.estimate import Estimate, Estimator
from experiments.planning.machine import Pace, identity, pace
from experiments.planning.plan import plan
from experiments.planning.remaining import Remaining
from experiments.planning.request import Options, Request
from experiments.planning.search_cost import share_trained
from experiments.planning.stages import ANALYSE, REPORT, TRAIN, Part, Stage, makespan, outlook
from experiments.planning.timings import Described, Stopwatch, Timing, add, read
from experiments.planning.work import scoring, step, training
from experiments.planning.worksheet import Worksheet
from mmcore.config import Overrides, RunConfig, build_config, override
from mmcore.events import EpochDone
from mmcore.schema import CorpusSchema

RECORDED = json.loads((Path(__file__).parent / "recorded_times.json").read_text(encoding="utf-8"))
"""CPU seconds of real trainings, as on a machine where nobody else works."""


class Windows(TypedDict):
    train: int
    validation: int
    test: int


class RecordedStep(TypedDict):
    """Seconds of one step of the optimiser, and of scoring the validation windows."""

    corpus: str
    set: Overrides
    step: float
    scoring: float
    windows: Windows


class RecordedRun(TypedDict):
    study: str
    set: Overrides
    arm: str
    repeat: int
    seconds: float


HERE = Pace(1.0, 1.0)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def estimator(request: Request, home: Home, timings: Sequence[Timing] = (), speed: Pace = HERE) -> Estimator:
    """An estimator on the machine of the fit, with nobody else at work."""
    return Estimator(
        home, request.place, request.schema, request.content, timings=timings, speed=lambda: speed, slowed=lambda _: 1.0
    )


def timing(estimator: Estimator, config: RunConfig, seconds: float, **changes: Any) -> Timing:
    """A whole training of a config on this machine."""
    told = estimator.described(config)
    made = Timing(
        identity(), "cpu", 1, "train", told.name, f"run {seconds}", seconds, told.guess(told.planned),
        epochs=told.planned, planned=told.planned,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def asked_for(home: Home, recorded: RecordedRun) -> Request:
    return open_request(recorded["study"], home, Options(changes=tuple(recorded["set"].items())))


# The formula ---------------------------------------------------------------------------
@pytest.mark.parametrize("recorded", RECORDED["steps"], ids=lambda r: f"{r['corpus']} {sorted(r['set'].items())[-1]}")
def test_the_formula_is_within_a_factor_of_two_of_recorded_steps(recorded: RecordedStep, home: Home) -> None:
    place = locate(f"simulated:{recorded['corpus']}", home)
    schema: CorpusSchema = place.schema()
    config = build_config(override({"corpus": "none"}, recorded["set"]))
    work = Worksheet(place, schema, None, home).work(config)
    # Windows are counted, gaps in two items aside.
    assert work.validation == pytest.approx(recorded["windows"]["validation"], rel=0.1)
    assert work.test == pytest.approx(recorded["windows"]["test"], rel=0.1)
    assert work.steps == pytest.approx(-(-recorded["windows"]["train"] // work.batch), rel=0.1)
    assert 0.5 < step(work).seconds / recorded["step"] < 2
    assert 0.5 < scoring(work, recorded["windows"]["validation"]).seconds / recorded["scoring"] < 2


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=lambda r: f"{r['arm']} r{r['repeat']}")
def test_the_formula_is_within_a_factor_of_two_of_recorded_runs(recorded: RecordedRun, home: Home) -> None:
    request = asked_for(home, recorded)
    config = request.study.arm(recorded["arm"]).config.model_copy(update={"repeat": recorded["repeat"]})
    found = estimator(request, home).training(config)
    assert 0.5 < found.seconds / recorded["seconds"] < 2
    assert found.factor == 2


def test_a_quicker_machine_is_estimated_to_be_quicker(home: Home) -> None:
    request = asked_for(home, RECORDED["runs"][0])
    config = request.study.arms[0].config
    usual, quick = (estimator(request, home, speed=s).training(config).seconds for s in (HERE, Pace(0.5, 0.5)))
    assert quick == pytest.approx(usual / 2)
    busy = Estimator(home, request.place, request.schema, timings=(), speed=lambda: HERE, slowed=lambda workers: 3.0)
    assert busy.training(config).seconds == pytest.approx(3 * usual)


def test_this_machine_is_measured_within_bounds() -> None:
    assert 0.1 < pace().calls < 10
    assert 0.1 < pace().products < 10


# What was timed here ---------------------------------------------------------------------------
def test_runs_of_the_same_config_say_most_whatever_their_repeat(home: Home) -> None:
    request = asked_for(home, RECORDED["runs"][0])
    one, other = (arm.config for arm in request.study.arms)
    rough = estimator(request, home)
    timings = [timing(rough, one.model_copy(update={"repeat": r}), s) for r, s in enumerate((100.0, 110.0))]
    known = estimator(request, home, timings)
    found = known.training(one.model_copy(update={"repeat": 7}))
    assert found.seconds == pytest.approx(105)
    assert found.factor < 1.5
    assert known.training(one, epochs=one.training.epochs / 4).seconds == pytest.approx(105 / 4)
    # The other arm has never run: this machine's factor on the formula is taken over.
    expected = rough.training(other).seconds * 105 / rough.training(one).seconds
    assert known.training(other).seconds == pytest.approx(expected, rel=0.05)
    assert known.basis == "2 finished runs of these arms"


@pytest.mark.parametrize(
    "elsewhere", [{"machine": "another"}, {"device": "cuda"}, {"threads": 8}, {"formula": 0, "name": "another config"}]
)
def test_times_of_other_machines_are_not_taken_for_this_one(home: Home, elsewhere: Mapping[str, str | int]) -> None:
    request = asked_for(home, RECORDED["runs"][0])
    config = request.study.arms[0].config
    rough = estimator(request, home)
    found = estimator(request, home, [timing(rough, config, 5000.0, **elsewhere)])
    assert found.training(config) == rough.training(config)
    assert found.basis == rough.basis
    assert "roughly" in found.basis


def test_a_record_that_was_timed_elsewhere_teaches_nothing_and_one_of_an_old_home_does(home: Home) -> None:
    request = asked_for(home, RECORDED["runs"][0])
    config = request.study.arms[0].config
    rough = estimator(request, home)
    record = a_record(seconds=5000.0, fingerprint="run 5000.0")
    moved = estimator(request, home, [timing(rough, config, 5000.0, machine="another")])
    moved.learn(config, record)
    assert moved.training(config) == rough.training(config)
    old = estimator(request, home)
    old.learn(config, record)
    assert old.training(config).seconds == 5000


def test_a_stopped_trial_and_a_resumed_run_are_no_whole_training(home: Home) -> None:
    request = asked_for(home, RECORDED["runs"][0])
    config = request.study.arms[0].config
    rough = estimator(request, home)
    guess = rough.described(config).guess
    part = timing(rough, config, 2 * guess(4), epochs=4, guess=guess(4), whole=False)
    found = estimator(request, home, [part])
    assert found.training(config).seconds == pytest.approx(2 * rough.training(config).seconds)


def test_patience_is_expected_to_save_what_it_saved_before(home: Home) -> None:
    request = open_request("track_vs_multimodal", home, Options(changes=(("training.patience", 3),)))
    one, other = (arm.config for arm in request.study.arms)
    rough = estimator(request, home)
    whole = training(rough.worksheet.work(one)).seconds
    assert 0.5 * whole < rough.training(one).seconds < 0.9 * whole
    told = rough.described(one)
    early = timing(rough, one, told.guess(6), epochs=6, guess=told.guess(6))
    share = estimator(request, home, [early]).training(other).seconds / training(rough.worksheet.work(other)).seconds
    assert share == pytest.approx(0.25, abs=0.1)


# The times themselves ---------------------------------------------------------------------------
def test_a_stopwatch_writes_a_line_for_each_job_that_was_done(home: Home) -> None:
    home.make()
    clock = Clock()
    watch = Stopwatch(home, "cpu", 1, clock)

    def hear(after: float, *messages: Message) -> None:
        clock.now += after
        for message in messages:
            watch.hear(message, lambda: Described("train", "arm", lambda epochs: 10.0 * epochs, 3))

    hear(4, Started("a"))
    hear(2, *(Told("a", EpochDone(epoch, 3, {})) for epoch in (1, 2, 3)))
    hear(3, Finished("a", "done"))
    hear(0, Started("resumed"), Told("resumed", EpochDone(3, 3, {})))
    hear(7, Finished("resumed", "done"))
    hear(0, Started("stopped"), Told("stopped", EpochDone(1, 3, {})))
    hear(1, Stopped("stopped"))
    hear(0, Started("failed"), Told("failed", EpochDone(1, 3, {})))
    hear(1, Finished("failed", "failed"))
    hear(0, Started("was there"))
    hear(1, Finished("was there", "done"))
    told = [(t.kind, t.run, t.seconds, t.guess, t.epochs, t.whole) for t in read(home)]
    assert told == [
        ("start", "", 4.0, 4.0, 0, True),
        ("train", "a", 5.0, 30.0, 3, True),
        ("train", "resumed", 7.0, 10.0, 1, False),
        ("train", "stopped", 1.0, 10.0, 1, False),
    ]


def test_torn_lines_and_an_absent_file_cost_nothing(home: Home) -> None:
    assert read(home) == []
    home.make()
    add(home, Timing("m", "cpu", 1, "train", "n", "r", 1.0))
    with home.timings.open("a") as file:
        file.write('{"machine": "m", "devi')
    assert [t.run for t in read(home)] == ["r"]


# The whole command ---------------------------------------------------------------------------
def test_stages_add_up_and_so_do_their_doubts() -> None:
    assert makespan([5.0, 1.0, 1.0, 1.0], 2) == 5
    lead = Estimate(2.0, 2.0)
    train = Stage(TRAIN, (Part("a", 4, Estimate(10.0, 1.2)),), 2, lead)
    none = Stage(ANALYSE, (), 1, lead)
    found = outlook([train, none])
    assert found.seconds == 22
    assert 22 / 2 < found.low < 22 / 1.2
    assert found.low * found.high == pytest.approx(22**2)
    nothing = outlook([none])
    assert (nothing.seconds, nothing.low, nothing.high) == (0, 0, 0)


def replay(stages: Sequence[Stage], taken: Sequence[tuple[str, str, float]], workers: int) -> list[tuple[float, float]]:
    """Jobs dealt out to workers on a clock of their own, as a pool does it.

    Args:
        stages: as estimated. taken: stage, group and seconds of each job, as they really were.

    Returns:
        After each job: the time left as estimated, and as it was.
    """
    clock = Clock()
    remaining = Remaining(clock)
    remaining.expect(stages)
    told: list[tuple[float, float]] = []
    for stage in dict.fromkeys(name for name, *_ in taken):
        remaining.begin(stage)
        waiting = [(f"{stage} {n}", group, s) for n, (name, group, s) in enumerate(taken) if name == stage]
        busy: list[tuple[float, str, str]] = []
        while waiting or busy:
            while waiting and len(busy) < workers:
                name, group, seconds = waiting.pop(0)
                remaining.started(name, group)
                heapq.heappush(busy, (clock.now + seconds, name, group))
            clock.now, name, group = heapq.heappop(busy)
            remaining.finished(name, group, failed=False)
            left = remaining.left()
            told.append((0.0 if left is None else left, clock.now))
    return [(left, clock.now - at) for left, at in told]


@pytest.mark.parametrize("slower", [0.3, 1.0, 4.0])
def test_the_time_left_of_a_recorded_study_is_within_a_factor_of_two_from_the_first_runs_on(
    home: Home, slower: float
) -> None:
    """Recorded runs of six arms of two studies, on machines that the formula fits and on others that it does not."""
    parts, taken = [], []
    for recorded in sorted(RECORDED["runs"], key=lambda r: r["repeat"]):
        request = asked_for(home, recorded)
        found = estimator(request, home).training(request.study.arm(recorded["arm"]).config)
        parts.append(Part(recorded["arm"], 1, found))
        taken.append((TRAIN, recorded["arm"], slower * recorded["seconds"]))
    told = replay([Stage(TRAIN, tuple(parts), 2, Estimate(0.0, 1.0))], taken, 2)
    for left, actual in told[1:-2]:
        assert 0.5 < left / actual < 2
    half_left, half_actual = told[len(told) // 2 - 1]
    assert 0.6 < half_left / half_actual < 1.6


def test_the_time_left_of_a_search_counts_what_follows_it() -> None:
    """Twelve trials, most of them pruned, on a machine half as quick as estimated; then confirmation and report."""
    trials = [8.0, 8.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0, 8.0, 1.0, 1.0, 3.0]
    none = Estimate(0.0, 1.0)
    stages = [
        Stage("search tuned", (Part("tuned", 12, Estimate(1.6)),), 2, none),
        Stage(TRAIN, (Part("preset", 3, Estimate(4.0)), Part("tuned", 3, Estimate(4.0))), 2, none),
        Stage(REPORT, (Part("", 1, Estimate(5.0)),), 1, none),
    ]
    taken = [("search tuned", "tuned", s) for s in trials]
    taken += [(TRAIN, arm, 8.0) for arm in ("preset", "tuned") * 3]
    told = replay(stages, taken, 2)
    for left, actual in told[len(trials) // 2 : -2]:
        assert 0.5 < left / (actual + 5.0) < 2


@pytest.mark.parametrize("pruner", ["none", "median", "halving", "hyperband"])
def test_pruning_is_expected_to_save_and_what_it_saved_counts_once_it_is_known(pruner: str, home: Home) -> None:
    request = open_request("loss_weights", home, Options())
    search = request.study.search
    assert search is not None
    search = dataclasses.replace(search, pruner=pruner, repeats=2)
    arm = search.searches[0]
    share = share_trained(search, arm, 0, 0, 40)
    assert share == 1 if pruner == "none" else 0.1 < share < 0.8
    if pruner == "halving":
        # Three real searches of 40 trials trained 32, 22 and 18 % of their epochs.
        assert all(0.5 < share / real < 2 for real in (0.32, 0.22, 0.18))
    full = search.epochs_full(arm)
    assert share_trained(search, arm, 20, 5 * full, 40) == pytest.approx(0.25)


def test_a_plan_tells_its_stages_and_a_range(home: Home) -> None:
    told = plan_json(plan(open_request("learning_rate", home, Options()), home))
    names = [stage["stage"] for stage in told["stages"]]
    assert names == ["prepare", "search tuned", "train", "analyse", "report"]
    low, high = told["seconds_likely"]
    assert low < told["seconds"] < high
    assert told["seconds"] == pytest.approx(sum(stage["seconds"] for stage in told["stages"]), abs=1)
    confirmed = next(stage for stage in told["stages"] if stage["stage"] == "train")
    assert confirmed["jobs"] == 2 * told["repeats"], "what the search finds is trained as well"
