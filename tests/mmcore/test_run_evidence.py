"""What a run measures of itself, for those who must judge it: where its groups lie, and when it read its test items."""

from dataclasses import replace

import pytest

import mmcore.run as run_module
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.splits import draw_split
from mmcore.facts import Chosen, Hardware
from mmcore.run import run
from mmcore.scores import NaiveClasses
from mmcore.scoring import Data
from mmcore.task import resolve_task


def test_an_honest_run_divides_no_group_and_had_read_no_test_item_when_it_chose(finished):
    result = finished[0]
    assert result.split.divided_groups == 0
    assert result.split.twins == ()
    assert result.selection == Chosen("skill", "metric", 0)


def test_a_run_tells_the_device_that_it_used_and_not_the_one_that_it_was_asked_for(
    config, editing_corpus, prepared, finished, tmp_path
):
    assert finished[0].hardware == Hardware("cpu", "float32, highest in products")
    chosen = run(config(editing_corpus, training__epochs=1, device="auto"), tmp_path, prepared=prepared).hardware
    assert chosen.device.split()[0] == run_module.resolve_device("auto").type


def test_every_window_that_a_pass_reads_is_counted_by_item(config, editing_corpus, prepared):
    small = config(editing_corpus)
    split = draw_split(prepared.items, small.split, small.repeat)
    task = resolve_task(small, prepared.schema)
    data = Data(small, prepared, split.train, fit_normaliser(prepared, split.train), task, lambda event: None)
    validation, test = data.loader("validation", split.validation), data.loader("test", split.test)
    assert data.windows_read(split.validation) == data.windows_read(split.test) == 0  # opening is not reading
    for _ in range(2):
        list(validation.batches())
    few = len(data.handful(test).item_B)
    assert data.windows_read(split.validation) == 2 * validation.windows
    assert data.windows_read(split.test) == few > 0
    list(data.targets_only(split.train).batches())
    assert data.windows_read(split.test) == few
    assert data.windows_read(()) == 0


@pytest.mark.parametrize(("batch", "few"), [(3, 3), (8, 8), (64, 8)])
def test_a_handful_of_windows_comes_from_all_over_a_side(config, editing_corpus, prepared, batch, few):
    small = config(editing_corpus, training__batch=batch)
    task = resolve_task(small, prepared.schema)
    data = Data(small, prepared, range(12), fit_normaliser(prepared, range(12)), task, lambda event: None)
    items = data.handful(data.loader("validation", range(12))).item_B.tolist()
    assert (len(items), items[0], items[-1]) == (few, 0, 11)


class Curious(Data):
    """Compares the naive predictors on all items while it should know those of one side alone."""

    def naive(self, items):
        super().naive(range(len(self.names)))
        return super().naive(items)


def test_a_run_that_reads_test_items_before_it_chose_tells_how_many_windows(
    config, editing_corpus, prepared, finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(run_module, "Data", Curious)
    result = run(config(editing_corpus, training__epochs=1), tmp_path, prepared=prepared)
    assert result.selection.test_windows_read == finished[0].split.test.windows


def test_a_split_that_divides_groups_tells_how_many(config, editing_corpus, prepared, tmp_path, monkeypatch):
    """Items of three in a row are one recording; the split is drawn as if each were one by itself."""
    grouped = tuple(replace(item, group=f"recording{i // 3}") for i, item in enumerate(prepared.items))
    sides = draw_split(prepared.items, config(editing_corpus).split, 0)
    monkeypatch.setattr(run_module, "draw_split", lambda *arguments: sides)
    result = run(config(editing_corpus, training__epochs=1), tmp_path, prepared=replace(prepared, items=grouped))
    side_of = {i: side for side in ("train", "validation", "test") for i in getattr(sides, side)}
    divided = [g for g in range(7) if len({side for i, side in side_of.items() if i // 3 == g}) > 1]
    assert result.split.divided_groups == len(divided) > 1


@pytest.mark.parametrize("kind", ["gated", "gated_softmax", "hierarchical", "concat"])
def test_gates_are_told_where_there_are_any(config, editing_corpus, prepared, tmp_path, kind):
    result = run(config(editing_corpus, training__epochs=1, model__fusion={"kind": kind}), tmp_path, prepared=prepared)
    expected = {
        "concat": set(), "hierarchical": {"speech", "noise", "(speech|noise)", "track"}
    }.get(kind, {"speech", "noise", "track"})  # fmt: skip
    assert set(result.gates) == expected
    assert all(0 < gate.mean < 1 and 0 <= gate.saturated <= 1 for gate in result.gates.values())


def test_a_failed_run_chose_nothing_and_shows_no_gates(config, editing_corpus, prepared, tmp_path):
    wild = {"training__optimiser": {"kind": "adam", "learning_rate": 1e19}, "training__clip_norm": None}
    result = run(config(editing_corpus, **wild, training__schedule={"kind": "constant"}), tmp_path, prepared=prepared)
    assert (result.status, result.selection, result.gates, result.split.twins) == ("failed", Chosen(), {}, None)
    assert result.split.divided_groups == 0


def test_a_run_says_which_class_naive_predictors_name(finished, config, label_corpus, tmp_path):
    result, _, _ = finished
    told = {row.parameter: row for row in result.naive_classes}
    assert set(told) == {"active", "asset"}
    # Both tracks are active in five of six steps.
    assert told["active"] == NaiveClasses("active", "active", (1, 1))
    assert all(c in (0, 1, 2) for c in told["asset"].classes)

    labels = run(config(label_corpus, training__epochs=1), tmp_path)
    ((named,),) = (row.classes for row in labels.naive_classes)
    cells = [c for row in labels.outcomes for c in row.cells or ()]
    share = sum(count for true, _, count in cells if true == named) / sum(count for *_, count in cells)
    majority = next(
        s.value
        for s in labels.scores
        if (s.split, s.items, s.metric, s.component, s.baseline) == ("test", "all", "accuracy", None, "majority")
    )
    assert majority == pytest.approx(share)
