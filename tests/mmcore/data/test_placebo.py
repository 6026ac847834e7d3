"""A placebo's values are another item's: fixed by repeat, never the item's own, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.config import DataConfig, Forecast
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.placebo import with_placebos
from mmcore.data.prepare import prepare
from mmcore.data.prepared import OWN, Prepared, PreparedItem
from mmcore.data.splits import Split
from mmcore.errors import SplitError

ALL = ("sound", "image", "track")
SPLIT = Split((0, 1, 2, 3, 8), (4, 5), (6, 7), "each_repeat")


@pytest.fixture(scope="module")
def store(write_corpus: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path_factory: Any) -> Prepared:
    """Nine items of other lengths; ``c``, of the training side, lacks the image."""
    tables = tiny_tables({"a": 40, "b": 17, "c": 19, "d": 23, "e": 12, "f": 31, "g": 25, "h": 14, "i": 9})
    tables["sound"]["b"].loc[[3, 5], "level"] = np.nan
    tables["sound"]["d"] = tables["sound"]["d"].iloc[:15]
    folder = tmp_path_factory.mktemp("placebo")
    return prepare(write_corpus(folder / "corpus", tables=tables), DataConfig(), folder / "cache")


def windows(prepared: Prepared, items: Sequence[int], modalities: Sequence[str] = ALL) -> Any:
    normaliser = fit_normaliser(prepared, SPLIT.train)
    (batch,) = Loader(prepared, normaliser, DataConfig(window=8), Forecast(), modalities, items, 999).batches()
    return batch.check()


def made_up(groups: Sequence[str], has: Sequence[bool] | None = None) -> Any:
    """A store of nothing but a list of items."""
    has = has or [True] * len(groups)
    items = tuple(
        PreparedItem(f"i{n}", g, None, 10 * n, 10, (h,)) for n, (g, h) in enumerate(zip(groups, has, strict=True))
    )
    schema = type("Schema", (), {"modalities": {"audio": None}})()
    empty = np.zeros(0)
    return Prepared("", "", Path(), schema, items, [], {}, empty, empty)


def donors(prepared: Prepared, split: Split, repeat: int = 0) -> np.ndarray:
    return with_placebos(prepared, ["audio"], split, repeat).placebos["audio"].donor_I


# What a window reads -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("items", [SPLIT.train, SPLIT.validation, SPLIT.test], ids=["train", "validation", "test"])
def test_a_window_reads_the_donors_stream_turned_and_in_a_circle(store: Prepared, items: tuple[int, ...]):
    told = with_placebos(store, ["sound"], SPLIT, repeat=3)
    batch = windows(told, items)
    placebo = told.placebos["sound"]
    normaliser = fit_normaliser(store, SPLIT.train)
    for b, (i, start) in enumerate(zip(batch.item_B.tolist(), batch.start_B.tolist(), strict=True)):
        donor, turn = int(placebo.donor_I[i]), int(placebo.turn_I[i])
        assert donor in items
        assert donor != i
        other = store.items[donor]
        for t in range(int(batch.valid_BT[b].sum())):
            # Content of a forecast is read one step ahead, as it is of the item's own.
            row = other.offset + (start + t + 1 + turn) % other.steps
            there = bool(store.present[row, 0])
            assert bool(batch.present_BTM[b, t, 0]) == there
            raw = (store.values["sound"][row, 0] - normaliser.mean["sound"][0]) / normaliser.deviation["sound"][0]
            expected = np.nan_to_num(raw) if there else 0.0
            assert batch.values["sound"][b, t, 0].item() == pytest.approx(float(expected), abs=1e-6)
    assert set(batch.item_B.tolist()) == set(items)


def test_an_items_own_values_change_nothing_in_its_windows(store: Prepared):
    """No information: whatever an item's own sound is, its windows are the same to the bit."""
    told = with_placebos(store, ["sound"], SPLIT, repeat=0)
    normaliser = fit_normaliser(store, SPLIT.train)
    for i in (*SPLIT.train, *SPLIT.validation, *SPLIT.test):
        item = store.items[i]
        other = np.array(store.values["sound"])
        other[item.offset : item.offset + item.steps] = 7.0
        changed = replace(told, values={**store.values, "sound": other})
        one, two = (
            next(Loader(p, normaliser, DataConfig(window=8), Forecast(), ALL, [i], 99).batches())
            for p in (told, changed)
        )
        for name in ALL:
            assert torch.equal(one.values[name], two.values[name])
        assert torch.equal(one.present_BTM, two.present_BTM)
        own = next(
            Loader(replace(changed, placebos={}), normaliser, DataConfig(window=8), Forecast(), ALL, [i], 99).batches()
        )
        assert not torch.equal(own.values["sound"], two.values["sound"])


