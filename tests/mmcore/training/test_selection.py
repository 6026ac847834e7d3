"""Which epoch is scored: the best on validation items by the metric that the run is to be judged by."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import log_loss

from mmcore.config import Forecast, Label, build_config
from mmcore.errors import ConfigError
from mmcore.events import Note
from mmcore.facts import Chosen
from mmcore.measures import parse_metric
from mmcore.run import run
from mmcore.schema import Targets
from mmcore.task import default_metric, selection_metric
from mmcore.training.baselines import fit_baselines
from mmcore.training.evaluation import Naive, evaluate, score_rows
from mmcore.training.losses import counted_targets, layout_of
from mmcore.training.selection import Selection

COMPLETE = [True] * 3


@pytest.fixture
def scored(targets, make_batch):
    """Naive predictors and a model on one batch: a function of the batch."""
    train = make_batch(targets, seed=9)
    baselines = fit_baselines([train], targets, Forecast())

    def judged(batch):
        rng = torch.Generator().manual_seed(0)
        outputs = torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, generator=rng)
        predictors = {None: lambda b: outputs, **{b.name: b.predict for b in baselines}}
        tallies = evaluate(predictors, [batch], targets, COMPLETE, torch.ones(6))
        return tallies[None], Naive(baselines, tallies)

    return judged


@pytest.mark.parametrize(
    "name",
    ["skill", "relative_skill", "loss", "log_loss", "accuracy", "active/f1", "active/average_precision", "scale/mae",
     "asset/macro_f1", "position/skill"],
)  # fmt: skip
def test_an_epoch_is_worth_what_its_score_will_be(targets, make_batch, scored, name):
    tally, naive = scored(make_batch(targets, seed=1))
    metric = parse_metric(name)
    rows = score_rows("validation", tally, naive)
    (score,) = (
        s.value
        for s in rows
        if (s.metric, s.component, s.baseline, s.items, s.parameter)
        == (metric.measure.name, metric.component, None, "all", None)
    )
    selection = Selection(metric, naive)
    validation = selection.judge(tally, 7)
    assert (selection.by, selection.note) == ("metric", None)
    assert validation.columns[metric.column] == pytest.approx(score, rel=1e-12)
    assert validation.value == pytest.approx(score if metric.measure.higher_is_better else -score, rel=1e-12)


def test_an_error_that_only_parameters_have_is_their_mean(targets, make_batch, scored):
    tally, naive = scored(make_batch(targets, seed=1))
    errors = tally.absolute_errors()
    x, y = (i for i, p in enumerate(targets.parameters) if p.component == "position")
    worth = Selection(parse_metric("position/mae"), naive).judge(tally, 1).value
    assert worth == pytest.approx(-(errors[x] + errors[y]) / 2)


def test_only_what_losses_do_not_tell_needs_a_detailed_pass(targets, make_batch, scored):
    _, naive = scored(make_batch(targets, seed=1))
    needs = {
        n: Selection(parse_metric(n), naive).detailed for n in ("skill", "loss", "log_loss", "accuracy", "scale/mae")
    }
    assert needs == {"skill": False, "loss": False, "log_loss": False, "accuracy": True, "scale/mae": True}


def test_without_a_value_on_validation_items_the_loss_chooses_and_that_is_told(targets, make_batch, scored):
    """No true case of `active`: F1 does not exist, and nothing that depends on it counts."""
    batch = make_batch(targets, seed=1)
    target_BTKP = batch.target_BTKP.clone()
    target_BTKP[..., 0] = 0.0
    tally, naive = scored(replace(batch, target_BTKP=target_BTKP))
    selection = Selection(parse_metric("active/f1"), naive)
    assert selection.by == "loss"
    assert (
        selection.note == "active/f1 has no value on the validation items: the best epoch is picked by validation loss"
    )
    validation = selection.judge(tally, 3)
    assert math.isnan(validation.columns["validation/f1/active"])
    assert validation.value == -validation.columns["validation/loss"]


def test_where_nothing_counts_the_last_epoch_is_best(targets, make_batch, scored):
    batch = make_batch(targets, seed=1)
    tally, naive = scored(replace(batch, target_valid_BTKP=torch.zeros_like(batch.target_valid_BTKP)))
    selection = Selection(parse_metric("accuracy"), naive)
    assert selection.by == "last"
    assert "last epoch is scored" in selection.note
    assert [selection.judge(tally, epoch).value for epoch in (1, 2)] == [1.0, 2.0]


# In a run ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("select", "column", "best"),
    [
        ("active/f1", "validation/f1/active", max),
        ("accuracy", "validation/accuracy", max),
        ("position/mae", "validation/mae/position", min),
    ],
)
def test_a_run_is_scored_at_the_best_epoch_of_its_metric(
    config, editing_corpus, prepared, tmp_path, select, column, best
):
    chosen = config(editing_corpus, training__select=select, training__epochs=6)
    result = run(chosen, tmp_path, prepared=prepared)
    values = [row[column] for row in result.history]
    assert result.best_epoch == values.index(best(values)) + 1
    metric = parse_metric(select)
    scored = result.score(metric.measure.name, metric.component, split="validation")
    assert scored == pytest.approx(best(values), abs=1e-9)
    assert result.selection == Chosen(select, "metric", 0)
    assert result.config.training.select == select


def test_patience_follows_the_metric(config, editing_corpus, prepared, tmp_path):
    """At this learning rate nothing moves, so no epoch has a better accuracy than the first one."""
    still = config(
        editing_corpus, training__select="accuracy", training__patience=2, training__epochs=30,
        training__optimiser={"kind": "adam", "learning_rate": 1e-12},
        training__schedule={"kind": "constant"},
    )  # fmt: skip
    result = run(still, tmp_path, prepared=prepared)
    assert (result.best_epoch, result.epochs, result.stopped_early) == (1, 3, True)


def test_labels_are_chosen_by_balanced_accuracy_and_nobody_need_say_so(config, label_corpus, tmp_path):
    events = []
    result = run(config(label_corpus, training__epochs=3), tmp_path, events.append)
    assert result.config.training.select is None
    assert (result.selection.metric, result.selection.by) == ("balanced_accuracy", "metric")
    values = [row["validation/balanced_accuracy"] for row in result.history]
    assert result.best_epoch == values.index(max(values)) + 1
    assert not [e for e in events if isinstance(e, Note) and "best epoch" in e.text]


def test_what_a_task_is_judged_by():
    """Skill; for labels with classes balanced accuracy, for labels without any skill again."""

    def schema(*kinds):
        parameters = [
            {"name": f"p{i}", "kind": kind, "component": "c"} | ({"classes": 3} if kind == "categorical" else {})
            for i, kind in enumerate(kinds)
        ]
        return SimpleNamespace(targets=Targets.model_validate({"from": "t", "parameters": parameters}))

    assert default_metric(Forecast(), schema("binary")).name == "skill"
    assert default_metric(Label(), schema("continuous")).name == "skill"
    assert default_metric(Label(), schema("continuous", "categorical")).name == "balanced_accuracy"


def test_a_metric_that_is_none_is_refused(config, editing_corpus, prepared, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'skill'"):
        build_config({"corpus": "c", "training": {"select": "skil"}})
    with pytest.raises(ConfigError, match="units differ"):
        build_config({"corpus": "c", "training": {"select": "mae"}})
    for select, words in (("activ/f1", "unknown component"), ("position/f1", "no value here")):
        with pytest.raises(ConfigError, match=words) as told:
            run(config(editing_corpus, training__select=select), tmp_path, prepared=prepared)
        assert told.value.where == "training.select"


def test_the_metric_of_a_config(config, editing_corpus, prepared):
    assert selection_metric(config(editing_corpus), prepared.schema).name == "skill"
    assert selection_metric(config(editing_corpus, training__select="active/f1"), prepared.schema).name == "active/f1"


# log loss ------------------------------------------------------------------------------------------------------------
def test_log_loss_is_the_cross_entropy_of_the_class_parameters(targets, make_batch, scored):
    batch = make_batch(targets, seed=1)
    tally, naive = scored(batch)
    rows = {(s.component, s.baseline): s.value for s in score_rows("test", tally, naive)
            if s.metric == "log_loss" and s.items == "all"}  # fmt: skip
    rng = torch.Generator().manual_seed(0)
    outputs = torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, generator=rng)
    counted = counted_targets(batch, layout_of(targets))
    expected = {}
    for p, (name, span) in enumerate((("active", slice(0, 2)), ("asset", slice(2, 6)))):
        where = counted[..., p]
        chances = outputs[..., span].softmax(-1)[where].double()
        expected[name] = log_loss(
            batch.target_BTKP[..., p][where].long(),
            chances / chances.sum(-1, keepdim=True),
            labels=range(chances.shape[-1]),
        )
    assert {c for c, _ in rows} == {None, "active", "asset"}
    assert rows["active", None] == pytest.approx(expected["active"], rel=1e-6)
    assert rows["asset", None] == pytest.approx(expected["asset"], rel=1e-6)
    assert rows[None, None] == pytest.approx((expected["active"] + expected["asset"]) / 2, rel=1e-6)


def test_a_predictor_of_classes_alone_has_no_log_loss(config, label_corpus, tmp_path):
    result = run(config(label_corpus, training__epochs=1), tmp_path)
    by = {s.baseline: s.value for s in result.scores
          if (s.split, s.items, s.metric, s.component) == ("test", "all", "log_loss", None)}  # fmt: skip
    assert math.isnan(by["majority"])
    assert math.isfinite(by["prior"])
    assert math.isfinite(by[None])
