"""What a record keeps of each test item, from which every score of the test side follows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mmcore.config import Label
from mmcore.run import run
from mmcore.training.baselines import fit_baselines
from mmcore.training.cells import ItemCells
from mmcore.training.evaluation import Naive, evaluate, outcome_rows
from mmcore.training.tally import Tally


@pytest.fixture(scope="module")
def step_labels(corpus_writer, tmp_path_factory):
    """A label per step: three parameters of two components and of every kind, with gaps, in items of other lengths."""
    rng = np.random.default_rng(3)
    names = [f"talk{i:02d}" for i in range(18)]
    sensor, labels = {}, {}
    for i, name in enumerate(names):
        length = 24 + i
        level = rng.standard_normal(length)
        time = np.arange(length, dtype=float)
        mood = np.digitize(level, [-0.5, 0.5]).astype(float)
        mood[rng.random(length) < 0.3] = np.nan
        sensor[name] = pd.DataFrame({"time": time, "value": level + 0.3 * rng.standard_normal(length)})
        labels[name] = pd.DataFrame(
            {"time": time, "loud": (level > 0.3).astype(float), "mood": mood, "level": 40.0 * level + 7.0}
        )
        if i % 3 == 0:
            labels[name]["level"] = np.nan
    schema = {
        "format": 1,
        "name": "step_labels",
        "modalities": {"sensor": {"features": [{"name": "value"}]}},
        "targets": {
            "from": "labels",
            "parameters": [
                {"name": "loud", "kind": "binary", "component": "sound"},
                {"name": "mood", "kind": "categorical", "classes": 3, "component": "sound"},
                {"name": "level", "component": "level", "unit": "dB"},
            ],
        },
    }
    tables = {"sensor": sensor, "labels": labels}
    listing = pd.DataFrame({"item": names, "group": names})
    return corpus_writer(tmp_path_factory.mktemp("labels") / "steps", schema, tables, listing)


@pytest.fixture(scope="module", params=["forecast", "labels of steps", "labels of items"])
def result(request, config, step_labels, tmp_path_factory):
    match request.param:
        case "forecast":
            return request.getfixturevalue("finished")[0]
        case "labels of steps":
            return run(config(step_labels, training__epochs=2), tmp_path_factory.mktemp("steps"))
        case _:
            corpus = request.getfixturevalue("label_corpus")
            return run(config(corpus, training__epochs=2), tmp_path_factory.mktemp("items"))


def matrices(rows):
    """Parameter to its whole confusion matrix, from the cells of the items."""
    cells = {}
    for row in rows:
        for true, predicted, count in row.cells or ():
            table = cells.setdefault(row.parameter, {})
            table[true, predicted] = table.get((true, predicted), 0) + count
    found = {}
    for parameter, table in cells.items():
        size = 1 + max(max(key) for key in table)
        found[parameter] = np.zeros((size, size))
        for key, count in table.items():
            found[parameter][key] = count
    return found


def measured(matrix, binary):
    true, predicted, right = matrix.sum(1), matrix.sum(0), np.diagonal(matrix)
    seen, known = true > 0, true + predicted > 0
    values = {
        "accuracy": right.sum() / matrix.sum(),
        "balanced_accuracy": (right[seen] / true[seen]).mean(),
        "macro_f1": (2 * right[known] / (true + predicted)[known]).mean(),
    }
    if binary:
        values["f1"] = 2 * right[1] / (true[1] + predicted[1])
    return values


def test_every_score_of_the_test_side_follows_from_the_outcomes(result):
    rows = result.outcomes
    assert rows
    assert all(row.count > 0 for row in rows)
    frame = pd.DataFrame(rows)
    frame["lost"], frame["naively"] = frame["loss"] * frame["count"], frame["naive_loss"] * frame["count"]
    sums = frame.groupby(["component", "parameter"])[["lost", "naively", "count"]].sum()
    means = sums[["lost", "naively"]].div(sums["count"], axis=0).groupby("component").sum()
    for component, (loss, naive) in means.iterrows():
        assert result.score("loss", component) == pytest.approx(loss, rel=1e-12)
        assert result.score("skill", component) == pytest.approx(_skill(loss, naive), rel=1e-9)
    assert result.score("loss") == pytest.approx(means["lost"].sum(), rel=1e-12)
    assert result.score("skill") == pytest.approx(np.mean([_skill(*row) for _, row in means.iterrows()]), rel=1e-9)

    component_of = dict(zip(frame["parameter"], frame["component"], strict=True))
    by_metric = {}
    for parameter, matrix in matrices(rows).items():
        for metric, value in measured(matrix, parameter in ("active", "loud")).items():
            by_metric.setdefault(metric, {}).setdefault(component_of[parameter], []).append(value)
    assert by_metric
    for metric, by_component in by_metric.items():
        for component, values in by_component.items():
            assert result.score(metric, component) == pytest.approx(np.mean(values), rel=1e-12)
        assert result.score(metric) == pytest.approx(np.mean([np.mean(v) for v in by_component.values()]), rel=1e-12)

    errors = {
        s.parameter: s.value
        for s in result.scores
        if (s.split, s.items, s.metric, s.baseline) == ("test", "all", "mae", None) and s.parameter
    }
    continuous = frame[frame["error"].notna()]
    for parameter, part in continuous.groupby("parameter"):
        assert errors.pop(parameter) == pytest.approx(np.average(part["error"], weights=part["count"]), rel=1e-9)
    assert not errors
    assert frame["cells"].isna().equals(frame["error"].notna())


def test_outcomes_are_counted_on_the_targets_of_the_items(result):
    by_item = {(row.item, row.component): row.count for row in result.items}
    told = pd.DataFrame(result.outcomes).groupby(["item", "component"])["count"].sum()
    assert told.to_dict() == {key: count for key, count in by_item.items() if count}
    for row in result.outcomes:
        if row.cells is not None:
            assert sum(count for _, _, count in row.cells) == row.count
            assert all(count > 0 for _, _, count in row.cells)


def test_a_run_whose_test_is_off_has_none(config, editing_corpus, prepared, tmp_path):
    result = run(config(editing_corpus, training__epochs=1, evaluation__test=False), tmp_path, prepared=prepared)
    assert result.outcomes == ()


# Sparse cells ------------------------------------------------------------------------------------------------------
def test_cells_hold_what_a_dense_matrix_would():
    rng = np.random.default_rng(0)
    cells, dense = ItemCells(5), np.zeros((7, 5, 5), int)
    for _ in range(40):
        item, true, predicted = (torch.tensor(rng.integers(0, high, 30)) for high in (7, 5, 5))
        cells.add(item, true, predicted)
        np.add.at(dense, (item.numpy(), true.numpy(), predicted.numpy()), 1)
    cells.add(*(torch.zeros(0, dtype=torch.int64),) * 3)
    found = cells.of_items()
    assert found == cells.of_items()
    again = np.zeros_like(dense)
    for item, rows in found.items():
        for true, predicted, count in rows:
            again[item, true, predicted] = count
    assert np.array_equal(again, dense)


def test_cells_that_wait_are_merged_on_the_way(monkeypatch):
    monkeypatch.setattr("mmcore.training.cells._PENDING", 10)
    cells = ItemCells(3)
    for _ in range(100):
        cells.add(torch.arange(9), torch.ones(9, dtype=torch.int64), torch.zeros(9, dtype=torch.int64))
        assert sum(len(key) for key, _ in cells._waiting) <= 18
    assert cells.of_items() == {item: ((1, 0, 100),) for item in range(9)}


def test_many_classes_and_items_cost_only_what_occurs():
    """Dense it would be 20,000 × 5,000 × 5,000 cells of 8 bytes: 4 TB."""
    cells = ItemCells(5000)
    item = torch.arange(20_000)
    cells.add(item, item % 5000, (item + 1) % 5000)
    assert len(cells.of_items()) == 20_000


def test_a_tally_keeps_them_only_when_asked(targets, make_batch):
    batch = make_batch(targets, seed=1)
    plain = Tally(targets, [True] * 3, torch.ones(6))
    asked = evaluate({None: lambda b: torch.zeros(*b.target_BTKP.shape[:3], targets.outputs)}, [batch], targets,
                     [True] * 3, torch.ones(6), by_item=True)[None]  # fmt: skip
    p = asked.layout.binary[0]
    with pytest.raises(KeyError):
        plain.item_cells(p)
    assert sum(cell[2] for rows in asked.item_cells(p).values() for cell in rows) == int(asked.count_IP[:, p].sum())


def test_a_component_without_a_counted_target_has_no_row(targets, make_batch):
    batch = make_batch(targets, seed=1)
    empty = replace(batch, target_valid_BTKP=torch.zeros_like(batch.target_valid_BTKP))
    baselines = fit_baselines([batch], targets, Label())
    predictors = {None: baselines[0].predict, **{b.name: b.predict for b in baselines}}
    tallies = evaluate(predictors, [empty], targets, [True] * 3, torch.ones(6), by_item=True)
    assert outcome_rows([0, 1, 2], ["a", "b", "c"], tallies[None], Naive(baselines, tallies)) == []


def _skill(loss, naive):
    return 1 - loss / naive if loss <= naive else naive / loss - 1
