"""The simulations with a real learner, behind the first tables of docs/error_rates.md, in small."""

import math
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.error_rates import learner, learner_sequential
from benchmarks.error_rates.__main__ import main
from benchmarks.error_rates.families import CELLS, ITEMS, RIDGE, Cell, Trained, _corpora, simulate
from benchmarks.error_rates.fixed import ALPHA
from benchmarks.error_rates.learner import EFFECT, error_row, paired, power_row, rates, verdicts
from mmcore.skill import skill
from reports.statistics.new_items import times_drawn
from reports.statistics.verdicts import decide

PAGE = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
SMALL = 400


def slack(studies, errors=2):
    """So many standard errors of a simulated rate of 5 %."""
    return errors * math.sqrt(ALPHA * (1 - ALPHA) / studies)


def rows(title):
    """Entries of the page's table under a title; percentages as shares."""
    lines = PAGE.split(f"### {title}", 1)[1].split("\n###", 1)[0].splitlines()
    table = [[entry.strip() for entry in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return [[float(e[:-2]) / 100 if e.endswith(" %") else e for e in row] for row in table[1:]]


@pytest.mark.parametrize("cell", [c for c in CELLS if c.groups in (10, 60) and c.luck == "seed"], ids=str)
def test_a_claim_about_new_items_is_false_at_most_at_alpha(cell):
    found = rates(cell, SMALL)
    assert found.metric <= ALPHA + slack(SMALL, errors=3)
    assert found.component <= ALPHA + slack(SMALL, errors=3)
    if cell.shared:
        assert found.metric_alone > 5 * ALPHA
        assert found.these_items == pytest.approx(found.metric_alone - found.metric)
    else:
        assert (found.metric_alone, found.these_items) == (found.metric, 0.0)


@pytest.mark.parametrize("design", ["each_repeat", "once", "given"])
def test_a_large_effect_is_found(design):
    assert rates(Cell(design, "seed", "normal", 60, EFFECT), 60).found > 0.3


def test_one_shared_test_group_says_nothing_of_others():
    found = rates(Cell("given", "items", "normal", 4, 3.0), 40)
    assert (found.metric, found.component) == (0.0, 0.0)
    assert found.these_items > 0.5


def sides_of(cell):
    """Groups that each repeat tests, by family."""
    return [np.isfinite(trained.naive_RGC[..., 0]) for trained in islice(simulate(cell, 20), 20)]


def test_designs_draw_their_test_groups_as_their_names_say():
    for tested_RG in sides_of(Cell("each_repeat", "seed", "normal", 10)):
        assert (tested_RG.sum(1) == 2).all()
        assert len(np.unique(tested_RG, axis=0)) > 3
    for design in ("once", "given"):
        for tested_RG in sides_of(Cell(design, "seed", "normal", 10)):
            assert (tested_RG == tested_RG[0]).all()
    # What a given split trains on is fixed too: only the start of a training moves its scores.
    spread = {
        design: np.median([t.skill_ARX[0, :, 0].std() for t in simulate(Cell(design, "seed", "normal", 30), 40)])
        for design in ("once", "given")
    }
    assert 0 < spread["given"] < spread["once"] / 2


@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_modalities_are_exchangeable_and_an_effect_favours_the_first(tails):
    def difference(effect):
        found = [t.skill_ARX[..., 0] for t in simulate(Cell("each_repeat", "items", tails, 30, effect), 300)]
        return np.array([(one - other).mean() for one, other in found])

    d_S = difference(0.0)
    assert abs(d_S.mean()) < 3 * d_S.std() / math.sqrt(len(d_S))
    assert difference(EFFECT).mean() > 5 * d_S.std() / math.sqrt(len(d_S))


def test_the_learner_is_a_ridge_regression(monkeypatch):
    """One training by hand, on each of its items once, with no start to be pulled to."""
    cell = Cell("given", "seed", "normal", 10, repeats=1)
    monkeypatch.setattr("benchmarks.error_rates.families.generator", lambda *_, **__: Still(3))
    (trained,) = simulate(cell, 1)
    rng = Still(3)
    x_SANP, y_SNC = _corpora(cell, 1, rng)
    rng.random((1, 1, 10))
    order_G = rng.random((1, 1, 10))[0, 0].argsort()
    of_group_N = np.repeat(np.arange(10), ITEMS)
    train_N, test_N = (np.isin(of_group_N, part) for part in (order_G[4:], order_G[:2]))
    for arm in range(2):
        x_NP, y_NC = x_SANP[0, arm], y_SNC[0]
        mean_C = y_NC[train_N].mean(0)
        gram_PP = x_NP[train_N].T @ x_NP[train_N] + RIDGE * np.eye(x_NP.shape[1])
        weight_PC = np.linalg.solve(gram_PP, x_NP[train_N].T @ (y_NC[train_N] - mean_C))
        loss_C = ((y_NC - mean_C - x_NP @ weight_PC)[test_N] ** 2).mean(0)
        naive_C = ((y_NC - mean_C)[test_N] ** 2).mean(0)
        by_hand = [skill(*pair) for pair in zip(loss_C, naive_C, strict=True)]
        assert trained.skill_ARX[arm, 0, 1:] == pytest.approx(by_hand)
        assert trained.skill_ARX[arm, 0, 0] == pytest.approx(np.mean(by_hand))


class Still:
    """A generator whose last normal draw, the starts, is 0."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        return getattr(self._rng, name)

    def normal(self, size):
        drawn = self._rng.normal(size=size)
        return np.zeros(size) if len(size) == 5 else drawn


def test_resampled_skills_are_those_of_the_drawn_groups():
    cell = Cell("once", "items", "heavy", 30)
    trained: Trained = next(simulate(cell, 1))
    tested_G = np.isfinite(trained.naive_RGC[0, :, 0])
    drawn = np.repeat(np.flatnonzero(tested_G), times_drawn(cell.sides[0])[5].astype(int))
    loss_AC, naive_C = trained.loss_ARGC[:, 2, drawn].mean(1), trained.naive_RGC[2, drawn].mean(0)
    skill_AC = [[skill(*pair) for pair in zip(loss_C, naive_C, strict=True)] for loss_C in loss_AC]
    d_C = np.subtract(*skill_AC)
    assert trained.resampled_RBX()[2, 5] == pytest.approx([d_C.mean(), *d_C])


def test_verdicts_are_those_of_the_rule_for_the_metric_and_the_components_as_families_of_their_own():
    cell = Cell("once", "seed", "normal", 60)
    for trained in simulate(cell, 20):
        found, words = paired(cell, trained), verdicts(cell, trained)
        assert len(found) == 4
        assert words.metric == decide(found[:1])[0].verdict
        assert words.components == tuple(d.verdict for d in decide(found[1:]))
        assert found[0].overlap == 0.0
        assert found[0].new_items is not None
        assert found[0].new_items.left_out == pytest.approx(24 / 36)
    assert paired(Cell("each_repeat", "seed", "normal", 60), trained)[0].overlap == pytest.approx(12 / 36)


def test_repeats_are_added_until_they_decide_and_new_items_are_asked_then():
    cell = Cell("once", "seed", "normal", 30, repeats=learner_sequential.RULE.most)
    found = [learner_sequential.follow(cell, trained) for trained in simulate(cell, 40)]
    looks = learner_sequential.RULE.looks
    assert len({f.repeats for f in found}) > 2
    for f in found:
        assert f.repeats in looks
        if f.repeats < looks[-1]:
            assert f.alone in ("better", "worse")
        if f.alone in ("better", "worse"):
            assert f.verdict in (f.alone, f"{f.alone} on these items")
        else:
            assert f.verdict == f.alone


def test_the_page_shows_every_kind_of_family_and_alpha_is_held_in_each():
    title = "A real learner, no effect"
    errors = rows(title)
    assert f"### {title}: share of {learner.STUDIES:,} families" in PAGE
    assert [row[:4] for row in errors] == [[c.design, c.luck, c.tails, str(c.groups)] for c in CELLS]
    for design, _, _, groups, metric, component, either, metric_alone, _, these_items in errors:
        assert max(metric, component) <= ALPHA + slack(learner.STUDIES)
        assert max(metric, component) <= either <= metric + component + 0.0011
        if design == "each_repeat":
            assert (metric_alone, these_items) == (metric, 0.0)
        else:
            assert metric_alone > (5 if int(groups) > 4 else 2) * ALPHA
            assert these_items == pytest.approx(metric_alone - metric, abs=0.0011)
    power = rows("A real learner, an effect")
    assert [row[:4] for row in power] == [[c.design, c.luck, c.tails, str(c.groups)] for c in CELLS if c.luck == "seed"]


def test_the_page_shows_what_is_claimed_where_repeats_are_added():
    errors = rows("A real learner, repeats added, no effect")
    assert [row[:3] for row in errors] == [[c.design, c.luck, str(c.groups)] for c in learner_sequential.CELLS]
    for *_, new_items, these_items, alone, _ in errors:
        assert new_items <= ALPHA + slack(learner_sequential.STUDIES)
        assert these_items == pytest.approx(alone - new_items, abs=0.0011)


def test_the_page_is_what_the_commands_print():
    cell = Cell("given", "seed", "normal", 30)
    assert cell in CELLS
    row = power_row(replace(cell, effect=EFFECT), learner.STUDIES // 4)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row


@pytest.mark.simulation
def test_the_page_of_errors_is_what_the_command_prints():
    row = error_row(Cell("given", "seed", "normal", 30), learner.STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row


@pytest.mark.simulation
def test_the_page_of_sequential_studies_is_what_the_command_prints():
    row = learner_sequential.row(learner_sequential.CELLS[0], learner_sequential.STUDIES)
    assert re.search(f"^{re.escape(row)}$", PAGE, re.MULTILINE), row


def test_the_command_prints_the_tables_of_the_page(capsys):
    heads = [line for line in PAGE.splitlines() if line.startswith("| design | luck")]
    for part, tables, count in (
        ("learner", heads[:2], len(CELLS) + len(CELLS) // 2),
        ("learner-sequential", heads[2:], len(learner_sequential.CELLS) * 3 // 2),
    ):
        main(["--only", part, "--studies", "1"])
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.startswith("| design")] == tables
        assert sum("%" in line and line.startswith("| ") for line in lines) == count
