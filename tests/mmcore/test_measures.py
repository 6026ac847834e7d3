import pytest

from mmcore.errors import ConfigError
from mmcore.measures import MEASURES, parse_metric


@pytest.mark.parametrize("text", ["skill", "relative_skill", "loss", "active/f1", "position/mae", "a/b/accuracy"])
def test_a_metric_is_read_and_written_alike(text):
    assert parse_metric(text).name == text


def test_the_component_is_what_stands_before_the_last_slash():
    metric = parse_metric("active/f1")
    assert (metric.component, metric.measure.name, metric.measure.higher_is_better) == ("active", "f1", True)
    assert parse_metric("skill").component is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skil", "Did you mean 'skill'"),
        ("active/F1", "unknown measure"),
        ("mae", "Name a component: COMPONENT/mae"),
        ("", "unknown measure"),
    ],
)
def test_what_cannot_be_a_yardstick_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_metric(text)


def test_losses_fall_and_scores_rise():
    falling = {name for name, measure in MEASURES.items() if not measure.higher_is_better}
    assert falling == {"loss", "log_loss", "mae"}
    assert all(name == measure.name for name, measure in MEASURES.items())


def test_what_training_reports_is_declared():
    """Every measure has its rows in a run, and every row its measure."""
    import torch

    from mmcore.schema import Targets
    from mmcore.training.baselines import fit_baselines
    from mmcore.training.evaluation import Naive, evaluate, score_rows

    targets = Targets.model_validate(
        {
            "from": "t",
            "parameters": [{"name": "on", "kind": "binary", "component": "on"}, {"name": "x", "component": "x"}],
        }
    )
    from mmcore.config import Forecast

    baselines = fit_baselines([], targets, Forecast())
    tallies = evaluate({b.name: b.predict for b in baselines}, [], targets, [True], torch.ones(2))
    rows = score_rows("test", tallies["constant"], Naive(baselines, tallies))
    assert {s.metric for s in rows} == set(MEASURES)
    assert {s.metric for s in rows if s.component is None} == {n for n, m in MEASURES.items() if m.whole is not None}
