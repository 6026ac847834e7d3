"""How many steps a model sees: the longest item where each item has one target, and what is cut is counted."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from mmcore.config import LONGEST_WINDOW, USUAL_WINDOW, DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import PreparedItem
from mmcore.data.windows import cut_items, cut_text, lengths_of, stretches, window_of, with_window
from mmcore.fingerprint import fingerprint
from mmcore.run import run
from mmcore.task import default_window


def item(steps, breaks=(), name="a"):
    return PreparedItem(name, name, None, 0, steps, (True,), breaks)


def store(*items, scope="item", step=0.1):
    schema = SimpleNamespace(targets=SimpleNamespace(scope=scope), step=step)
    return SimpleNamespace(schema=schema, items=items)


def test_the_longest_item_is_the_window_up_to_a_limit():
    assert window_of(DataConfig(), store(item(41), item(125))) == 125
    assert window_of(DataConfig(), store(item(41), item(5_000))) == LONGEST_WINDOW == 1_000
    assert window_of(DataConfig(), store(item(0), item(1))) == 1
    assert window_of(DataConfig(), store()) == 1


def test_a_step_sees_the_usual_number_of_steps_whatever_the_items():
    def never():
        raise AssertionError("lengths are not needed")

    assert default_window(store(scope="step").schema, never) == USUAL_WINDOW == 100
    assert window_of(DataConfig(), store(item(5_000), scope="step")) == 100


@pytest.mark.parametrize("scope", ["step", "item"])
def test_a_window_that_is_set_stays(scope):
    assert window_of(DataConfig(window=50), store(item(125), scope=scope)) == 50


def test_a_gap_divides_an_item_and_no_window_need_reach_across():
    broken = item(100, breaks=(30, 70))
    assert stretches(broken) == [30, 40, 30]
    assert window_of(DataConfig(), store(broken)) == 40
    assert cut_items(store(broken), [0], 40) == 0
    assert cut_items(store(broken), [0], 39) == 1


def test_cut_items_are_counted_and_the_warning_says_what_to_set():
    three = store(item(41), item(90), item(125))
    assert cut_items(three, [0, 1, 2], 50) == 2
    assert cut_items(three, [0], 50) == 0
    assert cut_text(three, 125) is None
    assert cut_text(three, 50) == (
        "2 of 3 items are longer than the window of 50 steps and are cut; the longest has 125. "
        "The model sees a part of such an item at a time. Set data.window=125, or a step above 0.1 s in corpus.yaml"
    )
    assert str(cut_text(without_clock(three), 50)).endswith("Set data.window=125")


def without_clock(prepared):
    return SimpleNamespace(schema=SimpleNamespace(targets=prepared.schema.targets, step=None), items=prepared.items)


def test_nothing_is_cut_where_each_step_has_a_target():
    steps = store(item(500), scope="step")
    assert cut_items(steps, [0], 50) is None
    assert cut_text(steps, 50) is None


def test_lengths_leave_out_items_without_a_step():
    lengths = lengths_of(store(item(0), item(41), item(125), item(60)))
    assert asdict(lengths) == {"items": 3, "shortest": 41, "median": 60.0, "longest": 125}


def test_a_run_without_a_window_sees_whole_items_and_its_record_says_so(config, label_corpus, tmp_path):
    asked = config(label_corpus, data__window=None)
    prepared = prepare(label_corpus, asked.data, tmp_path / "prepared")
    longest = max(one.steps for one in prepared.items)
    result = run(asked, tmp_path / "run", prepared=prepared)
    assert result.config.data.window == longest
    assert result.corpus.scope == "item"
    assert result.corpus.lengths.longest == longest
    for side in ("train", "validation", "test"):
        assert result.split.sides[side].windows == result.split.sides[side].items
        assert result.split.sides[side].cut == 0
    same = config(label_corpus, data__window=longest)
    assert result.fingerprint == fingerprint(same, prepared.content)
    assert with_window(asked, prepared) == same


def test_a_run_counts_the_items_that_its_window_cuts(config, label_corpus, tmp_path):
    asked = config(label_corpus, data__window=5, training__epochs=1)
    prepared = prepare(label_corpus, asked.data, tmp_path / "prepared")
    result = run(asked, tmp_path / "run", prepared=prepared)
    for side in ("train", "validation", "test"):
        assert 0 < result.split.sides[side].cut <= result.split.sides[side].items
    assert sum(result.split.sides[side].cut for side in ("train", "validation", "test")) == sum(
        one.steps > 5 for one in prepared.items
    )


def test_a_run_on_steps_keeps_its_name_and_counts_no_cuts(config, editing_corpus, tmp_path):
    asked = config(editing_corpus, data__window=None, training__epochs=1)
    prepared = prepare(editing_corpus, asked.data, tmp_path / "prepared")
    result = run(asked, tmp_path / "run", prepared=prepared)
    assert result.config.data.window == 100
    assert result.split.train.cut is None
    assert result.fingerprint == fingerprint(
        config(editing_corpus, data__window=100, training__epochs=1), prepared.content
    )
