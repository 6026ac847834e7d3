"""Drawing the figures of a report, one after the other."""

import gc

import pytest

from reports.figures.base import FigureBase
from reports.output import drawing
from reports.output.drawing import Figures
from reports.summary.build import summarise


def test_garbage_of_many_figures_is_collected_at_once(results_of, monkeypatch):
    results = results_of()
    summary = summarise(results)
    looked_for, collected, draw = [], [], FigureBase.draw
    monkeypatch.setattr(FigureBase, "draw", lambda self: (looked_for.append(gc.isenabled()), draw(self))[1])
    monkeypatch.setattr(gc, "collect", lambda: collected.append(len(looked_for)))
    monkeypatch.setattr(drawing, "TOGETHER", 2)
    monkeypatch.setattr(drawing, "copies", lambda: 0)
    with Figures(summary, results) as figures:
        assert len(figures.drawn()) == len(looked_for) > 3
    assert not any(looked_for)
    assert collected == [2, 4, *range(6, len(looked_for) + 1, 2)]
    assert gc.isenabled()
    monkeypatch.setattr(FigureBase, "draw", lambda self: pytest.fail("cannot be drawn"))
    with Figures(summary, results) as figures, pytest.raises(pytest.fail.Exception):
        figures.drawn()
    assert gc.isenabled()
