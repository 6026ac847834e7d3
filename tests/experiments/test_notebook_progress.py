"""Progress in a notebook: one output, few updates, and a line that stays."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.notebook import EVERY, MOST_KEPT, NotebookDisplay, in_notebook, usual_display
from experiments.planning.estimate import Estimate
from experiments.planning.stages import REPORT, TRAIN, Part, Stage
from experiments.progress import Silent
from mmcore.events import EpochDone, Note, Progress


class Place:
    """Keeps what is shown in it, as a notebook does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.updates: list[dict[str, str]] = []

    def clock(self) -> float:
        return self.now

    def show(self, data: dict[str, str]) -> Place:
        self.made += 1
        self.updates.append(data)
        return self

    def update(self, obj: Any, **kwargs: Any) -> None:
        assert kwargs == {"raw": True}
        self.updates.append(obj)

    @property
    def text(self) -> str:
        return self.updates[-1]["text/plain"]

    @property
    def html(self) -> str:
        return self.updates[-1]["text/html"]


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def display(place: Place) -> NotebookDisplay:
    return NotebookDisplay(place.show, place.clock)


def stage(jobs: int) -> Stage:
    return Stage(TRAIN, (Part("", jobs, Estimate(10.0)),), 1, Estimate(0.0, 1.0))


def test_one_output_says_what_is_done_running_and_left(place: Place, display: NotebookDisplay) -> None:
    with display:
        display.expect([stage(3)])
        display.begin(TRAIN)
        display.started("a r0")
        place.now += EVERY
        display.event("a r0", EpochDone(1, 2, {"validation/skill": 0.25}))
        assert place.text.splitlines()[0].startswith("0 of 3 jobs done, 1 running, about ")
        assert place.text.splitlines()[1] == "a r0: epoch 1 of 2, validation skill 0.250"
        assert '<progress max="3" value="0"' in place.html
        place.now += EVERY
        display.finished("a r0", "test skill 0.3", False)
        assert place.text.startswith("1 of 3 jobs done, 0 running")
        for name in ("a r1", "a r2"):
            display.started(name)
            display.finished(name, "", False)
        place.now = 61.0
        display.begin(REPORT)
        assert place.text.startswith("writing the report, 3 of 3 jobs done")
    assert place.text == "3 of 3 jobs done in 1 min 1 s"
    assert place.made == 1


def test_many_events_give_few_updates(place: Place, display: NotebookDisplay) -> None:
    with display:
        display.started("a")
        for step in range(1000):
            place.now += EVERY / 100
            display.event("a", Progress(1, 1, step, 1000))
    assert len(place.updates) <= 13


def test_warnings_and_failures_stay_other_remarks_do_not(place: Place, display: NotebookDisplay) -> None:
    with display:
        display.started("a")
        display.say("warning: only 2 repeats")
        place.now += EVERY
        display.event("a", Note("normalising"))
        assert "a: normalising" in place.text
        display.finished("a", "failed: loss is NaN", True)
    assert place.text == "1 of 1 job done in 0 s\nwarning: only 2 repeats\na: failed: loss is NaN"


def test_what_is_many_is_counted_and_names_are_escaped(place: Place, display: NotebookDisplay) -> None:
    with display:
        for i in range(MOST_KEPT + 3):
            display.started(f"<b>{i}")
            display.say(f"warning: <script>{i}")
        place.now += EVERY
        display.headline("best <i>")
        assert "and 3 more running" in place.text
        assert "and 3 more earlier" in place.text
        for bad in ("<b>", "<script", "<i>"):
            assert bad not in place.html
        assert "&lt;script&gt;" in place.html


def test_an_interruption_says_how_to_go_on(place: Place, display: NotebookDisplay) -> None:
    display.expect([stage(3)])
    with pytest.raises(KeyboardInterrupt), display:
        raise KeyboardInterrupt
    assert place.text == "stopped after 0 of 3 jobs, in 0 s; the same call resumes"


def test_only_a_kernel_is_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell, expected in ((None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=object()), True)):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert in_notebook() is expected
        assert isinstance(usual_display(), NotebookDisplay) is expected
    monkeypatch.delitem(sys.modules, "IPython")
    assert isinstance(usual_display(), Silent)
