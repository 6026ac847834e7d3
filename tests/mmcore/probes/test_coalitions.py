"""A trained model on subsets of its modalities: against other ways to the same numbers, and captum."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.analyse import analyse
from mmcore.analyses import CoalitionsAnalysis, applies, build_analysis
from mmcore.answers.coalitions import CoalitionsResult
from mmcore.config import build_config, override
from mmcore.data.prepare import prepare
from mmcore.errors import ConfigError
from mmcore.model.build import build_model
from mmcore.probes.coalitions.masking import Donors, _assigned, _distinct, absence_learned, means, replaced, zeros
from mmcore.probes.coalitions.probe import _Additive, _even, chosen_subsets, probe_coalitions
from mmcore.probes.removal import removing
from mmcore.run import run
from mmcore.skill import relative_skill
from mmcore.trained import open_trained
from mmcore.training.evaluation import measured, predictor, skills
from mmcore.training.tally import Tally
from reports.statistics.coalitions import last_gains, shapley, shapley_of_orders

WHOLE = 7
"""Speech is bit 0, noise bit 1, track bit 2."""


@pytest.fixture(scope="module")
def trained(config, editing_corpus, prepared, finished):
    return open_trained(config(editing_corpus), prepared, finished[1])


@pytest.fixture(scope="module")
def found(trained):
    return probe_coalitions(trained, CoalitionsAnalysis(draws=4))


def copy_of(trained, **changed):
    """The same run with parts of it changed; what depends on these is made anew."""
    other = object.__new__(type(trained))
    other.__dict__.update(trained.__dict__, **changed)
    return other


def skill_of(found):
    """Way of masking to skill of every subset."""
    return {absence: measures["skill"] for absence, measures in found.scores.items()}


def test_the_answer_is_complete_and_comes_back_from_its_text(found, trained):
    assert (
        CoalitionsResult.model_validate_json(found.model_dump_json(), strict=True).model_dump_json()
        == found.model_dump_json()
    )
    assert found.modalities == ("speech", "noise", "track")
    assert (found.subsets, found.orders, found.alone) == (tuple(range(8)), None, ())
    assert (found.windows, found.draws) == (trained.test.windows, 4)
    assert list(found.scores) == ["permuted", "mean", "zero", "absent"]
    for table in skill_of(found).values():
        assert set(table.components) == {"active", "asset", "position"}
        assert len(table.whole) == 8
        for s in range(8):
            values = [column[s] for column in table.components.values()]
            assert table.whole[s] == pytest.approx(np.mean(values), abs=1e-5)


def test_with_all_modalities_it_is_the_run_s_own_score(found, finished):
    result = finished[0]
    known = {(s.metric, s.component) for s in result.scores if s.baseline is None and s.parameter is None}
    for measures in found.scores.values():
        told = {(m, None) for m, table in measures.items() if table.whole[WHOLE] is not None}
        told |= {(m, c) for m, table in measures.items() for c in table.components}
        assert known <= told, "every measure of the record"
        for measure, component in known:
            table = measures[measure]
            column = table.whole if component is None else table.components[component]
            assert column[WHOLE] == pytest.approx(result.score(measure, component), abs=1e-5), (measure, component)


def test_a_permuted_modality_has_the_mean_accuracy_and_error_of_its_draws(trained, found):
    batch, donors, windows = all_at_once(trained), Donors(trained, 4), np.arange(trained.test.windows)
    told = []
    for d in range(4):
        tally = Tally(trained.targets, trained.data.complete, trained.data.deviation_P)
        tally.add(trained.predict(replaced(batch, ["speech"], _donated(donors, windows, d))), batch)
        told.append(measured(tally, tally.component_losses(), trained.naive.losses()))
    measures = found.scores["permuted"]
    for measure, component in (("accuracy", "active"), ("balanced_accuracy", "asset"), ("mae", "position")):
        expected = np.mean([one[measure][component] for one in told])
        assert measures[measure].components[component][WHOLE ^ 1] == pytest.approx(expected, abs=1e-5)
    assert np.isnan(measures["mae"].whole).tolist() == [True] * 8


def test_absent_is_what_a_test_without_the_modality_scores(found, trained):
    for m, name in enumerate(trained.modalities):
        tally = trained.tally(removing([name], trained.predict))
        expected = skills(tally.component_losses(), trained.naive.losses())
        for c, column in skill_of(found)["absent"].components.items():
            assert column[WHOLE ^ 1 << m] == pytest.approx(expected[c], abs=1e-5)


def test_what_the_model_needs_costs_most(found):
    """Edits copy speech; noise is noise."""
    for absence in ("permuted", "mean", "absent"):
        drop = last_gains(np.array(skill_of(found)[absence].whole))
        assert drop[0] > 0.1
        assert abs(drop[1]) < 0.05


def test_the_same_question_has_the_same_answer_and_leaves_the_model_alone(found, trained):
    before = [p.detach().clone() for p in trained.model.parameters()]
    assert probe_coalitions(trained, CoalitionsAnalysis(draws=4)) == found
    assert all(torch.equal(a, b) for a, b in zip(before, trained.model.parameters(), strict=True))


def test_what_a_model_does_not_read_changes_nothing(trained, finished):
    """With its embedding's weights at zero, noise may be anything."""
    other = open_trained(trained.config, trained.prepared, finished[1])
    with torch.no_grad():
        other.model.embedding.linears["from_noise"].weight.zero_()
    found = probe_coalitions(other, CoalitionsAnalysis(draws=2, absences=("permuted", "mean", "zero")))
    for table in skill_of(found).values():
        for column in table.components.values():
            value_S = np.array(column)
            assert value_S[[2, 3, 6, 7]] == pytest.approx(value_S[[0, 1, 4, 5]], abs=1e-5)


