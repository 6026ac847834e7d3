"""What a report draws with is imported while the last run trains."""

from __future__ import annotations

import threading

import pytest

from experiments import rounds
from experiments.rounds import Drawing


def test_the_import_begins_when_a_worker_is_idle_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(rounds.importlib, "import_module", lambda name: imported.append(name))
    drawing = Drawing(runs=3, workers=2)
    drawing.ready()
    drawing.one_done()
    assert not [thread for thread in threading.enumerate() if thread.name == "drawing"]
    drawing.one_done()
    drawing.ready()
    assert imported == ["reports.output.drawable", "reports.figures.svg"]
    drawing.one_done()
    drawing.ready()
    assert len(imported) == 2


def test_what_cannot_be_imported_is_told_by_the_report_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(rounds.importlib, "import_module", broken)
    drawing = Drawing(runs=1, workers=1)
    drawing.one_done()
    drawing.ready()
    assert capsys.readouterr().err == ""
