"""A command ends within three seconds of Ctrl-C, whatever its workers and its tracking store are doing."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from factories.command import mmstudy
from factories.mirrors import study_of
from factories.training_code import FUNCTION_STUDY, project

import mmstudy_start
from experiments import mirror
from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers import local
from experiments.launchers.local import LocalPool
from experiments.mirror import Mirror
from experiments.terminal import guarded
from mmcore.errors import MMStudyError

TOGETHER = 3.0
"""Seconds."""


def test_both_waits_together_are_shorter_than_that() -> None:
    assert local.PATIENCE + mirror.PATIENCE <= TOGETHER - 0.5, "the rest is for the interpreter's end"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX")
def test_workers_that_do_not_hear_are_killed_all_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PATIENCE", 1.5)
    pool = LocalPool(3, 1, tmp_path, foreign=True)
    processes = [worker.process for worker in pool._workers]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    # A process that has not got so far yet would heed the signal that asks it to end before this one.
    while any(psutil.Process(process.pid).status() != psutil.STATUS_STOPPED for process in processes):
        time.sleep(0.01)
    began = time.monotonic()
    pool.close()
    spent = time.monotonic() - began
    assert all(process.poll() is not None for process in processes)
    assert 1.5 <= spent < 4.0, "not one after the other"


def test_a_store_that_hangs_is_not_waited_for(
    tmp_path: Path, with_database: Callable[[Home], Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 0.1)
    stuck, over = threading.Event(), threading.Event()
    talks = Mirror(with_database(Home(tmp_path / "home")), study_of("both"), "v", pytest.fail)
    talks._tasks.put(lambda: (stuck.set(), over.wait(60)))
    assert stuck.wait(60)
    began = time.monotonic()
    talks.abandon()
    assert time.monotonic() - began < 2.0
    over.set()
    talks.close(60)


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


def test_ctrl_c_is_one_line_while_a_command_reads_its_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.cli.main.built", lambda app: interrupted)
    told = mmstudy(home, "plan", "fusion")
    assert (told.returncode, told.stdout) == (130, "")
    assert told.stderr.strip() == "interrupted; finished work is kept, and the same command resumes"


def as_a_module() -> None:
    runpy.run_module("experiments.cli", run_name="__main__")


STARTS = pytest.mark.parametrize("start", [mmstudy_start.main, as_a_module], ids=["mmstudy", "python -m"])


@STARTS
def test_ctrl_c_is_no_traceback_while_the_packages_are_imported(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], None]
) -> None:
    monkeypatch.setattr(mmstudy_start, "take_own_packages", interrupted)
    with pytest.raises(SystemExit) as end:
        start()
    assert end.value.code == 130


@STARTS
@pytest.mark.parametrize("line", ["_speak_utf8", "safe_output"])
def test_ctrl_c_in_a_line_before_the_command_takes_care_of_it_ends_it_in_order(
    monkeypatch: pytest.MonkeyPatch, line: str, start: Callable[[], None]
) -> None:
    monkeypatch.setattr(f"experiments.terminal.{line}", interrupted)
    monkeypatch.setattr(sys, "argv", ["mmstudy", "list"])
    kept = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            start()
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert ended.value.code == 130


class Gone:
    """Is interrupted as it goes, where Python swallows that."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def lost() -> None:
    Gone()
    time.sleep(30)


def cut_off() -> None:
    # What a compiled module makes of Ctrl-C in the middle of its import.
    raise ImportError("initialization failed") from KeyboardInterrupt()


def in_a_clean_up() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("cannot schedule new futures after shutdown")


@pytest.fixture
def sigterm() -> Iterator[None]:
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


@pytest.mark.parametrize("work", [lost, cut_off, in_a_clean_up])
def test_ctrl_c_that_python_or_a_library_turns_into_something_else_ends_a_command_in_order(
    sigterm: None, capsys: pytest.CaptureFixture[str], work: Callable[[], None]
) -> None:
    began, hook = time.monotonic(), sys.unraisablehook
    with pytest.raises(SystemExit) as ended:
        guarded(work)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted; finished work is kept, and the same command resumes\n"
    assert time.monotonic() - began < 20
    assert sys.unraisablehook is hook


def test_an_error_of_its_own_is_not_taken_for_ctrl_c(sigterm: None) -> None:
    def wrong() -> None:
        raise ImportError("initialization failed") from ValueError("of its own")

    with pytest.raises(ImportError, match="initialization failed"):
        guarded(wrong)


def test_a_report_that_cannot_be_written_ends_the_mirror_before_the_error_is_said(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning of the tracking store, whose disk is as full, must not stand after the last line."""
    ended: list[Mirror] = []
    monkeypatch.setattr(Mirror, "abandon", lambda self: ended.append(self))

    def full(*_: object, **__: object) -> NoReturn:
        raise MMStudyError("there is no space left on the disk")

    monkeypatch.setattr("experiments.driver.report_study", full)
    text = FUNCTION_STUDY.replace("repeats: 8", "repeats: 1")
    with pytest.raises(MMStudyError, match="no space left"):
        run_study(str(project(tmp_path / "project", text)), home.root)
    (mirror,) = ended
    mirror.close(60)
