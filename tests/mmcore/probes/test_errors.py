"""Losses divided by condition add up again; the worst are the worst; looking changes nothing."""

import math

import numpy as np
import pytest
import torch

from mmcore.analyses import ErrorsAnalysis
from mmcore.answers.error_analysis import SpanEnds
from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.probes.error_analysis.conditions import UNKNOWN, Conditions
from mmcore.probes.error_analysis.probe import SPAN, _Pass, probe_errors
from mmcore.run import run
from mmcore.trained import open_trained
from mmcore.training.losses import counted_targets, layout_of


@pytest.fixture(scope="module")
def trained(config, editing_corpus, prepared, tmp_path_factory):
    folder, asked = tmp_path_factory.mktemp("run"), config(editing_corpus, data__window=30, repeat=3)
    run(asked, folder, prepared=prepared)
    return open_trained(asked, prepared, folder)


@pytest.fixture(scope="module")
def found(trained):
    return probe_errors(trained, ErrorsAnalysis(cases=2))


@pytest.fixture(scope="module")
def simulated(config, tmp_path_factory):
    """A model of the simulated corpus that hardly learned anything: conditions do not ask it."""
    from mmcore.data.sources.simulated import simulate

    folder = tmp_path_factory.mktemp("simulated")
    corpus = simulate(folder / "corpus", "quick")
    store = prepare(corpus, DataConfig(), folder / "prepared")
    asked = config(corpus, data__window=50, training__epochs=1, training__steps_per_epoch=2)
    run(asked, folder / "run", prepared=store)
    return open_trained(asked, store, folder / "run")


def steps_of(trained):
    """Loss and count of every target step by brute force: rows of (item, step, parameter, loss, counted)."""
    layout, rows = layout_of(trained.targets), []
    for batch in trained.test.batches():
        outputs, counted = trained.predict(batch), counted_targets(batch, layout)
        for b, t, k, p in torch.nonzero(counted).tolist():
            first, size = layout.first[p], trained.targets.parameters[p].outputs
            said, truth = outputs[b, t, k, first : first + size].double(), batch.target_BTKP[b, t, k, p].double()
            loss = (said[0] - truth) ** 2 if size == 1 else -said.log_softmax(-1)[int(truth)]
            rows.append((int(batch.item_B[b]), int(batch.start_B[b]) + t, p, loss.item()))
    return rows


def component_loss(rows, trained, component):
    members = layout_of(trained.targets).membership[component]
    losses = [[loss for *_, p, loss in rows if p == member] for member in members]
    return sum(np.mean(one) for one in losses if one) if any(losses) else None


# Conditions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["trained", "simulated"])
def test_conditions_divide_the_counted_targets_and_losses_add_up_again(which, request):
    gathered = _Pass(request.getfixturevalue(which), 3)
    for name, tally in gathered.tallies.items():
        for at in range(len(gathered.conditions.all)):
            assert torch.equal(gathered.count_GP[at].sum(0), tally.count_IP.sum(0))
            assert torch.allclose(gathered.loss_GP[name][at].sum(0), tally.loss_IP.sum(0), rtol=1e-12)
    scored = gathered.trained.tally()
    assert torch.allclose(gathered.tallies[None].loss_IP, scored.loss_IP, rtol=1e-6)


