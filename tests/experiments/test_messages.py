"""Driver and workers understand each other."""

import math

import pytest

from experiments.launchers.messages import Finished, Job, Refused, Said, Started, Stop, Stopped, Told, decode, encode
from mmcore.analyses import CoalitionsAnalysis, GatesAnalysis
from mmcore.config import build_config
from mmcore.events import EpochDone, Note, Progress

CONFIG = build_config({"corpus": "c", "model": {"width": 8, "heads": 1, "fusion": {"kind": "concat"}}})


@pytest.mark.parametrize(
    "message",
    [
        Job("f", "study", "arm ✓", 3, CONFIG, "/runs/f", "/prepared/p"),
        Job(
            "f", "study", "arm", 0, CONFIG, "/runs/f", "/prepared/p", (GatesAnalysis(timelines=2), CoalitionsAnalysis())
        ),
        Started("f"),
        Told("f", Progress(1, 10, 3, 7)),
        Told("f", EpochDone(2, 10, {"epoch": 2, "validation/skill": 0.25})),
        Told("f", Note("two\nlines")),
        Finished("f", "done"),
        Stop("f"),
        Stopped("f"),
        Refused("f", {"rule": "no", "expected": None, "found": "x", "next_step": None, "where": "device"}),
    ],
)
def test_a_message_survives_the_way(message: Job | Stop | Said) -> None:
    line = encode(message)
    assert line.count("\n") == 1
    assert decode(line) == message


def test_nan_survives_the_way() -> None:
    told = decode(encode(Told("f", EpochDone(1, 1, {"validation/skill": math.nan}))))
    assert isinstance(told, Told)
    assert isinstance(told.event, EpochDone)
    assert math.isnan(told.event.row["validation/skill"])


@pytest.mark.parametrize("line", ["", "warning: something\n", "[1, 2]\n", '{"say": "hello"}\n'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is a ValueError with its own words
        decode(line)