# captum --------------------------------------------------------------------------------------------------------------
def all_at_once(trained):
    """Every test window in one batch."""
    batches = list(trained.test.batches())
    parts = {
        k: torch.cat([getattr(b, k) for b in batches])
        for k, v in batches[0].__dict__.items() if isinstance(v, torch.Tensor)
    }  # fmt: skip
    values = {name: torch.cat([b.values[name] for b in batches]) for name in batches[0].values}
    return replace(batches[0], values=values, **parts)


@pytest.mark.parametrize("absence", ["mean", "zero", "permuted"])
def test_shapley_values_and_single_masks_agree_with_captum(trained, found, absence):
    """captum is given the same model, the same windows and the same stand-ins, and the loss of a component.

    Scores are the skill of the mean loss over draws, so it is in losses that draws can be asked one by one.
    """
    attr = pytest.importorskip("captum.attr", exc_type=ImportError)
    batch, naive = all_at_once(trained), trained.naive.losses()
    names = list(batch.values)
    inputs = tuple(batch.values.values())
    marks = tuple(torch.full((1, 1, x.shape[-1]), m) for m, x in enumerate(inputs))
    draws = Donors(trained, 4) if absence == "permuted" else None
    windows = np.arange(trained.test.windows)
    for component in naive:

        def score(*values, component=component):
            losses = _losses(trained, replace(batch, values=dict(zip(names, values, strict=True))))
            return torch.tensor(relative_skill(losses[component], naive[component]))

        shares, drops = [], []
        for d in range(4 if draws else 1):
            stand_in = (
                {"mean": means, "zero": zeros}[absence](trained) if draws is None else _donated(draws, windows, d)
            )
            # Where an item lacks the modality, masking must change nothing: captum replaces everything it is given.
            masked = replaced(batch, names, stand_in).values
            baselines = tuple(masked[name] for name in names)
            shares.append(_by_modality(attr.ShapleyValues(score).attribute(inputs, baselines, feature_mask=marks)))
            drops.append(_by_modality(attr.FeatureAblation(score).attribute(inputs, baselines, feature_mask=marks)))
        ours = np.array(found.scores[absence]["relative_skill"].components[component])
        assert shapley(ours) == pytest.approx(np.mean(shares, 0), abs=2e-5)
        assert last_gains(ours) == pytest.approx(np.mean(drops, 0), abs=2e-5)


def _losses(trained, batch):
    tally = Tally(trained.targets, trained.data.complete, trained.data.deviation_P, False)
    tally.add(trained.predict(batch), batch)
    return tally.component_losses()


