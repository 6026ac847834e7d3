"""Masked modalities: what stands in for them is known here, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.probes.coalitions.masking import Donors, means, replaced, zeros
from mmcore.trained import open_trained


@pytest.fixture(scope="module")
def trained(config, editing_corpus, prepared, finished):
    return open_trained(config(editing_corpus), prepared, finished[1])


def item_of(trained, window):
    return int(trained.test.table_W4[window, 0])


def start_of(trained, window):
    """First step of a window within its item."""
    return int(trained.test.table_W4[window, 2] - trained.prepared.items[item_of(trained, window)].offset)


def lacking(trained, name):
    """Items without the modality."""
    return {"speech": 1, "noise": 0}.get(name)


def test_only_present_values_of_the_named_modality_are_replaced(trained):
    for batch in trained.test.batches():
        before = {name: x.clone() for name, x in batch.values.items()}
        less = replaced(batch, ["noise"], {"noise": torch.tensor([3.0, 4.0])}).check()
        present_BT = batch.present_BTM[..., 1]
        assert (less.values["noise"][present_BT] == torch.tensor([3.0, 4.0])).all()
        assert not less.values["noise"][~present_BT].any()
        assert less.present_BTM is batch.present_BTM
        assert all(less.values[name] is batch.values[name] for name in ("speech", "track"))
        assert all(torch.equal(batch.values[name], x) for name, x in before.items())


def test_zero_is_the_raw_value_and_mean_that_of_training_items(trained):
    """Of columns that are scaled 0 is (0 − mean) / deviation and the mean 0; of binary ones 0 and the share of ones."""
    zero, mean = zeros(trained), means(trained)
    normaliser = trained.normaliser
    assert zero["speech"].item() == pytest.approx(-normaliser.mean["speech"][0] / normaliser.deviation["speech"][0])
    assert mean["speech"].tolist() == [0.0]
    kinds = trained.schema.modalities["track"].kinds
    items = [trained.prepared.items[n] for n in trained.split.train]
    rows = np.concatenate([trained.prepared.values["track"][i.offset : i.offset + i.steps] for i in items])
    for at, kind in enumerate(kinds):
        if kind == "binary":
            assert zero["track"][at] == 0.0
            assert mean["track"][at] == pytest.approx(rows[:, at].mean(), abs=1e-6)
            assert 0.5 < mean["track"][at] < 1.0
        else:
            assert mean["track"][at] == 0.0
    # 500 px is far from 0 in deviations of 100 px, but inputs are limited.
    assert zero["track"][2].item() == pytest.approx(-normaliser.mean["track"][2] / normaliser.deviation["track"][2])
    short = trained.config.model_copy(update={"data": trained.config.data.model_copy(update={"clip": 2.0})})
    other = object.__new__(type(trained))
    other.__dict__.update(trained.__dict__, config=short)
    assert zeros(other)["track"][2].item() == -2.0


def test_a_column_that_no_training_item_has_stays_zero(trained):
    empty = {name: np.full_like(x, np.nan) for name, x in trained.prepared.values.items()}
    other = object.__new__(type(trained))
    other.__dict__.update(trained.__dict__, prepared=replace(trained.prepared, values=empty))
    assert {name: x.abs().sum().item() for name, x in means(other).items()} == {"speech": 0, "noise": 0, "track": 0}


def test_donors_are_other_items_at_the_same_time_each_in_turn(trained):
    donors = Donors(trained, 2)
    items = trained.split.test
    assert donors.alone == ()
    for name, donor_WD in donors.donor_WD.items():
        having = [i for i in items if i != lacking(trained, name)]
        for window, row in enumerate(donor_WD):
            own = item_of(trained, window)
            if own not in having:
                continue
            givers = [item_of(trained, w) for w in row]
            assert own not in givers
            assert len(set(givers)) == 2
            assert set(givers) <= set(having)
            assert {start_of(trained, w) for w in row} == {start_of(trained, window)}
    firsts = {name: donor_WD[:, 0].tolist() for name, donor_WD in donors.donor_WD.items()}
    assert firsts["speech"] != firsts["track"], "modalities are drawn apart"


def test_donated_values_are_those_of_the_donor_to_the_bit(trained):
    donors = Donors(trained, 2)
    windows = np.arange(trained.test.windows)
    batches = list(trained.test.batches())
    every = {name: torch.cat([b.values[name] for b in batches]) for name in trained.modalities}
    present_WTM = torch.cat([b.present_BTM for b in batches])
    for d in (0, 1):
        values = {}
        for at in range(0, len(windows), trained.test.batch):
            for name, x in donors.values(windows[at : at + trained.test.batch], d).items():
                values.setdefault(name, []).append(x)
        for m, (name, parts) in enumerate(values.items()):
            donor_W = donors.donor_WD[name][:, d]
            there_WT = present_WTM[donor_W, :, m] & torch.from_numpy(donor_W >= 0)[:, None]
            assert there_WT.any()
            assert torch.equal(torch.cat(parts)[there_WT], every[name][donor_W][there_WT])


def test_the_draw_depends_on_repeat_and_item_alone(trained):
    again = Donors(trained, 2)
    first = Donors(trained, 2)
    more = Donors(trained, 3)
    for name in trained.modalities:
        assert np.array_equal(first.donor_WD[name], again.donor_WD[name])
        assert np.array_equal(first.donor_WD[name], more.donor_WD[name][:, :2])
    other = object.__new__(type(trained))
    other.__dict__.update(trained.__dict__, config=trained.config.model_copy(update={"repeat": 7}))
    assert any(not np.array_equal(first.donor_WD[name], Donors(other, 2).donor_WD[name]) for name in trained.modalities)


def test_more_draws_than_others_go_round(trained):
    donors = Donors(trained, 8)
    row = donors.donor_WD["track"][0]
    assert sorted(np.unique(row, return_counts=True)[1].tolist()) == [2, 3, 3]


def test_a_modality_that_one_item_has_cannot_be_permuted(trained):
    present = np.array(trained.prepared.present)
    for index in trained.split.test[1:]:
        item = trained.prepared.items[index]
        present[item.offset : item.offset + item.steps, 1] = False
    other = object.__new__(type(trained))
    other.__dict__.update({k: v for k, v in trained.__dict__.items() if k not in ("test", "data")})
    other.prepared = replace(trained.prepared, present=present)
    assert Donors(other, 2).alone == ("noise",)


def test_where_a_donor_is_short_its_values_go_round(trained):
    """A stream that ends early is repeated from its start, and gaps take what comes in their turn."""
    from mmcore.probes.coalitions.masking import _in_a_circle

    x_BTF = torch.arange(6.0).view(1, 6, 1)
    filled = _in_a_circle(x_BTF, torch.tensor([[True, True, False, True, False, False]]))
    assert filled[0, :, 0].tolist() == [0, 1, 3, 3, 1, 3]
    nothing = _in_a_circle(x_BTF, torch.zeros(1, 6, dtype=torch.bool))
    assert torch.equal(nothing, x_BTF)


def test_groups_give_to_one_another_only_where_there_is_no_other(trained):
    from mmcore.probes.coalitions.masking import _assigned

    item_W, has_W = np.array([0, 1, 2, 3]), np.ones(4, bool)
    pairs = _assigned(item_W, has_W, np.array(["a", "a", "b", "b"]), 2, 0, "x")
    assert all(set(row) == {2, 3} for row in pairs[:2].tolist())
    assert all(set(row) == {0, 1} for row in pairs[2:].tolist())
    one = _assigned(item_W, has_W, np.array(["a"] * 4), 3, 0, "x")
    assert all(w not in row and len(set(row)) == 3 for w, row in enumerate(one.tolist()))
