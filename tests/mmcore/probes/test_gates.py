"""The gates' probe against slow readings of the same numbers, on an untrained model."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from mmcore.analyses import GatesAnalysis
from mmcore.answers.gates import GateName, GatesResult, Opening
from mmcore.data.prepare import prepare
from mmcore.events import ignore
from mmcore.model.build import build_model
from mmcore.probes.events import edit_events
from mmcore.probes.gates import sample as gate_sample
from mmcore.probes.gates.clamping import clamped
from mmcore.probes.gates.faithfulness import TURNS, _turns, absent_at
from mmcore.probes.gates.probe import probe_gates
from mmcore.probes.gates.sample import draw_sample
from mmcore.probes.gates.sums import AlignedSums, OpeningSums, look, places_of
from mmcore.probes.gates.timelines import draw_items
from mmcore.probes.removal import removing, without
from mmcore.task import resolve_causal, resolve_task
from mmcore.trace import Trace
from mmcore.trained import Trained
from mmcore.training.evaluation import measured

NAMES = ("speech", "noise", "track")


def untrained(config, prepared, **overrides):
    built = config("corpora/tiny", **overrides)
    causal = resolve_causal(built, resolve_task(built, prepared.schema))
    model = build_model(built.model, prepared.schema, causal, built.repeat, built.data.window)
    units = getattr(model.fusion, "units", {}).values()
    with torch.no_grad():
        for gate in [unit.gate for unit in units] or model.fusion.gates.values():
            gate.weight.mul_(4.0)
    return Trained(built, prepared, model, torch.device("cpu"), ignore)


@pytest.fixture(scope="module")
def trained(config, prepared):
    return untrained(config, prepared)


@pytest.fixture(scope="module")
def result(trained):
    return probe_gates(trained, GatesAnalysis(timelines=2))


@pytest.fixture(scope="module")
def slow(trained):
    """Everything about every step that counts, in memory: modality → gates (N, D), norms, inputs, events, items."""
    kept = {name: {"gate": [], "norm": [], "passing": [], "x": [], "event": []} for name in NAMES}
    for batch in trained.test.batches():
        trace = Trace()
        with torch.inference_mode():
            trained.model(batch, trace=trace)
        events = edit_events(batch, trained.targets, trained.task).numpy()
        present = (batch.present_BTM & batch.valid_BT[..., None]).numpy()
        for m, name in enumerate(NAMES):
            where = present[..., m] & (present.sum(-1) > 1)
            kept[name]["gate"].append(trace.arrays[f"gates/{name}"][where].astype(float))
            kept[name]["norm"].append(trace.arrays[f"embedding_norm/{name}"][where])
            kept[name]["passing"].append(trace.arrays[f"gated_norm/{name}"][where])
            kept[name]["x"].append(batch.values[name].numpy()[where])
            kept[name]["event"].append(events[where])
    return {name: {k: np.concatenate(v) for k, v in lists.items()} for name, lists in kept.items()}


def text_of(result):
    """The text of a result, which reads back as the same."""
    text = result.model_dump_json()
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", text))
    assert GatesResult.model_validate_json(text, strict=True).model_dump_json() == text
    return text


def test_the_result_is_small_and_can_be_kept(result):
    assert len(text_of(result)) < 60_000
    assert result.gates == tuple(GateName(name=name, modalities=(name,)) for name in NAMES)
    assert result.places == (NAMES,)


@pytest.mark.parametrize("name", NAMES)
def test_distribution_equals_the_slow_one(result, slow, name):
    told, gate = result.distribution[name], slow[name]["gate"]
    assert told.steps == len(gate) > 100
    assert told.mean == pytest.approx(gate.mean(), abs=1e-5)
    assert told.deviation == pytest.approx(gate.std(), abs=1e-5)
    assert told.deviation_over_steps == pytest.approx(gate.mean(1).std(), abs=1e-5)
    assert told.quantiles == pytest.approx(np.quantile(gate, [0.05, 0.25, 0.5, 0.75, 0.95]), abs=0.01)
    assert sum(told.histogram) == gate.size
    assert told.shut == pytest.approx((gate < 0.05).mean(), abs=1e-5)
    assert told.open == pytest.approx((gate > 0.95).mean(), abs=1e-5)
    assert told.between_inputs == pytest.approx(gate.var(0).mean() / gate.var(), abs=1e-4)
    assert told.norm == pytest.approx(slow[name]["norm"].mean(), abs=1e-4)
    assert told.passing == pytest.approx(slow[name]["passing"].mean(), abs=1e-4)


def test_the_feature_that_a_gate_follows_is_the_closest(trained, result, slow):
    for name in NAMES:
        x, opening = slow[name]["x"].astype(float), slow[name]["gate"].mean(1)
        r = [np.corrcoef(x[:, f], opening)[0, 1] if x[:, f].std() > 0 else 0.0 for f in range(x.shape[1])]
        best = int(np.abs(r).argmax())
        told = result.distribution[name].follows
        assert told.feature == trained.schema.modalities[name].columns[best]
        assert told.correlation == pytest.approx(r[best], abs=1e-4)


def test_conditions_equal_the_slow_ones(result, slow):
    rows = {(row.condition, row.gate): row for row in result.conditions}
    assert {condition for condition, _ in rows} == {"track 0 active", "track 1 active", "an edit"}
    for name in NAMES:
        opening, event = slow[name]["gate"].mean(1), slow[name]["event"]
        row = rows["an edit", name]
        assert row.so == pytest.approx(opening[event].mean(), abs=1e-5)
        assert row.otherwise == pytest.approx(opening[~event].mean(), abs=1e-5)
        assert row.steps == (event.sum(), (~event).sum())


def test_entropy_is_one_where_shares_are_equal_and_zero_where_one_has_all(trained):
    size = trained.config.model.width
    for values, expected in (((0.5, 0.5, 0.5), 1.0), ((0.6, 0.0, 0.0), 0.0)):
        held = {name: torch.full((size,), v) for name, v in zip(NAMES, values, strict=True)}
        with clamped(trained.model, held):
            found = probe_shares(trained)
        if expected == 1.0:
            assert found.entropy_opening == pytest.approx(1.0, abs=1e-5)
        else:
            # Speech takes all wherever it is there; the one item without it has equal shares of nothing.
            assert found.entropy_opening < 0.3
            assert found.passing["speech"] == pytest.approx(1.0)


def probe_shares(trained):
    from mmcore.probes.gates.sums import ShareSums

    sums = ShareSums(places_of(trained))
    for batch in trained.test.batches():
        sums.add(look(trained, batch))
    return sums.result()


def test_alignment_equals_a_slow_one(trained, result):
    lag = 10
    by_item = {}
    for batch in trained.test.batches():
        shown, events = look(trained, batch), edit_events(batch, trained.targets, trained.task)
        for b, t in batch.valid_BT.nonzero().tolist():
            step = int(batch.start_B[b]) + t
            opening = shown.opening["noise"][b, t] if shown.choice_BTG[b, t, 1] else math.nan
            by_item.setdefault(int(batch.item_B[b]), {})[step] = (opening, bool(events[b, t]))
    sums, counts, number = np.zeros(2 * lag + 1), np.zeros(2 * lag + 1), 0
    for steps in by_item.values():
        for step, (_, event) in steps.items():
            number += event
            for o in range(-lag, lag + 1) if event else ():
                value = steps.get(step + o, (math.nan, False))[0]
                if not math.isnan(value):
                    sums[o + lag] += value
                    counts[o + lag] += 1
    assert result.around.lags == tuple(range(-lag, lag + 1))
    assert result.around.events == number
    assert result.around.mean["noise"] == pytest.approx(sums / counts, abs=1e-5)


def test_clamping_equals_doing_it_by_hand(trained, result):
    naive, free = trained.naive.losses(), trained.tally(detailed=True)
    with clamped(trained.model, {"track": torch.tensor(0.0)}):
        shut = trained.tally(detailed=True)
    held = result.clamping.held
    row = next(r for r in held if r.gate == "track" and r.held == "shut")
    for tally, told in ((free, result.clamping.free), (shut, row.scores)):
        expected = measured(tally, tally.component_losses(), naive)
        assert set(told) == set(expected)
        for measure, by_component in expected.items():
            for component, value in by_component.items():
                of = told[measure].whole if component is None else told[measure].components[component]
                assert of == pytest.approx(value, abs=1e-5, nan_ok=True)
    assert row.scores != result.clamping.free
    assert [(r.gate, r.held) for r in held] == [
        *((name, held) for name in NAMES for held in ("shut", "mean", "open")), (None, "mean"),
    ]  # fmt: skip


def test_correlation_by_item_equals_doing_it_by_hand(trained, result):
    naive, components = trained.naive.losses(), trained.targets.components
    free, masked = trained.tally(), trained.tally(removing(("noise",), trained.predict))
    passing = {}
    for batch in trained.test.batches():
        shown = look(trained, batch)
        for b, t in np.argwhere(shown.choice_BTG[..., 1]):
            passing.setdefault(int(batch.item_B[b]), []).append(shown.passing["noise"][b, t])
    items = sorted(passing)
    # Each component by what its loss costs of its skill: beyond the naive loss, less and less.
    slope = {c: min(1 / naive[c], naive[c] / free.component_losses()[c] ** 2) for c in components}
    lost = [
        np.mean([(masked.item_losses(i)[c] - free.item_losses(i)[c]) * slope[c] for c in components]) for i in items
    ]
    told = result.faithfulness.items.gates["noise"]
    assert told.n == len(items)
    expected = spearmanr([np.mean(passing[i]) for i in items], lost).statistic if len(items) >= 5 else math.nan
    assert told.passing == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_every_step_is_masked_once_and_one_in_four_at_a_time(trained):
    batch = next(trained.test.batches())
    turn_BT = _turns(3, batch)
    T = turn_BT.shape[1] // TURNS * TURNS
    assert (np.sort(turn_BT[:, :T].reshape(len(turn_BT), -1, TURNS)) == np.arange(TURNS)).all()
    assert not np.array_equal(turn_BT, _turns(4, batch))
    assert np.array_equal(turn_BT, _turns(3, batch))
    where = torch.from_numpy(turn_BT == 0)
    masked = absent_at(batch, ("speech",), where)
    assert not masked.present_BTM[..., 0][where].any()
    assert torch.equal(masked.present_BTM[..., 0][~where], batch.present_BTM[..., 0][~where])
    assert torch.equal(masked.present_BTM[..., 1:], batch.present_BTM[..., 1:])
    assert (masked.values["speech"][where] == 0).all()


def test_timelines_are_those_of_whole_items(trained, result):
    (item, *_), (line, *_) = draw_items(trained, 2), result.timelines
    assert line.item == trained.prepared.items[item].name
    assert len(result.timelines) == 2
    opening, chance = {}, {}
    for batch in trained.test.batches():
        shown, outputs = look(trained, batch), trained.predict(batch)
        for b, t in batch.valid_BT.nonzero().tolist():
            if int(batch.item_B[b]) == item:
                step = int(batch.start_B[b]) + t + 1  # the horizon
                opening[step] = shown.opening["track"][b, t]
                chance[step] = outputs[b, t, 0, :2].softmax(-1)[1].item()
    expected = [opening[line.first + i] for i in range(len(line.gates["track"]))]
    assert line.gates["track"] == pytest.approx(expected, abs=1e-3)
    assert [t.parameter for t in line.targets] == ["active", "x"]
    guessed = [chance[line.first + i] for i in range(len(expected))]
    assert line.targets[0].predicted == pytest.approx(guessed, abs=1e-3)
    assert {value for value in line.targets[0].true if not math.isnan(value)} <= {0.0, 1.0}
    assert list(line.events) == sorted(line.events)
    assert line.features["speech"].name == "level"


@pytest.mark.parametrize("lookahead", [None, 2, 9])
def test_timelines_have_the_clock_of_the_corpus_whatever_the_horizon(config, prepared, editing_corpus, lookahead):
    task = {"kind": "forecast", "horizon": 5, "content_lookahead": lookahead}
    trained = untrained(config, prepared, task=task)
    (line, *_) = probe_gates(trained, GatesAnalysis(timelines=1)).timelines
    track = pd.read_parquet(editing_corpus / "track" / f"{line.item}.parquet")
    first, active = line.first, line.targets[0]
    assert (first, active.parameter) == (5, "active")
    steps = range(first, first + len(active.true))
    assert len(steps) > 40
    assert list(active.true) == [float(track["0_active"][s]) for s in steps]
    classes = [name for name in track if name.endswith(("_active", "_asset"))]
    changes = {s for s in range(1, len(track)) if (track[classes].iloc[s] != track[classes].iloc[s - 1]).any()}
    assert set(line.events) <= changes
    assert len(line.events) > 3
    name = line.features["speech"].name
    speech = pd.read_parquet(editing_corpus / "speech" / f"{line.item}.parquet")[name].to_numpy(float)
    drawn = np.array(line.features["speech"].values)
    known = ~np.isnan(drawn)
    assert known.sum() > 30
    # Normalised: one straight line through all pairs.
    assert np.corrcoef(drawn[known], speech[first : first + len(drawn)][known])[0, 1] == pytest.approx(1.0, abs=1e-3)


def test_the_model_is_left_as_it_is(trained, result):
    batch = next(trained.test.batches())
    before, weights = trained.predict(batch), [p.clone() for p in trained.model.parameters()]
    probe_gates(trained, GatesAnalysis(timelines=1))
    assert torch.equal(trained.predict(batch), before)
    assert all(torch.equal(a, b) for a, b in zip(weights, trained.model.parameters(), strict=True))
    assert not trained.model.fusion.held


def test_memory_is_independent_of_the_corpus(trained):
    """What streams by leaves sums of one size; what is asked again is bounded."""
    batch = next(trained.test.batches())
    shown = look(trained, batch)
    where = shown.choice_BTG[..., 0]
    parts = (shown.gates["speech"][where], shown.norm["speech"][where], shown.passing["speech"][where])
    sums = OpeningSums(16, ("level",))
    around = AlignedSums(NAMES, 10, [item.steps for item in trained.prepared.items])
    sizes = []
    for times in (1, 40):
        for _ in range(times):
            sums.add(*parts, batch.values["speech"].numpy()[where], 7)
            around.add(shown, batch, np.ones_like(where))
        sizes.append([sum(np.size(v) for v in vars(one).values()) for one in (sums, around)])
    assert sizes[0] == sizes[1]


def test_the_sample_is_bounded_and_equal_for_all_arms(config, prepared, monkeypatch):
    monkeypatch.setattr(gate_sample, "MOST_WINDOWS", 5)
    one, other = (
        draw_sample(untrained(config, prepared, model__fusion__kind=kind)) for kind in ("gated", "gated_softmax")
    )
    assert one.items == other.items
    assert one.windows <= 5 < one.of_windows
    assert len(one.items) < one.of_items
    assert sum(len(b.item_B) for b in one.batches) == one.windows


def test_few_windows_still_give_one_item(config, prepared, monkeypatch):
    monkeypatch.setattr(gate_sample, "MOST_WINDOWS", 1)
    assert len(draw_sample(untrained(config, prepared)).items) == 1


@pytest.mark.parametrize("absence", ["zero", "learned"])
def test_softmax_gates_are_read_where_there_is_a_choice(config, prepared, absence):
    trained = untrained(config, prepared, model__fusion__kind="gated_softmax", model__absence=absence)
    found = probe_gates(trained, GatesAnalysis(timelines=1))
    means = [found.distribution[name].mean for name in NAMES]
    assert all(0.0 < mean < 1.0 for mean in means)
    assert text_of(found)


@pytest.fixture(scope="module")
def tree(config, prepared):
    """Speech and noise first, what became of them and the track next."""
    return untrained(config, prepared, model__fusion={"kind": "hierarchical"})


@pytest.fixture(scope="module")
def tree_result(tree):
    return probe_gates(tree, GatesAnalysis(timelines=1))


BEHIND = {"speech": NAMES[:1], "noise": NAMES[1:2], "(speech|noise)": NAMES[:2], "track": NAMES[2:]}
BESIDE = {"speech": "noise", "noise": "speech", "(speech|noise)": "track", "track": "(speech|noise)"}


def behind(batch, gate):
    there_BT = batch.present_BTM[..., [NAMES.index(name) for name in BEHIND[gate]]].any(-1)
    return (there_BT & batch.valid_BT).numpy()


def test_gates_of_pairs_count_where_both_sides_are_there(tree, tree_result):
    assert {gate.name: tuple(gate.modalities) for gate in tree_result.gates} == BEHIND
    assert tree_result.places == (("speech", "noise"), ("(speech|noise)", "track"))
    assert text_of(tree_result)
    for gate, beside in BESIDE.items():
        kept, present = [], 0
        for batch in tree.test.batches():
            shown, there = look(tree, batch), behind(batch, gate)
            present += there.sum()
            kept.append(shown.gates[gate][there & behind(batch, beside)].astype(float))
        values, told = np.concatenate(kept), tree_result.distribution[gate]
        assert (told.steps, told.present) == (len(values), present)
        assert told.mean == pytest.approx(values.mean(), abs=1e-5)
        assert told.deviation == pytest.approx(values.std(), abs=1e-5)
    distribution = tree_result.distribution
    assert distribution["(speech|noise)"].follows is None
    assert distribution["speech"].follows.feature == "level"
    shares = tree_result.shares
    assert shares.steps == distribution["speech"].steps + distribution["track"].steps
    for place in tree_result.places:
        assert sum(shares.passing[gate] for gate in place) == pytest.approx(1.0, abs=1e-4)
        assert sum(distribution[gate].mean for gate in place) == pytest.approx(1.0, abs=1e-4)
    assert set(tree_result.timelines[0].gates) == set(BEHIND)
    assert set(tree_result.timelines[0].features) == set(NAMES)


def test_a_side_that_is_alone_has_no_choice_and_the_pair_above_still_has(tree):
    batch = without(next(tree.test.batches()), ("speech",))
    shown, valid_BT = look(tree, batch), batch.valid_BT.numpy()
    there, choice = (dict(zip(BEHIND, x.transpose(2, 0, 1), strict=True)) for x in (shown.there_BTG, shown.choice_BTG))
    assert not there["speech"].any()
    assert (there["noise"] & valid_BT).any()
    assert not choice["noise"].any()
    assert np.array_equal(choice["(speech|noise)"], there["noise"] & there["track"])
    assert choice["track"].any()
    assert np.isnan(shown.gates["noise"]).all()
    assert not np.isnan(shown.gates["track"][choice["track"]]).any()


def test_an_inner_gate_is_held_against_the_loss_without_all_that_is_behind_it(tree, tree_result):
    naive, components = tree.naive.losses(), tree.targets.components
    free, masked = tree.tally(), tree.tally(removing(("speech", "noise"), tree.predict))
    passing = {}
    for batch in tree.test.batches():
        shown = look(tree, batch)
        for b, t in np.argwhere(behind(batch, "(speech|noise)") & behind(batch, "track")):
            passing.setdefault(int(batch.item_B[b]), []).append(shown.passing["(speech|noise)"][b, t])
    items = sorted(passing)
    # Each component by what its loss costs of its skill: beyond the naive loss, less and less.
    slope = {c: min(1 / naive[c], naive[c] / free.component_losses()[c] ** 2) for c in components}
    lost = [
        np.mean([(masked.item_losses(i)[c] - free.item_losses(i)[c]) * slope[c] for c in components]) for i in items
    ]
    told = tree_result.faithfulness.items.gates["(speech|noise)"]
    assert told.n == len(items)
    expected = spearmanr([np.mean(passing[i]) for i in items], lost).statistic if len(items) >= 5 else math.nan
    assert told.passing == pytest.approx(expected, abs=1e-5, nan_ok=True)
    held = [row.gate for row in tree_result.clamping.held]
    assert held == [*(gate for gate in BEHIND for _ in range(3)), None]


def counts_of(opening: Opening):
    """Steps with a choice and with anything, where all else is not known."""
    assert math.isnan(opening.mean)
    assert (opening.quantiles, opening.histogram, opening.follows) == ((), (), None)
    return opening.steps, opening.present


def test_one_that_is_never_there_differs_from_one_that_is_always_alone():
    sums = OpeningSums(4, ())
    sums.add(np.empty((0, 4)), np.empty(0), np.empty(0), np.empty((0, 0)), 0)
    assert counts_of(sums.result()) == (0, 0)
    sums.add(np.empty((0, 4)), np.empty(0), np.empty(0), np.empty((0, 0)), 12)
    assert counts_of(sums.result()) == (0, 12)


def test_labels_of_whole_items_are_asked_by_item(config, label_corpus, tmp_path):
    built = config(label_corpus)
    prepared = prepare(label_corpus, built.data, tmp_path)
    found = probe_gates(untrained(config, prepared), GatesAnalysis())
    assert found.faithfulness.steps is None
    assert found.faithfulness.items.gates["sensor"].n >= 5
    assert found.around.events == 0
    assert found.conditions == ()
    assert found.timelines[0].targets == ()
    assert text_of(found)
