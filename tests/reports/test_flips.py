"""A naive baseline that names another class in some repeats has no mean score: it is shown as what it is."""

from dataclasses import replace

import numpy as np
import pytest

from mmcore.measures import parse_metric
from mmcore.scores import NaiveClasses, Score
from reports.output.render import as_html, as_markdown
from reports.output.text import as_json, as_text
from reports.records.frame import NAIVE_CLASS_COLUMNS, tidy
from reports.summary.build import summarise
from reports.summary.flips import flip_text, flips


@pytest.fixture
def results(study_of, records_of):
    """Ten repeats; in four of them class 0 is the most frequent one in training. What accuracy that has: ``value``."""

    def build(value, classes=lambda repeat: [0 if repeat in (1, 4, 5, 8) else 1], recorded=True):
        study = replace(study_of(repeats=10), metric=parse_metric("accuracy"))
        records = records_of(study)
        for at, record in enumerate(records):
            repeat = record.repeat
            more = [
                Score("test", "all", "accuracy", component, score, None, baseline)
                for baseline, score in ((None, 0.8 + 0.01 * (repeat % 3)), ("majority", value(repeat)))
                for component in (None, "active")
            ]
            told = (NaiveClasses("active", "active", tuple(classes(repeat))),) if recorded else ()
            records[at] = replace(record, scores=(*record.scores, *more), naive_classes=told)
        return tidy(study, records)

    return build


def flipping(repeat):
    return 0.621 if repeat in (1, 4, 5, 8) else 0.379


def test_its_scores_are_told_apart_instead_of_averaged(results):
    summary = summarise(results(flipping))
    whole, active = summary.flips
    assert (whole.baseline, whole.measure, whole.component, active.component) == (
        "majority",
        "accuracy",
        None,
        "active",
    )
    assert whole.groups == ((pytest.approx(0.379), 6), (pytest.approx(0.621), 4))
    assert flip_text(whole).startswith(
        "Naive baseline 'majority' flips between repeats: accuracy is 0.379 in 6 and 0.621 in 4."
    )
    for text in (as_text(summary), as_markdown(summary), as_html(summary)):
        flat = " ".join(text.replace("\u00a0", " ").replace("&#39;", "'").split())
        assert "accuracy is 0.379 in 6 and 0.621 in 4" in flat
        assert "accuracy of active is 0.379 in 6 and 0.621 in 4" in flat
    told = {b["name"]: b["flips"] for b in as_json(summary)["baselines"]}
    assert told["majority"][0] == {
        "measure": "accuracy",
        "component": None,
        "values": [{"mean": pytest.approx(0.379), "repeats": 6}, {"mean": pytest.approx(0.621), "repeats": 4}],
    }
    assert told["constant"] == told["persistence"] == []


def test_scores_that_hardly_differ_do_not_flip(results):
    rng = np.random.default_rng(0)
    noise = rng.normal(0.5, 0.05, 10)
    assert flips(results(lambda repeat: noise[repeat])) == ()
    assert flips(results(lambda repeat: 0.5)) == ()


def test_varying_draws_of_one_class_do_not_flip(results):
    assert flips(results(flipping, classes=lambda repeat: [1])) == ()


def test_many_tracks_that_change_one_by_one_do_not_flip(results):
    assert flips(results(flipping, classes=lambda repeat: [repeat, 1])) == ()


def test_records_of_before_say_nothing(results):
    old = results(flipping, recorded=False)
    assert list(old.naive_classes.columns) == list(NAIVE_CLASS_COLUMNS)
    assert old.naive_classes.empty
    assert flips(old) == ()


def test_flips_with_spread_within_the_groups_are_means_of_these(results):
    found = flips(results(lambda repeat: flipping(repeat) + 0.01 * (-1) ** repeat), "accuracy")
    (first, _), (second, _) = found[0].groups
    assert first == pytest.approx(0.379, abs=0.01)
    assert second == pytest.approx(0.621, abs=0.01)
    assert flips(results(flipping), "f1") == ()