def test_losses_by_condition_are_those_of_a_loop_over_all_targets(trained, found):
    rows = steps_of(trained)
    items = trained.prepared.items
    thirds = {g.group: g.loss for c in found.conditions if c.name == "third of the item" for g in c.groups}
    for third, (group, losses) in enumerate(thirds.items()):
        inside = [row for row in rows if min(2, (row[1] + 1) * 3 // items[row[0]].steps) == third]
        for component, loss in losses.items():
            assert loss == pytest.approx(component_loss(inside, trained, component), rel=1e-4), group


def test_the_corpus_says_which_conditions_there_are(simulated):
    conditions = Conditions(simulated)
    assert {c.name: c.groups[0] for c in conditions.all} == {
        "audio_is_speaking": "no", "text_is_active": "no", "scene_change": "no", "face_count": "0",
        "audio": "present", "visual": "present", "edit": "no", "third of the item": "first",
        "tracks active": "up to half",
    }  # fmt: skip


def test_conditions_are_those_of_the_step_that_is_predicted(simulated):
    conditions, prepared = Conditions(simulated), simulated.prepared
    batch = next(simulated.test.batches())
    codes = dict(zip([c.name for c in conditions.all], conditions.codes(batch), strict=True))
    column = simulated.schema.modalities["audio"].columns.index("audio_is_speaking")
    for b, t in ((0, 0), (1, 7), (2, 30)):
        row = prepared.items[int(batch.item_B[b])].offset + int(batch.start_B[b]) + t + 1
        speaking = prepared.values["audio"][row, column]
        assert codes["audio_is_speaking"][b, t] == (UNKNOWN if math.isnan(speaking) else speaking)
        assert codes["audio"][b, t] == (not prepared.present[row, 0])
        active = int(prepared.target[row, :, 0].sum())
        assert codes["tracks active"][b, t] == (1 if active == 0 else 2 if active > 2 else 0)
    assert all((code[~batch.valid_BT.numpy()] == UNKNOWN).all() for code in codes.values())


def test_conditions_do_not_depend_on_what_an_arm_reads(config, editing_corpus, prepared, tmp_path, trained, found):
    asked = config(editing_corpus, data__window=30, repeat=3, model__modalities=["track"], training__epochs=1)
    run(asked, tmp_path, prepared=prepared)
    other = probe_errors(open_trained(asked, prepared, tmp_path), ErrorsAnalysis(cases=2))
    plain = [[(c.name, g.group, g.count, g.naive) for c in one.conditions for g in c.groups] for one in (found, other)]
    assert plain[0] == plain[1]
    shared = [
        [
            [case.model_dump_json(include={"component", "item", "start", "span", "naive", "features", "events"})]
            + [line.model_dump_json(include={"track", "parameter", "true"}) for line in case.lines]
            for case in one.cases
            if case.why == "hardest"
        ]
        for one in (found, other)
    ]
    assert len(shared[0]) == 3
    assert shared[0] == shared[1]
    hardest = [
        [(s.item, s.start, s.steps, s.naive) for c in one.spans.values() for s in c.hardest] for one in (found, other)
    ]
    assert len(hardest[0]) == 2 * 3
    assert hardest[0] == hardest[1]


# The worst and the best ------------------------------------------------------------------------------------------
def test_the_worst_item_is_the_worst_and_the_best_the_best(trained, found):
    rows = steps_of(trained)
    for component, told in found.items.items():
        by_item = {
            trained.data.names[item]: component_loss([r for r in rows if r[0] == item], trained, component)
            for item in {row[0] for row in rows}
        }
        order = sorted(by_item, key=lambda name: (-by_item[name], name))
        assert [one.item for one in told.worst] == order[:2]
        assert [one.item for one in told.best] == order[::-1][:2]
        assert [one.loss for one in told.worst] == pytest.approx([by_item[name] for name in order[:2]], rel=1e-4)


def test_the_worst_span_is_the_worst(trained, found):
    rows, low = steps_of(trained), {}
    for item, step, p, loss in rows:
        # Windows of 30 steps hold a span of 20 and one of 10.
        low.setdefault((item, step // 30 * 30 + (step % 30) // SPAN * SPAN), []).append((item, step, p, loss))
    for component, told in found.spans.items():
        members = layout_of(trained.targets).membership[component]
        losses = {
            place: component_loss(inside, trained, component)
            for place, inside in low.items()
            if len({step for _, step, p, _ in inside if p in members}) >= SPAN / 2
        }
        for side, best in (("worst", max), ("best", min)):
            item, start = best(losses, key=losses.__getitem__)
            assert getattr(told, side)[0].loss == pytest.approx(losses[item, start], rel=1e-4)
            assert (getattr(told, side)[0].item, getattr(told, side)[0].start) == (trained.data.names[item], start + 1)


def test_ties_go_by_name(trained, monkeypatch):
    constant = torch.zeros(1)
    monkeypatch.setattr(
        trained, "predict", lambda b: constant.expand(*b.target_BTKP.shape[:3], trained.targets.outputs)
    )
    # Zero logits of two classes lose ln 2 at every step of every item.
    told = probe_errors(trained, ErrorsAnalysis(cases=4)).items["active"]
    assert [one.loss for one in told.worst] == pytest.approx([math.log(2)] * 4, rel=1e-4)
    names = sorted(trained.data.names[item] for item in trained.split.test)
    assert [one.item for one in told.worst] == [one.item for one in told.best] == names[:4]


# Cases -----------------------------------------------------------------------------------------------------------
def test_a_case_shows_what_was_predicted_in_original_units(trained, found):
    case = next(c for c in found.cases if c.component == "position" and c.why == "worst")
    item = next(i for i in trained.prepared.items if i.name == case.item)
    rows = slice(item.offset + case.start, item.offset + case.start + len(case.lines[0].true))
    for line in case.lines:
        truth = trained.prepared.target[rows, line.track, 2]
        active = trained.prepared.target[rows, line.track, 0] == 1
        assert np.isfinite(line.true).tolist() == active.tolist()
        assert [v for v in line.true if math.isfinite(v)] == pytest.approx(truth[active], rel=1e-3)
        assert line.unit == "px"
    # The loss in the span follows from what is shown, were all tracks shown: here there are two, and two lines.
    low, high = case.span
    deviation = float(trained.normaliser.target_deviation_P[2])
    errors = [
        ((t - p) / deviation) ** 2
        for line in case.lines
        for t, p in zip(line.true[low:high], line.predicted[low:high], strict=True)
        if math.isfinite(t)
    ]
    assert np.mean(errors) == pytest.approx(case.loss, rel=0.01)


def test_a_case_has_features_gates_and_attention_of_its_places(found, trained):
    for case in found.cases:
        places = len(case.lines[0].true)
        assert 0 <= case.span[0] < case.span[1] <= places
        assert [f.modality for f in case.features] == ["speech", "noise"]
        assert all(len(f.values) == places for f in case.features)
        assert set(case.gates) <= set(trained.modalities)
        assert all(len(gate) == places for gate in case.gates.values())
        assert all(0 <= place < places for place in case.events)
        # Attention of a causal model looks at its own place and back; it lies within the window shown.
        told = case.attention
        assert [(one.place, one.layer) for one in told.rows] == [("encoder", 0)]
        row = told.rows[0].row
        assert sum(row) == pytest.approx(1.0, abs=0.01)
        assert not any(row[told.at + 1 :])


@pytest.fixture(scope="module")
def cases_of(config, editing_corpus, prepared, tmp_path_factory):
    """The cases of a model that hardly learned anything."""

    def ask(**overrides):
        folder = tmp_path_factory.mktemp("other")
        asked = config(
            editing_corpus, data__window=30, repeat=3, training__epochs=1, training__steps_per_epoch=2, **overrides
        )
        run(asked, folder, prepared=prepared)
        trained = open_trained(asked, prepared, folder)
        return trained, probe_errors(trained, ErrorsAnalysis(cases=1)).cases

    return ask


FROM_EACH = [f"encoder/{name}" for name in ("speech", "noise", "track")]
PAIRS = [f"{a}←{b}" for a in ("speech", "noise", "track") for b in ("speech", "noise", "track") if a != b]


@pytest.mark.parametrize(
    ("overrides", "places", "layer"),
    [
        ({"model__layers": 2, "model__layers_before": 1}, ["encoder"], 1),
        ({"model__fusion": {"kind": "decision"}, "model__layers": 2}, FROM_EACH, 1),
        ({"model__layers": 0, "model__layers_before": 1}, [f.replace("encoder", "before") for f in FROM_EACH], 0),
        ({"model__layers": 0, "model__fusion": {"kind": "cross_modal", "layers": 2}}, PAIRS, 1),
        (
            {"model__layers": 0, "model__layers_before": 1, "model__fusion": {"kind": "bottleneck"}},
            [f.replace("encoder", "bottleneck") for f in FROM_EACH],
            1,
        ),
        ({"model__layers": 0, "model__layers_before": 1, "model__head": {"kind": "track_tokens"}}, ["head"], 0),
        ({"model__layers": 0}, None, 0),
    ],
)
def test_the_attention_of_a_case_is_of_the_latest_part_that_looks_over_steps(cases_of, overrides, places, layer):
    _, cases = cases_of(**overrides)
    assert cases
    for case in cases:
        told = case.attention
        if places is None:
            assert told is None
            continue
        # A stream that is absent at the step may look at nothing and has no row.
        names = [one.place for one in told.rows]
        assert names
        assert names == [place for place in places if place in names]
        assert {one.layer for one in told.rows} == {layer}
        assert told.of == len(names)
        for one in told.rows:
            assert sum(one.row) == pytest.approx(1.0, abs=0.02)
            assert not any(one.row[told.at + 1 :])
    if places:
        assert any([one.place for one in case.attention.rows] == places for case in cases)


def test_what_a_fusion_gives_each_modality_is_told_by_step(cases_of):
    for kind in ("attention", "decision"):
        trained, cases = cases_of(model__fusion={"kind": kind})
        for case in cases:
            assert list(case.shares) == list(trained.modalities)
            sums = [float(np.nansum(step)) for step in zip(*case.shares.values(), strict=True)]
            assert sums == pytest.approx([1.0] * len(sums), abs=0.005)
    _, cases = cases_of(model__fusion={"kind": "concat"})
    assert all(case.shares == {} for case in cases)


def test_probabilities_and_classes_are_told_as_such(found):
    by_component = {case.component: case.lines[0] for case in found.cases}
    assert all(0 <= v <= 1 for v in by_component["active"].predicted)
    assert {v for v in by_component["asset"].predicted if math.isfinite(v)} <= {0.0, 1.0, 2.0}


def test_looking_changes_nothing_and_the_answer_is_the_same_again(trained, found):
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    loss_IP = trained.tally().loss_IP
    again = probe_errors(trained, ErrorsAnalysis(cases=2))
    assert again.model_dump_json() == found.model_dump_json()
    assert torch.equal(trained.tally().loss_IP, loss_IP)
    assert all(torch.equal(value, before[name]) for name, value in trained.model.state_dict().items())


def test_items_with_one_label_are_counted_too(label_corpus, config, tmp_path):
    store = prepare(label_corpus, DataConfig(), tmp_path / "prepared")
    asked = config(label_corpus, training__epochs=2)
    run(asked, tmp_path / "run", prepared=store)
    trained = open_trained(asked, store, tmp_path / "run")
    found = probe_errors(trained, ErrorsAnalysis())
    assert [c.name for c in found.conditions] == ["sensor", "idle"]
    losses = trained.tally()
    assert found.conditions[0].groups[0].loss["exercise"] == pytest.approx(
        losses.component_losses()["exercise"], rel=1e-4
    )
    assert len(found.items["exercise"].worst) == 3
    assert found.spans["exercise"] == SpanEnds(hardest=(), worst=(), best=())
    assert found.cases == ()
