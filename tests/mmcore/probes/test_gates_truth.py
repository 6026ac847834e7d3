"""Models built by hand whose predictions are equal and whose gates are not: only where gates decide are they believed.

``strong`` and ``weak`` are what a sensor reads while it counts and while it does not; nine tenths of the former and
one tenth of the latter are the truth. A gate may let nine tenths and one tenth pass (it decides), stand at one half
before a vector that is already right (constant), or open where it matters least before a vector that makes up for it
(scaled).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from mmcore.analyses import GatesAnalysis
from mmcore.data.prepare import prepare
from mmcore.events import ignore
from mmcore.model.build import build_model
from mmcore.probes.gates.probe import probe_gates
from mmcore.trained import Trained
from reports.sections.gates.belief import believe

NAMES = ("left", "right")
LOUD, QUIET = 0.9, 0.1
"""What passes of a reading while it counts and while it does not."""


@pytest.fixture(scope="module")
def corpus(corpus_writer, tmp_path_factory):
    return written(corpus_writer, tmp_path_factory.mktemp("by hand") / "corpus", in_turn=False)


def written(corpus_writer, folder, in_turn):
    """In turn: one of the two counts at every step, and the other does not."""
    schema = {
        "format": 1,
        "name": "by hand",
        "modalities": {
            name: {"features": [{"name": "strong"}, {"name": "weak"}, {"name": "counts", "kind": "binary"}]}
            for name in NAMES
        },
        "targets": {"from": "truth", "parameters": [{"name": "y", "component": "y"}]},
    }
    rng = np.random.default_rng(0)
    items = [f"item{i:02d}" for i in range(30)]
    tables = {name: {} for name in (*NAMES, "truth")}
    for item in items:
        time, y = np.arange(40.0), 0.05 * rng.standard_normal(40)
        drawn = rng.random((2, 40)) < 0.5
        for name, one in zip(NAMES, (drawn[0], ~drawn[0] if in_turn else drawn[1]), strict=True):
            counts, reading = one, rng.standard_normal(40)
            tables[name][item] = pd.DataFrame(
                {"time": time, "strong": reading * counts, "weak": reading * ~counts, "counts": counts.astype(float)}
            )
            y += reading * np.where(counts, LOUD, QUIET)
        tables["truth"][item] = pd.DataFrame({"time": time, "y": y})
    listing = pd.DataFrame({"item": items, "group": items})
    return corpus_writer(folder, schema, tables, listing)


@dataclass(frozen=True)
class Gate:
    """A gate's values while a reading counts and while it does not, and what the vector makes of both readings."""

    loud: float
    quiet: float

    @property
    def vector(self):
        return LOUD / self.loud, QUIET / self.quiet


KINDS = {"decides": Gate(LOUD, QUIET), "constant": Gate(0.5, 0.5), "scaled": Gate(0.1 * LOUD, 9.0 * QUIET)}


def logit(p):
    return float(np.log(p / (1 - p)))


def by_hand(config, corpus, prepared, gate, repeat):
    """e = (what the vector makes of the readings, a small number that tells whether they count); y is what passes."""
    built = config(
        corpus, repeat=repeat, model__width=4, model__layers=0, model__positions="rotary", model__head__kind="per_track"
    )
    model = build_model(built.model, prepared.schema, False, repeat, built.data.window)
    trained = Trained(built, prepared, model, torch.device("cpu"), ignore)
    normaliser, small = trained.normaliser, 1e-3
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for name, linear, opening in zip(
            NAMES, model.embedding.linears.values(), model.fusion.gates.values(), strict=True
        ):
            for f, factor in enumerate(gate.vector):
                linear.weight[0, f] = factor * float(normaliser.deviation[name][f])
                linear.bias[0] += factor * float(normaliser.mean[name][f])
            linear.weight[1, 2] = small
            opening.bias.fill_(logit(gate.quiet))
            opening.weight[:, 1] = (logit(gate.loud) - logit(gate.quiet)) / small
        model.head.hidden.weight.copy_(torch.eye(4))
        model.head.output.weight[0, 0] = 1.0 / float(normaliser.target_deviation_P[0])
        model.head.output.bias[0] = -float(normaliser.target_mean_P[0]) / float(normaliser.target_deviation_P[0])
    return trained


@pytest.fixture(scope="module")
def answers(config, corpus, tmp_path_factory):
    """Kind → answers of three repeats, and the first repeat's predictions."""
    prepared = prepare(corpus, config(corpus).data, tmp_path_factory.mktemp("prepared"))
    told, predictions = {}, {}
    for kind, gate in KINDS.items():
        models = [by_hand(config, corpus, prepared, gate, repeat) for repeat in range(3)]
        told[kind] = [probe_gates(model, GatesAnalysis(timelines=1)) for model in models]
        predictions[kind] = models[0].predict(next(models[0].test.batches()))
    return told, predictions


def belief(answers, modality):
    def rho(shown):
        steps = [one.faithfulness.steps for one in answers]
        return [getattr(s.together if modality is None else s.gates[modality], shown) for s in steps]

    costs = [cost(one, modality) for one in answers]
    return believe(rho("passing"), rho("opening"), rho("norm"), costs, overlap=0.25, margin=0.02)


def cost(one, gate, held="mean"):
    """By how much skill falls with a gate held; None: all gates."""
    clamping = one.clamping
    row = next(row for row in clamping.held if (row.gate, row.held) == (gate, held))
    return clamping.free["skill"].whole - row.scores["skill"].whole