def _donated(donors, windows, d):
    parts = [donors.values(windows[at : at + 4], d) for at in range(0, len(windows), 4)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _by_modality(attributions):
    return [float(a.flatten()[0]) for a in attributions]


# A learned embedding of absence ---------------------------------------------------------------------------------------
@pytest.fixture
def learned(trained):
    """The model with embeddings of absence, one per modality: fresh, and all else as trained."""
    config = override_absence(trained.config)
    model = build_model(config.model, trained.schema, True, 0, config.data.window)
    model.load_state_dict(trained.model.state_dict(), strict=False)
    model.eval()
    return copy_of(trained, config=config, model=model, predict=predictor(model, trained.device))


def override_absence(config):
    return config.model_copy(update={"model": config.model.model_copy(update={"absence": "learned"})})


def test_absent_is_the_learned_embedding_where_there_is_one(learned):
    asked = CoalitionsAnalysis(absences=("zero", "absent"))
    before = skill_of(probe_coalitions(learned, asked))
    with torch.no_grad():
        learned.model.embedding.absent["from_speech"].state_D.fill_(3.0)
    after = skill_of(probe_coalitions(learned, asked))
    # All items that are tested have speech: where it is read its embedding of absence says nothing.
    assert after["zero"] == before["zero"]
    for s in range(8):
        read = bool(s & 1)
        assert (after["absent"].whole[s] == before["absent"].whole[s]) == read


def test_the_answer_tells_what_the_embeddings_of_absence_were_trained_on(learned, trained):
    train = trained.split.train
    steps = sum(trained.prepared.items[i].steps for i in train)
    found = probe_coalitions(learned, CoalitionsAnalysis(absences=("absent",))).learned
    for m, name in enumerate(trained.modalities):
        lacking = sum(trained.prepared.items[i].steps for i in train if not trained.prepared.items[i].has[m])
        assert found[name] == pytest.approx(lacking / steps, abs=2e-6)
    assert found["track"] == 0.0
    assert any(found.values())
    assert probe_coalitions(trained, CoalitionsAnalysis(absences=("absent",))).learned is None
    assert probe_coalitions(learned, CoalitionsAnalysis(absences=("mean",))).learned is None


@pytest.mark.parametrize(("rate", "seen"), [(0.5, True), ({"speech": 0.5}, False)])
def test_dropped_modalities_train_embeddings_of_absence_too(learned, rate, seen):
    changed = override(learned.config.model_dump(mode="json"), {"augmentation.modality_dropout": {"rate": rate}})
    shares = absence_learned(copy_of(learned, config=build_config(changed)))
    assert (shares["track"] > 0.1) == seen
    assert shares["speech"] > 0.1


def test_gaps_of_items_train_embeddings_of_absence_too(learned):
    present = np.array(learned.prepared.present)
    item = learned.prepared.items[learned.split.train[0]]
    present[item.offset + 3 : item.offset + 5, 2] = False
    other = copy_of(learned, prepared=replace(learned.prepared, present=present))
    other.__dict__.pop("data", None)
    assert absence_learned(other)["track"] > 0.0


# Additive projection -------------------------------------------------------------------------------------------------
def projected(f, M, draws, seed=0, n=4000):
    """Squared error of the projection of f over independent inputs: with all draws, and corrected."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], (M, n))
    y = f(*x)
    additive = _Additive(M, np.full(n, draws))
    for d in range(draws):
        other = rng.choice([-1.0, 1.0], (M, n))
        for s in range(2**M):
            mixed = [x[m] if s >> m & 1 else other[m] for m in range(M)]
            additive.add(s, d, torch.from_numpy(f(*mixed)))
    error = {part: float(((outputs.numpy() - y) ** 2).mean()) for part, outputs in additive.parts().items()}
    return error["all"], 2 * error["all"] - (error["even"] + error["odd"]) / 2


@pytest.mark.parametrize("M", [2, 3])
@pytest.mark.parametrize("draws", [2, 6])
def test_a_sum_of_single_modalities_is_its_own_projection(M, draws):
    every, corrected = projected(lambda *x: sum((m + 1) * v for m, v in enumerate(x)) + 3.0, M, draws)
    assert every == pytest.approx(0.0, abs=1e-20)
    assert corrected == pytest.approx(0.0, abs=1e-20)


def test_of_a_product_nothing_remains_whatever_the_number_of_draws():
    """x · y of independent signs has no main effect: the projection is 0, its squared error 1."""
    for draws in (2, 4, 16):
        every, corrected = projected(lambda x, y: x * y, 2, draws)
        assert corrected == pytest.approx(1.0, abs=0.12)
        assert every == pytest.approx(1.0 + 3.0 / draws, abs=0.12)


@pytest.mark.parametrize("items", [3, 4, 5, 8, 12])
def test_of_a_product_nothing_remains_however_few_items_there_are(items):
    """Donors as a study of that many test items draws them: 8 draws of 2 to 11 other items."""
    rng, draws, tries = np.random.default_rng(items), 8, 300
    order, has_W, groups = np.arange(items), np.ones(items, bool), np.array([f"g{i}" for i in range(items)])
    found = []
    for repeat in range(tries):
        donors = [_assigned(order, has_W, groups, draws, repeat, name) for name in ("x", "y")]
        even_W = _even(_distinct(order, donors, draws))
        # Each assignment is used for many values: what the predictor says depends on those alone.
        x, y = rng.standard_normal((2, items, 80))
        additive = _Additive(2, even_W)
        for d in range(draws):
            other_x, other_y = x[donors[0][:, d]], y[donors[1][:, d]]
            for s, outputs in enumerate((other_x * other_y, x * other_y, other_x * y)):
                additive.add(s, d, torch.from_numpy(outputs))
        error = {part: float(((guess.numpy() - x * y) ** 2).mean()) for part, guess in additive.parts().items()}
        found.append(2 * error["all"] - (error["even"] + error["odd"]) / 2)
    assert np.mean(found) == pytest.approx(1.0, abs=4 * np.std(found) / math.sqrt(tries))
    assert np.std(found) / math.sqrt(tries) < 0.03


def test_where_an_item_has_one_donor_there_is_no_projection():
    two = np.arange(2)
    donors = [_assigned(two, np.ones(2, bool), np.array(["a", "b"]), 8, 0, name) for name in ("x", "y")]
    assert _distinct(two, donors, 8).tolist() == [1, 1]
    assert _even(_distinct(two, donors, 8)) is None


def test_draws_are_counted_by_item_and_modality():
    """Item 2 has windows with and without x; nobody else has what item 3 has of y."""
    item_W = np.array([0, 1, 2, 2, 3])
    x_WD = np.array([[1, 2], [0, 0], [0, 1], [-1, -1], [-1, -1]])
    y_WD = np.array([[1, 2], [0, 2], [0, 0], [0, 0], [-2, -2]])
    assert _distinct(item_W, [x_WD], 2).tolist() == [2, 1, 2, 2, 2]
    assert _distinct(item_W, [x_WD, y_WD], 2).tolist() == [2, 1, 1, 1, 0]


def test_two_test_items_give_everything_but_the_projection(trained):
    """As a run of two test items: what rests on one donor is told, what needs two is missing."""
    other = copy_of(trained, split=replace(trained.split, test=trained.split.test[-2:]))
    for cached in ("test", "data", "naive", "baselines", "validation"):
        other.__dict__.pop(cached, None)
    found = probe_coalitions(other, CoalitionsAnalysis(draws=4, absences=("permuted",)))
    assert (found.emap, found.single_donor, found.alone) == (None, True, ())
    assert found.perceptual is not None
    assert np.isfinite(skill_of(found)["permuted"].whole).all()


def test_of_three_modalities_the_sum_remains_and_the_product_goes():
    every, corrected = projected(lambda x, y, z: x * y + 2 * z, 3, 8, n=8000)
    assert corrected == pytest.approx(1.0, abs=0.1)
    assert every > 1.2


def test_emap_of_a_linear_model_is_the_model(trained):
    """A predictor that adds modalities up needs no interaction: EMAP is its own score, to the digit."""
    outputs = trained.targets.tracks, trained.targets.outputs
    torch.manual_seed(0)
    weights = {name: torch.randn(x.shape[-1], math.prod(outputs)) for name, x in all_at_once(trained).values.items()}

    def predict(batch):
        return sum(batch.values[name] @ w for name, w in weights.items()).unflatten(-1, outputs)

    found = probe_coalitions(copy_of(trained, predict=predict), CoalitionsAnalysis(draws=2, absences=("permuted",)))
    for part in ("corrected", "uncorrected"):
        for c, value in getattr(found.emap, part)["skill"].components.items():
            assert value == pytest.approx(skill_of(found)["permuted"].components[c][WHOLE], rel=1e-4, abs=1e-4)


# Perceptual score ----------------------------------------------------------------------------------------------------
def test_the_perceptual_score_is_the_share_of_right_classes_that_permuting_costs(trained, found):
    batch = all_at_once(trained)
    donors = Donors(trained, 4)
    windows = np.arange(trained.test.windows)

    def accuracy(batch):
        outputs = trained.predict(batch)
        active = batch.target_BTKP[..., 0]
        counted = batch.target_valid_BTKP[..., 0]
        return (outputs[..., :2].argmax(-1) == active)[counted].double().mean().item()

    right = accuracy(batch)
    for name in trained.modalities:
        left = np.mean([accuracy(replaced(batch, [name], _donated(donors, windows, d))) for d in range(4)])
        told = found.perceptual[name]["active"]
        assert told.drop == pytest.approx(right - left, abs=1e-5)
        assert told.score == pytest.approx((right - left) / right, abs=1e-5)
    assert set(found.perceptual["speech"]) == {"active", "asset"}


# Other runs, other settings ------------------------------------------------------------------------------------------
def test_few_orders_ask_for_few_subsets_and_say_the_same_about_them(trained, found):
    sampled = probe_coalitions(trained, CoalitionsAnalysis(draws=4, samples=1))
    assert len(sampled.orders) == 1
    for absence, table in skill_of(sampled).items():
        for at, s in enumerate(sampled.subsets):
            assert table.whole[at] == skill_of(found)[absence].whole[s]
    whole = dict(zip(sampled.subsets, skill_of(sampled)["mean"].whole, strict=True))
    share_M = shapley_of_orders(whole, sampled.orders)
    assert share_M.sum() == pytest.approx(whole[WHOLE] - whole[0])


def test_more_than_eight_modalities_are_refused_or_sampled():
    assert chosen_subsets(8, None, 0) == (list(range(256)), None)
    with pytest.raises(ConfigError, match=r"more than 8 modalities.*found 9 modalities, 512 subsets.*samples: 20"):
        chosen_subsets(9, None, 0)
    subsets, orders = chosen_subsets(9, 20, 0)
    assert chosen_subsets(9, 20, 0) == (subsets, orders)
    assert chosen_subsets(9, 20, 1) != (subsets, orders)
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert {0, 511, *(1 << m for m in range(9)), *(511 ^ 1 << m for m in range(9))} <= set(subsets)
    assert len(subsets) <= 20 * 8 + 20
    for order in orders:
        assert {sum(1 << m for m in order[:n]) for n in range(10)} <= set(subsets)


def test_what_only_one_test_item_has_is_not_permuted_and_said(trained):
    present = np.array(trained.prepared.present)
    for index in trained.split.test[1:]:
        item = trained.prepared.items[index]
        present[item.offset : item.offset + item.steps, 1] = False
    other = copy_of(trained, prepared=replace(trained.prepared, present=present))
    for cached in ("test", "data", "naive", "baselines", "validation"):
        other.__dict__.pop(cached, None)
    found = probe_coalitions(other, CoalitionsAnalysis())
    assert found.alone == ("noise",)
    assert list(found.scores) == ["mean", "zero", "absent"]
    assert (found.emap, found.perceptual) == (None, None)


def test_labels_of_items_are_scored_by_the_windows_vote(config, label_corpus, tmp_path):
    small = config(label_corpus, training__epochs=2)
    prepared = prepare(label_corpus, small.data, tmp_path / "prepared")
    result = run(small, tmp_path / "run", prepared=prepared)
    trained = open_trained(small, prepared, tmp_path / "run")
    found = analyse(trained, CoalitionsAnalysis(draws=2)).result
    for table in skill_of(found).values():
        assert table.components["exercise"][3] == pytest.approx(result.score("skill", "exercise"), abs=1e-5)
    drop = last_gains(np.array(skill_of(found)["permuted"].whole))
    assert drop[0] > abs(drop[1])


def test_settings_are_checked_and_one_modality_is_no_question(config, editing_corpus):
    assert build_analysis({"kind": "coalitions", "absences": ["mean"]}).absences == ("mean",)
    for wrong in ({"absences": []}, {"absences": ["gone"]}, {"draws": 3}, {"draws": 0}, {"samples": 0}):
        with pytest.raises(ValueError, match="validation error"):
            build_analysis({"kind": "coalitions", **wrong})
    assert not applies(CoalitionsAnalysis(), config(editing_corpus), ("track",))
    assert applies(CoalitionsAnalysis(), config(editing_corpus), ("speech", "track"))