def test_targets_previous_values_and_other_modalities_stay_the_items_own(store: Prepared):
    own = windows(store, SPLIT.train)
    told = windows(with_placebos(store, ["sound", "track"], SPLIT, 1), SPLIT.train)
    for name in ("target_BTKP", "target_valid_BTKP", "previous_BTKP", "previous_valid_BTKP", "valid_BT", "item_B"):
        assert torch.equal(getattr(own, name), getattr(told, name)), name
    assert torch.equal(own.values["image"], told.values["image"])
    assert not torch.equal(own.values["track"], told.values["track"])
    assert not torch.equal(own.values["sound"], told.values["sound"])


def test_whoever_lacks_the_modality_still_lacks_it(store: Prepared):
    told = with_placebos(store, ["image"], SPLIT, 0)
    assert told.placebos["image"].donor_I[2] == OWN
    assert 2 not in told.placebos["image"].donor_I
    assert not windows(told, [2]).present_BTM[..., 1].any()
    assert windows(told, [0]).present_BTM[..., 1].any()


def test_no_placebo_gives_the_store_itself(store: Prepared):
    assert with_placebos(store, [], SPLIT, 0) is store


# Who gives to whom ---------------------------------------------------------------------------------------------------
@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=14), st.integers(0, 50), st.data())
@settings(max_examples=200, deadline=None)
def test_donors_are_of_another_group_and_as_evenly_used_as_can_be(groups: list[str], repeat: int, data: st.DataObject):
    has = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    having = [i for i, h in enumerate(has) if h]
    split = Split(tuple(range(len(groups))), (), (), "each_repeat")
    store = made_up(groups, has)
    if len(having) == 1:
        with pytest.raises(SplitError, match="another item of the train side"):
            donors(store, split, repeat)
        return
    donor_I = donors(store, split, repeat)
    several = len({groups[i] for i in having}) > 1
    for i, donor in enumerate(donor_I.tolist()):
        if not has[i]:
            assert donor == OWN
            continue
        assert donor != i
        assert has[donor]
        assert groups[donor] != groups[i] or not several
    used = np.bincount(donor_I[donor_I != OWN], minlength=len(groups))
    largest = max((sum(groups[i] == g for i in having) for g in groups), default=0)
    if not several or 2 * largest <= len(having):
        assert [used[i] for i in having] == [1] * len(having)
    else:
        # Those outside the largest group give to it in turn.
        most = -(-largest // (len(having) - largest))
        assert used.max() <= most
    np.testing.assert_array_equal(donors(store, split, repeat), donor_I)


def test_sides_do_not_mix_and_repeats_differ():
    store = made_up([f"g{n}" for n in range(30)])
    split = Split(tuple(range(18)), tuple(range(18, 24)), tuple(range(24, 30)), "each_repeat")
    found = [donors(store, split, repeat) for repeat in range(5)]
    for donor_I in found:
        for side in (split.train, split.validation, split.test):
            assert sorted(donor_I[list(side)]) == list(side)
    assert len({tuple(d) for d in found}) == 5


def test_two_placebos_have_donors_of_their_own(store: Prepared):
    told = with_placebos(store, ["sound", "track"], SPLIT, 0).placebos
    alone = with_placebos(store, ["track"], SPLIT, 0).placebos["track"]
    np.testing.assert_array_equal(told["track"].donor_I, alone.donor_I)
    np.testing.assert_array_equal(told["track"].turn_I, alone.turn_I)
    assert told["track"].turn_I.tolist() != told["sound"].turn_I.tolist()


def test_the_draw_does_not_depend_on_the_order_of_the_items():
    groups = ["a", "b", "c", "d", "e"]
    one = made_up(groups)
    two = replace(one, items=tuple(reversed(one.items)))
    split = Split((0, 1, 2, 3, 4), (), (), "each_repeat")
    names = [i.name for i in one.items]
    by_name = {names[i]: names[d] for i, d in enumerate(donors(one, split).tolist())}
    back = [i.name for i in two.items]
    assert {back[i]: back[d] for i, d in enumerate(donors(two, split).tolist())} == by_name


def test_a_single_item_that_has_the_modality_is_refused_with_a_way_out():
    store = made_up(["a", "b", "c", "d"], [True, True, True, False])
    with pytest.raises(SplitError) as caught:
        donors(store, Split((0, 1), (), (2, 3), "each_repeat"))
    told = str(caught.value)
    assert "placebo of 'audio'" in told
    assert "test side" in told
    assert "'i2' alone" in told
    assert "data.placebo" in told
    nobody = made_up(["a", "b", "c", "d"], [True, True, False, False])
    assert donors(nobody, Split((0, 1), (), (2, 3), "each_repeat")).tolist() == [1, 0, OWN, OWN]