def test_all_three_predict_the_same_and_well(answers):
    told, predictions = answers
    for kind in KINDS:
        torch.testing.assert_close(predictions[kind], predictions["decides"], atol=1e-4, rtol=1e-4)
        assert cost(told[kind][0], "left", "shut") > 0.3


@pytest.mark.parametrize("modality", [*NAMES, None])
def test_gates_that_decide_are_faithful(answers, modality):
    assert belief(answers[0]["decides"], modality).label == "faithful"


@pytest.mark.parametrize("modality", [*NAMES, None])
@pytest.mark.parametrize("kind", ["constant", "scaled"])
def test_gates_that_do_not_are_not_although_what_passes_is_the_same(answers, kind, modality):
    found = belief(answers[0][kind], modality)
    assert found.label == "not faithful"
    assert found.passing.label == "faithful"
    assert found.gate_is_silent


def test_constant_gates_are_known_as_such(answers):
    for one in answers[0]["constant"]:
        for name in NAMES:
            told = one.distribution[name]
            assert told.deviation_over_steps == 0.0
            assert told.between_inputs == 0.0
            assert told.follows is None
            assert one.faithfulness.steps.gates[name].opening == 0.0
        assert cost(one, None) == pytest.approx(0.0, abs=1e-5)


def test_holding_gates_that_decide_at_their_mean_costs(answers):
    assert min(cost(one, None) for one in answers[0]["decides"]) > 0.1


def test_a_gate_follows_the_feature_that_opens_it(answers):
    for kind, sign in (("decides", 1), ("scaled", -1)):
        for one in answers[0][kind]:
            told = one.distribution["left"].follows
            assert told.feature == "counts"
            assert told.correlation == pytest.approx(sign, abs=1e-3)


# Two sides of one pair ----------------------------------------------------------------------------------------------
PAIRS = {"decides": Gate(LOUD, QUIET), "constant": Gate(0.5, 0.5)}
TINY = 1e-3
"""So short that tanh is a straight line."""


def pair_by_hand(config, corpus, prepared, gate, repeat):
    """The same readings through one bimodal unit: z lets the side pass that counts, or neither more than the other."""
    built = config(
        corpus, repeat=repeat, model__width=4, model__layers=0, model__positions="rotary",
        model__head__kind="per_track", model__fusion={"kind": "hierarchical"},
    )  # fmt: skip
    model = build_model(built.model, prepared.schema, False, repeat, built.data.window)
    trained = Trained(built, prepared, model, torch.device("cpu"), ignore)
    normaliser = trained.normaliser
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for name, linear in zip(NAMES, model.embedding.linears.values(), strict=True):
            for f, factor in enumerate(gate.vector):
                linear.weight[0, f] = TINY * factor * float(normaliser.deviation[name][f])
                linear.bias[0] += TINY * factor * float(normaliser.mean[name][f])
            linear.weight[1, 2] = 2.0 * TINY
            linear.bias[1] = -TINY
        (unit,) = model.fusion.units.values()
        for way in (unit.first, unit.second):
            way.weight[0, 0] = 1.0
        # Of the left one alone: +TINY while it counts, else −TINY.
        unit.gate.weight[:, 1] = logit(gate.loud) / TINY
        model.head.hidden.weight.copy_(torch.eye(4))
        deviation = float(normaliser.target_deviation_P[0])
        model.head.output.weight[0, 0] = 1.0 / TINY / deviation
        model.head.output.bias[0] = -float(normaliser.target_mean_P[0]) / deviation
    return trained


@pytest.fixture(scope="module")
def pair_answers(config, corpus_writer, tmp_path_factory):
    """Kind → answers of three repeats, and the first repeat's predictions."""
    corpus = written(corpus_writer, tmp_path_factory.mktemp("in turn") / "corpus", in_turn=True)
    prepared = prepare(corpus, config(corpus).data, tmp_path_factory.mktemp("prepared in turn"))
    told, predictions = {}, {}
    for kind, gate in PAIRS.items():
        models = [pair_by_hand(config, corpus, prepared, gate, repeat) for repeat in range(3)]
        told[kind] = [probe_gates(model, GatesAnalysis(timelines=1)) for model in models]
        predictions[kind] = models[0].predict(next(models[0].test.batches()))
    return told, predictions


@pytest.mark.parametrize("modality", [*NAMES, None])
def test_a_pair_whose_sides_are_weighed_is_faithful_and_one_whose_are_not_is_not(pair_answers, modality):
    told, predictions = pair_answers
    torch.testing.assert_close(predictions["constant"], predictions["decides"], atol=1e-3, rtol=1e-3)
    assert belief(told["decides"], modality).label == "faithful"
    constant = belief(told["constant"], modality)
    assert constant.label == "not faithful"
    assert constant.gate_is_silent


def test_the_sides_of_a_pair_share_one_and_follow_what_counts(pair_answers):
    for one in pair_answers[0]["decides"]:
        left, right = (one.distribution[name] for name in NAMES)
        assert left.mean + right.mean == pytest.approx(1.0, abs=1e-4)
        assert left.quantiles[0] == pytest.approx(QUIET, abs=0.01)
        assert left.quantiles[-1] == pytest.approx(LOUD, abs=0.011)
        assert left.follows.feature == "counts"
        assert right.follows.feature == "counts"
        assert cost(one, None) > 0.1
        assert cost(one, "left", "shut") > cost(one, "left") > 0.05
    for one in pair_answers[0]["constant"]:
        assert cost(one, None) == pytest.approx(0.0, abs=1e-5)
