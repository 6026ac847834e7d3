"""What a report says of a search: promise against confirmation, budgets, edges, figures with numbers behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from factories.searches import RATE, make_search

from reports.output.render import write_report
from reports.records.frame import StudyResults
from reports.sections.build import figures, sections
from reports.sections.search.estimates import (
    best_of_frame,
    confirmed_frame,
    curves,
    edges,
    front_frame,
    history_frame,
    numeric_axes,
    trials_frame,
)
from reports.sections.search.section import section
from reports.summary.build import summarise
from studies.search.results import SearchResult, TrialResult


def changed(search: SearchResult, change: Callable[[TrialResult], TrialResult]) -> SearchResult:
    """A search with other trials, of which nothing more is known."""
    trials = tuple(change(trial) for trial in search.trials)
    confirmed = {arm: trials[trial.number] for arm, trial in search.confirmed.items()}
    return replace(search, trials=trials, confirmed=confirmed, importances=None)


@pytest.fixture
def searched(results_of: Callable[..., StudyResults]) -> Callable[..., StudyResults]:
    """Results with searches; validation scores are those of the test."""

    def make(*searches: SearchResult, **options: Any) -> StudyResults:
        results = results_of(**options)
        scores = pd.concat([results.scores, results.scores.assign(split="validation")], ignore_index=True)
        return replace(results, scores=scores, search=searches)

    return make


def test_a_study_without_a_search_has_no_such_section(results_of: Callable[..., StudyResults]) -> None:
    assert section(results_of()) is None
    assert [f.name for f in figures(results_of()) if f.name.startswith("search_") and not f.frame().empty] == []


def test_a_promise_above_the_interval_is_told_as_luck(searched: Callable[..., StudyResults]) -> None:
    results = searched(make_search(promise=0.99))
    (row,) = confirmed_frame(results).to_dict("records")
    assert row["lost"] == pytest.approx(0.99 - row["mean"])
    assert row["n"] == results.study.repeats
    told = section(results)
    assert told is not None
    assert told.findings[0].label == "promised too much"
    assert "0.990 in the search" in told.findings[0].text
    assert "is selection bias, or luck of the repeats" in told.findings[0].text


def test_a_promise_within_the_interval_is_confirmed(searched: Callable[..., StudyResults]) -> None:
    mean = confirmed_frame(searched(make_search()))["mean"][0]
    told = section(searched(make_search(promise=float(mean))))
    assert told is not None
    assert told.findings[0].label == "confirmed"


def test_a_winner_that_was_not_trained_anew_yet_claims_nothing(searched: Callable[..., StudyResults]) -> None:
    other = make_search("somebody else")
    told = section(searched(other))
    assert told is not None
    assert not any(f.label in ("confirmed", "promised too much") for f in told.findings)


def test_epochs_saved_and_states_are_counted(searched: Callable[..., StudyResults]) -> None:
    told = section(searched(make_search()))
    assert told is not None
    (spent,) = [f for f in told.findings if "epochs" in f.text]
    assert "256 epochs instead of 288" in spent.text
    assert "saved 11 %" in spent.text
    assert "9 complete, 2 pruned, 1 failed" in spent.evidence
    (failures,) = [f for f in told.findings if f.label == "failures"]
    assert "no memory" in failures.evidence


def test_an_open_search_says_so_first(searched: Callable[..., StudyResults]) -> None:
    told = section(searched(make_search("somebody else", complete=False)))
    assert told is not None
    assert told.findings[0].label == "open"


def test_a_winner_at_the_edge_is_found_on_a_logarithmic_axis(searched: Callable[..., StudyResults]) -> None:
    assert edges(make_search(seed=3)) == [] or all(side for _, side, _ in edges(make_search(seed=3)))
    found = edges(make_search(edge=True))
    assert ("training.optimiser.learning_rate", "high", 9.9e-3) in found
    told = section(searched(make_search(edge=True)))
    assert told is not None
    assert any(f.label == "edge of the space" and "upper end" in f.text for f in told.findings)


def test_the_best_so_far_follows_the_order_of_proposals() -> None:
    """Which trial ended first depends on the machine, and so would the figure."""
    search = make_search()
    frame = history_frame([search])
    assert list(frame["trial"]) == sorted(frame["trial"])
    complete = frame[frame["state"] == "complete"]
    assert frame["best"].iloc[-1] == pytest.approx(complete["value"].max())
    pruned = frame[frame["state"] == "pruned"].iloc[0]
    assert pruned["value"] == search.trials[int(pruned["trial"])].reported[-1][1]


def test_a_pruned_trial_counts_as_the_worst_in_the_best_of_n() -> None:
    search = make_search()
    curve = curves([search])["multimodal"]
    assert len(curve) == 12
    known = [t.values[0] for t in search.trials if t.values]
    everyone = known + [min(known)] * 3
    assert curve[0].mean == pytest.approx(sum(everyone) / 12)
    assert best_of_frame([search])["mean"].iloc[-1] == pytest.approx(max(known))


def test_rankings_that_flip_are_told(searched: Callable[..., StudyResults]) -> None:
    steady, late = make_search("track_only", pruned=(), failed=()), make_search("multimodal", pruned=(), failed=())
    flat = changed(steady, lambda t: replace(t, values=(0.4,)))
    spiked = changed(late, lambda t: replace(t, values=(0.9 if t.number == 0 else 0.1,)))
    told = section(searched(flat, spiked))
    assert told is not None
    (flip,) = [f for f in told.findings if f.label == "depends on the budget"]
    # The expected best of n of one 0.9 among eleven 0.1 is 0.1 + 0.8 n/12: above 0.4 from 5 on.
    assert "'multimodal' from 5 trials on, 'track_only' with fewer" in flip.text


def test_fronts(searched: Callable[..., StudyResults]) -> None:
    search = make_search(objectives=2)
    front = front_frame(search)
    assert front["front"].any()
    assert not front["front"].all()
    assert front_frame(make_search()).empty
    assert {f.name for f in figures(searched(search)) if not f.frame().empty} >= {"search_front"}


def test_axes_come_by_importance_and_choices_have_none() -> None:
    assert numeric_axes(make_search()) == ["training.optimiser.learning_rate", "model.layers"]


def test_of_a_simplex_the_weights_are_shown_not_the_numbers_behind_them() -> None:
    def weighed(t: TrialResult) -> TrialResult:
        weights = {"a": 0.1 + t.number / 100, "b": 1.9 - t.number / 100}
        return replace(t, axes={"loss.weights.a": 0.9, "loss.weights.b": 0.1}, settings={"loss.weights": weights})

    search = changed(make_search(), weighed)
    assert numeric_axes(search) == ["loss.weights.a", "loss.weights.b"]
    assert list(trials_frame([search])["loss.weights.b"])[:2] == pytest.approx([1.9, 1.89])


def test_every_trial_leads_to_its_runs() -> None:
    frame = trials_frame([make_search()])
    assert list(frame["runs"]) == [f"{n:032x}" for n in range(12)]


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_whole_page_is_written(searched: Callable[..., StudyResults], tmp_path: Path, objectives: int) -> None:
    results = searched(make_search(objectives=objectives), make_search("track_only", objectives=objectives, seed=1))
    assert sections(results)[0].key == "search"
    page = write_report(summarise(results), results, tmp_path).read_text(encoding="utf-8")
    names = {path.stem for path in (tmp_path / "figures").glob("search_*.svg")}
    expected = {"history", "confirmed", "best_of", "importances", "slices"}
    assert names == {f"search_{n}" for n in expected | ({"front"} if objectives == 2 else set())}
    for name in names:
        assert f'id="figure-{name}"' in page
        assert (tmp_path / "tables" / f"figure_{name}.csv").stat().st_size > 0
        drawn = (tmp_path / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "$" not in drawn, "a formula that nobody sets"
    assert (tmp_path / "tables" / "search_trials.csv").is_file()
    again = write_report(summarise(results), results, tmp_path / "again").read_text(encoding="utf-8")
    assert again == page, "the same records give the same bytes"


@pytest.mark.parametrize("rates", [(3e-4, 6e-4), (4e-4, 5.5e-3), (3e-5, 3e-2)])
def test_orders_of_magnitude_have_plain_ticks_that_do_not_touch(
    searched: Callable[..., StudyResults], rates: tuple[float, float]
) -> None:
    def drawn(t: TrialResult) -> TrialResult:
        axes = {RATE: rates[0] * (rates[1] / rates[0]) ** (t.number / 11), "model.layers": 1 + t.number % 4}
        return replace(t, axes=axes, settings=axes)

    search = changed(make_search(pruned=(), failed=()), drawn)
    slices = next(f for f in figures(searched(search)) if f.name == "search_slices")
    drawing = slices.draw()
    drawing.draw_without_rendering()
    axes = next(a for a in drawing.axes if a.get_xscale() == "log")
    assert axes.get_xlabel() == "…learning_rate"
    low, high = axes.get_xlim()
    labels = [t for x, t in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= x <= high]
    assert 1 <= len(labels) <= 6
    assert all(float(label.get_text()) > 0 for label in labels)
    boxes = [label.get_window_extent() for label in labels]
    assert all(one.x1 < two.x0 for one, two in pairwise(boxes))
    assert not [t for t in axes.get_xticklabels(minor=True) if t.get_text()]


@pytest.mark.parametrize("known", [True, False])
def test_what_matters_most_is_only_claimed_where_it_is_known(
    searched: Callable[..., StudyResults], known: bool
) -> None:
    search = make_search()
    results = searched(search if known else replace(search, importances=None))
    told = section(results)
    assert told is not None
    assert ("no importances" in {f.label for f in told.findings}) == (not known)
    for figure in figures(results):
        if figure.name == "search_slices":
            assert ("most important" in figure.description) == known


def test_few_trials_and_a_single_axis_draw_what_there_is(searched: Callable[..., StudyResults], tmp_path: Path) -> None:
    def single(t: TrialResult) -> TrialResult:
        axes = {"model.layers": t.axes["model.layers"]}
        return replace(t, axes=axes, settings=axes)

    search = changed(make_search(trials=3, pruned=(), failed=()), single)
    results = searched(search)
    write_report(summarise(results), results, tmp_path)
    names = {path.stem for path in (tmp_path / "figures").glob("search_*.svg")}
    assert names == {"search_history", "search_confirmed", "search_best_of", "search_slices"}
