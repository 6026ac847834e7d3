"""Damage is the same for all, grows with its level, and leaves alone what is scored."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from mmcore.analyses import CorruptionAnalysis
from mmcore.config import DataConfig, Forecast
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.probes.corruption.damage import Damage, sample_windows
from mmcore.probes.corruption.probe import KINDS, levels_of, probe_corruption
from mmcore.probes.gates.faithfulness import absent_at
from mmcore.probes.removal import without
from mmcore.run import run
from mmcore.trained import open_trained
from mmcore.training.evaluation import measured
from mmcore.training.tally import Tally

ALL = ("speech", "noise", "track")


def loader_of(store, modalities=ALL, batch=64, horizon=1, items=range(8)):
    normaliser = fit_normaliser(store, range(8, 20))
    task = Forecast(horizon=horizon)
    return Loader(store, normaliser, DataConfig(window=20), task, modalities, items, batch), normaliser


def damage_of(store, modalities=ALL, windows=None, repeat=0, **options):
    loader, normaliser = loader_of(store, modalities, **options)
    chosen = np.arange(loader.windows) if windows is None else windows
    return Damage(loader, chosen, store.schema, normaliser, repeat)


def damaged(damage, name, strength=0.5):
    return {
        "noise": damage.noisy(name, 2 * strength),
        "drop": damage.dropped(name, strength),
        "gap": damage.gap(name, strength),
        "delay": damage.delayed(name, int(10 * strength)),
    }


def same(one, two, name):
    m, n = one.modalities.index(name), two.modalities.index(name)
    return torch.equal(one.values[name], two.values[name]) and torch.equal(
        one.present_BTM[..., m], two.present_BTM[..., n]
    )


# Nothing at level 0, everything at the last ----------------------------------------------------------------------
def test_no_damage_is_the_window_as_it_is(prepared):
    damage = damage_of(prepared)
    for kind, batch in damaged(damage, "speech", 0.0).items():
        assert same(batch, damage.batch, "speech"), kind


def test_all_steps_dropped_and_a_gap_of_the_whole_window_are_the_modality_lost(prepared):
    damage = damage_of(prepared)
    gone = without(damage.batch, ["speech"])
    assert same(damage.dropped("speech", 1.0), gone, "speech")
    assert same(damage.gap("speech", 1.0), gone, "speech")


# The same for all ------------------------------------------------------------------------------------------------
def test_damage_depends_on_neither_the_other_modalities_nor_the_batch(prepared):
    whole = damage_of(prepared)
    alone = damage_of(prepared, ("speech",), windows=np.arange(3, 7))
    for kind, batch in damaged(whole, "speech").items():
        other = damaged(alone, "speech")[kind]
        assert torch.equal(batch.values["speech"][3:7], other.values["speech"]), kind
        assert torch.equal(batch.present_BTM[3:7, :, 0], other.present_BTM[..., 0]), kind


def test_repeats_and_modalities_draw_their_own(prepared):
    one, two = damaged(damage_of(prepared), "speech"), damaged(damage_of(prepared, repeat=1), "speech")
    assert not any(same(one[kind], two[kind], "speech") for kind in ("noise", "drop", "gap"))
    damage = damage_of(prepared)
    both = torch.ones_like(damage.batch.present_BTM[..., 0])
    damage.batch.present_BTM[..., :2] = both[..., None]
    drops = [damage.dropped(name, 0.5).present_BTM[..., m] for m, name in enumerate(("speech", "noise"))]
    assert not torch.equal(*drops)


def test_nothing_but_the_modality_is_touched(prepared):
    damage = damage_of(prepared)
    for kind, batch in damaged(damage, "track").items():
        assert same(batch, damage.batch, "speech"), kind
        assert not same(batch, damage.batch, "track"), kind
        for name in ("target_BTKP", "target_valid_BTKP", "previous_BTKP", "previous_valid_BTKP", "valid_BT"):
            assert getattr(batch, name) is getattr(damage.batch, name), kind
        assert not batch.values["track"][~batch.present_BTM[..., 2]].any(), kind
        batch.check()


# Each kind -------------------------------------------------------------------------------------------------------
def test_a_gap_is_contiguous_of_the_right_length_and_grows_in_place(prepared):
    damage = damage_of(prepared)
    before = torch.zeros_like(damage.batch.valid_BT)
    full = damage.batch.present_BTM[..., 2] == damage.batch.valid_BT
    assert full.all()
    for share in np.linspace(0, 1, 12):
        gone = damage.batch.valid_BT & ~damage.gap("track", share).present_BTM[..., 2]
        assert (gone | ~before).all()
        before = gone
        for row, steps in zip(gone.numpy(), damage.steps_B, strict=True):
            assert row.sum() == np.rint(share * steps)
            assert (np.diff(np.flatnonzero(row)) == 1).all()


def test_steps_that_are_dropped_stay_dropped_and_are_as_many_as_asked(prepared):
    damage = damage_of(prepared)
    before = torch.zeros_like(damage.batch.valid_BT)
    for share in (0.0, 0.2, 0.5, 0.9):
        gone = damage.batch.valid_BT & ~damage.dropped("track", share).present_BTM[..., 2]
        assert (gone | ~before).all()
        before, steps = gone, int(damage.batch.valid_BT.sum())
        assert abs(gone.sum().item() / steps - share) <= 4 * math.sqrt(share * (1 - share) / steps)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("horizon", [1, 3])
def test_a_delay_of_k_steps_reads_k_steps_earlier(prepared, name, horizon):
    damage = damage_of(prepared, horizon=horizon)
    steps = 7
    late, whole = damage.delayed(name, steps), damage.loader
    place = {
        (int(i), int(s)): b for b, (i, s) in enumerate(zip(damage.batch.item_B, damage.batch.start_B, strict=True))
    }
    m = damage.batch.modalities.index(name)
    x_BTF, there_BT = damage.batch.values[name], damage.batch.present_BTM[..., m]
    checked = 0
    for (item, start), b in place.items():
        for t in range(int(damage.steps_B[b])):
            from_ = start + t - steps
            # Windows tile the item: a step lies in the window before, at a known place.
            before = place[item, from_ // 20 * 20] if from_ >= 0 else None
            if before is not None and from_ % 20 < damage.steps_B[before]:
                assert torch.equal(late.values[name][b, t], x_BTF[before, from_ % 20])
                assert late.present_BTM[b, t, m] == there_BT[before, from_ % 20]
                checked += 1
    assert checked > 100
    first = damage.batch.start_B == 0
    shift = whole.shifts[name]
    assert not late.present_BTM[first, : steps - shift, m].any()
    # The look-ahead reaches into the item's first steps, which no position read without delay.
    assert late.present_BTM[first, steps - shift :, m].any() == there_BT[first].any()


def test_noise_has_the_deviation_asked_for_and_leaves_codes_what_they_are(prepared):
    damage = damage_of(prepared)
    there = damage.batch.present_BTM[..., 0]
    added = (damage.noisy("speech", 0.5).values["speech"] - damage.batch.values["speech"])[there]
    assert added.std().item() == pytest.approx(0.5, rel=0.1)
    twice = (damage.noisy("speech", 1.0).values["speech"] - damage.batch.values["speech"])[there]
    assert torch.allclose(twice, 2 * added, atol=1e-5)

    x_BTF = damage.noisy("track", 1.0).values["track"][damage.batch.present_BTM[..., 2]]
    columns = {c: i for i, c in enumerate(prepared.schema.modalities["track"].columns)}
    was_BTF = damage.batch.values["track"][damage.batch.present_BTM[..., 2]]
    active = x_BTF[:, columns["0_active"]]
    assert set(active.unique().tolist()) == {0.0, 1.0}
    # Half a deviation from the middle: the normal distribution's share beyond one deviation.
    assert (active != was_BTF[:, columns["0_active"]]).float().mean().item() == pytest.approx(0.1587, abs=0.04)
    normaliser = damage.normaliser
    at = columns["0_asset"]
    codes = x_BTF[:, at].numpy() * normaliser.deviation["track"][at] + normaliser.mean["track"][at]
    assert np.allclose(codes, np.rint(codes), atol=1e-4)
    assert codes.min() >= -1e-4


def test_embeddings_keep_their_length_and_the_unknown_stays_unknown(tmp_path):
    from mmcore.data.sources.simulated import simulate

    store = prepare(simulate(tmp_path / "corpus", "quick"), DataConfig(), tmp_path / "prepared")
    loader = Loader(
        store, fit_normaliser(store, range(40)), DataConfig(window=50), Forecast(), ("visual",), range(6), 99
    )
    damage = Damage(loader, np.arange(loader.windows), store.schema, fit_normaliser(store, range(40)), 0)
    was, noisy = damage.batch.values["visual"], damage.noisy("visual", 1.0).values["visual"]
    there = damage.batch.present_BTM[..., 0]
    first, last = store.schema.modalities["visual"].embedding_groups[0]
    assert torch.allclose(noisy[there][:, first:last].norm(dim=-1), torch.ones(()), atol=1e-3)
    agreement = (noisy * was)[there][:, first:last].sum(-1)
    # A unit vector with noise of unit length at a right angle: cos 45°.
    assert agreement.mean().item() == pytest.approx(0.707, abs=0.05)
    saliency = store.schema.modalities["visual"].columns.index("saliency_x")
    unknown = there & (was[..., saliency] == 0)
    assert unknown.any()
    assert not noisy[unknown][:, saliency].any()


def test_the_sample_takes_of_all_items_and_is_a_function_of_the_repeat(prepared):
    loader, _ = loader_of(prepared)
    chosen = sample_windows(loader, 0, 10)
    assert len(chosen) == 10
    assert (np.diff(chosen) > 0).all()
    assert len(np.unique(loader.table_W4[chosen, 0])) == 8
    assert chosen.tolist() == sample_windows(loader_of(prepared, ("track",))[0], 0, 10).tolist()
    assert chosen.tolist() != sample_windows(loader, 1, 10).tolist()
    assert sample_windows(loader, 0, 999).tolist() == list(range(loader.windows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 10])
@pytest.mark.parametrize("window", [1, 4, 20, 100])
def test_levels_rise_from_nothing(kind, count, window):
    levels = levels_of(kind, count, window)
    assert levels[0] == 0
    assert (np.diff(levels) > 0).all()
    assert 2 <= len(levels) <= count
    if kind == "delay":
        assert levels == [int(level) for level in levels]
        assert levels[-1] <= max(1, window // 2)


# The whole probe -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trained(config, editing_corpus, prepared, tmp_path_factory):
    folder, asked = tmp_path_factory.mktemp("copying"), config(editing_corpus, training__epochs=12)
    run(asked, folder, prepared=prepared)
    return open_trained(asked, prepared, folder)


@pytest.fixture(scope="module")
def found(trained):
    return probe_corruption(trained, CorruptionAnalysis(levels=4))


def test_the_curve_of_what_the_model_copies_falls_and_that_of_noise_does_not(found):
    speech, noise = (found.modalities[name].curves for name in ("speech", "noise"))
    for kind in KINDS:
        curve = speech[kind].scores["skill"].whole
        assert curve[0] > 0.3, kind
        assert curve[-1] < 0.15, kind
        # A delay of one step is as misleading as one of many: speech has no memory.
        assert kind == "delay" or (np.diff(curve) < 0.03).all(), kind
        assert curve[0] - noise[kind].scores["skill"].whole[-1] < 0.3 * (curve[0] - curve[-1]), kind


def test_level_0_is_the_score_of_the_sample_to_the_bit(found, trained):
    clean = found.clean
    for of_modality in found.modalities.values():
        for curve in of_modality.curves.values():
            for measure, told in curve.scores.items():
                row = [(c, told.of(c)[0]) for c in (None, *told.components)]
                assert [c for c, _ in row[1:]] == list(clean[measure].components)
                np.testing.assert_array_equal([v for _, v in row], [clean[measure].of(c) for c, _ in row])
    # This corpus is small enough to be sampled whole: the clean score is the run's own.
    assert found.sample.windows == found.sample.of
    tally = trained.tally(detailed=True)
    expected = measured(tally, tally.component_losses(), trained.naive.losses())
    for measure in ("skill", "accuracy", "mae"):
        told = {None: clean[measure].whole, **clean[measure].components}
        for component, value in expected[measure].items():
            assert told[component] == pytest.approx(value, abs=1e-5)
    for baseline in trained.baselines:
        of = found.naive[baseline.name]["accuracy"].components["active"]
        tally = trained.naive.tallies[baseline.name]
        assert of == pytest.approx(
            measured(tally, tally.component_losses(), trained.naive.losses())["accuracy"]["active"], abs=1e-5
        )


def test_what_is_lost_by_all_items_is_one_number_however_it_is_lost(found):
    for of_modality in found.modalities.values():
        ends = [of_modality.curves[kind].scores["skill"].whole[-1] for kind in ("drop", "gap", "lost")]
        assert ends[0] == ends[1] == ends[2]


def test_half_lost_has_the_mean_loss_over_all_ways_to_lose_half_of_few_items(trained, tmp_path):
    """Four items, two of which lose speech: six ways, each scored as it is."""
    few = copy_of(trained, split=replace(trained.split, test=trained.split.test[-4:]))
    curve = probe_corruption(few, CorruptionAnalysis(levels=7)).modalities["speech"].curves["lost"]
    assert curve.levels == pytest.approx([i / 6 for i in range(7)], abs=1e-6)
    assert (np.diff(curve.scores["skill"].whole) < 0).all(), "no two levels are the same"
    naive, found = few.naive.losses(), []
    for gone in combinations(few.split.test, 2):
        tally = Tally(few.targets, few.data.complete, few.data.deviation_P)
        for batch in few.test.batches():
            lost_BT = torch.isin(batch.item_B, torch.tensor(gone))[:, None].expand(batch.valid_BT.shape)
            tally.add(few.predict(absent_at(batch, ("speech",), lost_BT)), batch)
        found.append(measured(tally, tally.component_losses(), naive))
    for measure in ("loss", "accuracy", "mae"):
        for component, values in curve.scores[measure].components.items():
            assert values[3] == pytest.approx(np.mean([one[measure][component] for one in found]), abs=2e-5)


def copy_of(trained, **changed):
    """The same run with parts of it changed; what depends on these is made anew."""
    other = object.__new__(type(trained))
    other.__dict__.update(trained.__dict__, **changed)
    for cached in ("test", "data", "naive", "baselines", "validation"):
        other.__dict__.pop(cached, None)
    return other


def test_the_answer_is_the_same_again(found, trained):
    again = probe_corruption(trained, CorruptionAnalysis(levels=4))
    assert found.model_dump_json() == again.model_dump_json()
    assert found.sample.digest != probe_corruption(trained, CorruptionAnalysis(levels=3)).sample.digest
    assert set(found.modalities) == set(ALL)
    assert found.modalities["track"].curves["delay"].levels == (0.0, 1.0, 4.0, 10.0)


def test_items_are_labelled_too(label_corpus, config, tmp_path):
    store = prepare(label_corpus, DataConfig(), tmp_path / "prepared")
    asked = config(label_corpus, training__epochs=8)
    run(asked, tmp_path / "run", prepared=store)
    found = probe_corruption(open_trained(asked, store, tmp_path / "run"), CorruptionAnalysis(levels=3))
    curves = found.modalities["sensor"].curves
    assert curves["noise"].scores["skill"].whole[0] == found.clean["skill"].whole
    lost = curves["lost"].scores["skill"].whole
    assert lost[-1] < lost[0]
