"""What keeps all cores busy from the start of a study to its report."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from factories.mirrors import study_of

from experiments import driver, mirror
from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers.local import LocalPool
from experiments.mirror import Mirror
from experiments.planning.request import Options
from experiments.planning.stages import ANALYSE
from experiments.progress import Screen, Silent, without_threads
from mmcore.garbage import keep, let_go
from reports.output.drawing import Figures


# Workers ------------------------------------------------------------------------------------------------------------
def test_nobody_reads_on_where_a_pool_was_closed(tmp_path: Path) -> None:
    pool = LocalPool(2, 1, tmp_path, foreign=True)
    readers = [worker.reader for worker in pool._workers]
    assert all(reader is not None and reader.is_alive() for reader in readers)
    pool.close()
    assert not any(reader is not None and reader.is_alive() for reader in readers)


# The mirror ---------------------------------------------------------------------------------------------------------
class Written(Mirror):
    """Writes down when the store is opened, and needs none."""

    def __init__(self, home: Home) -> None:
        self.heard: list[str] = []
        super().__init__(home, study_of("both"), "v", pytest.fail)

    def _open(self) -> None:
        self.heard.append("open")

    def note(self, text: str) -> None:
        self._put(lambda: self.heard.append(text))


def test_the_store_is_opened_before_the_first_task_and_not_sooner(tmp_path: Path) -> None:
    talks = Written(Home(tmp_path))
    assert talks._tasks.empty()
    talks.note("one")
    talks.note("two")
    talks.close(60)
    assert talks.heard == ["open", "one", "two"]


def test_a_paused_mirror_has_no_thread_and_goes_on_afterwards(tmp_path: Path) -> None:
    talks = Written(Home(tmp_path))
    talks.note("before")
    with talks.paused():
        assert "mirror" not in {thread.name for thread in threading.enumerate()}
        assert talks.heard == ["open", "before"]
        talks.note("meanwhile")
    talks.note("after")
    talks.close(60)
    assert talks.heard == ["open", "before", "meanwhile", "after"]


def test_a_mirror_that_is_busy_is_not_waited_for_and_keeps_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 0.05)
    talks, go_on = Written(Home(tmp_path)), threading.Event()
    talks._put(lambda: (go_on.wait(60), talks.heard.append("slow"))[0])
    with talks.paused():
        assert "mirror" in {thread.name for thread in threading.enumerate()}
    talks.note("after")
    assert talks.heard == ["open"]
    go_on.set()
    talks.close(60)
    assert talks.heard == ["open", "slow", "after"]


def test_an_interrupted_pause_leaves_a_mirror_that_can_still_be_told(tmp_path: Path) -> None:
    talks = Written(Home(tmp_path))

    def interrupt() -> None:
        with talks.paused():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    talks.note("after")
    talks.close(60)
    assert talks.heard == ["open", "after"]


# The display --------------------------------------------------------------------------------------------------------
def test_a_paused_screen_has_no_thread_and_ticks_again_afterwards() -> None:
    with Screen() as screen:
        screen.begin(ANALYSE)
        ticking = screen._ticking
        with without_threads(screen):
            assert ticking is not None
            assert not ticking.is_alive()
        assert screen._ticking is not None
        assert screen._ticking.is_alive()
    assert not screen._ticking.is_alive()


@pytest.mark.parametrize("display", [Silent(), Screen()], ids=["silent", "not begun"])
def test_a_display_without_threads_is_left_alone(display: Silent | Screen) -> None:
    before = threading.active_count()
    with without_threads(display):
        assert threading.active_count() == before
    assert threading.active_count() == before


# The report ---------------------------------------------------------------------------------------------------------
def test_a_report_is_drawn_while_no_other_thread_of_the_command_runs(
    tmp_path: Path, tiny_corpus: Path, tiny_study_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[set[str]] = []

    class Seen(Figures):
        def __init__(self, *given: Any) -> None:
            names.append({thread.name for thread in threading.enumerate()})
            super().__init__(*given)

    monkeypatch.setattr(driver, "Figures", Seen)
    monkeypatch.setattr(mirror, "PATIENCE", 60.0)
    file = tmp_path / "level.yaml"
    file.write_text(tiny_study_text, encoding="utf-8")
    with Screen(level="quiet") as screen:
        run_study(str(file), tmp_path / "home", Options(corpus=str(tiny_corpus), workers=1), display=screen)
    (there,) = names
    # The threads that read what workers say are another matter: the suite keeps its workers for the next pool.
    assert not [name for name in there if name == "mirror" or "_tick" in name]


@pytest.fixture
def nothing_is_kept() -> Iterator[None]:
    """The suite keeps what its modules made; no test before this one matters."""
    let_go()
    yield
    let_go()
    keep()


def test_what_was_there_is_not_looked_through_while_figures_are_drawn(
    nothing_is_kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.output.drawable.drawable", lambda *_: ())
    with Figures(cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace())):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_keeps_stays_so(nothing_is_kept: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.output.drawable.drawable", lambda *_: ())
    gc.freeze()
    kept = gc.get_freeze_count()
    with Figures(cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace())):
        assert gc.get_freeze_count() <= kept
    assert gc.get_freeze_count() > 0


def test_what_is_set_aside_once_is_given_back_by_whoever_did_so(nothing_is_kept: None) -> None:
    assert keep()
    assert gc.get_freeze_count() > 0
    assert not keep()
    let_go()
    assert gc.get_freeze_count() == 0
    # So it is where others use Python's own functions.
    gc.freeze()
    assert not keep()
