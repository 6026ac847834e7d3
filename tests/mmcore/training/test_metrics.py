import math

import pytest
import torch
from sklearn import metrics as oracle

from mmcore.training.metrics import (
    LOGIT_BINS,
    accuracy,
    average_precision,
    balanced_accuracy,
    f1,
    logit_bins,
    macro_f1,
    mean_of_known,
    sum_of_known,
)


def confusion_of(true, predicted, classes):
    return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes).double()


def histogram_of(logit, true):
    return torch.bincount(true * LOGIT_BINS + logit_bins(logit), minlength=2 * LOGIT_BINS).view(2, -1)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_class_measures_agree_with_sklearn(classes):
    rng = torch.Generator().manual_seed(classes)
    true = torch.randint(classes, (300,), generator=rng)
    predicted = torch.where(torch.rand(300, generator=rng) < 0.6, true, torch.randint(classes, (300,), generator=rng))
    matrix = confusion_of(true, predicted, classes)
    assert accuracy(matrix) == pytest.approx(oracle.accuracy_score(true, predicted))
    assert balanced_accuracy(matrix) == pytest.approx(oracle.balanced_accuracy_score(true, predicted))
    assert macro_f1(matrix) == pytest.approx(oracle.f1_score(true, predicted, average="macro"))
    if classes == 2:
        assert f1(matrix) == pytest.approx(oracle.f1_score(true, predicted))


def test_classes_that_never_occur_do_not_count():
    true, predicted = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1])
    matrix = confusion_of(true, predicted, 5)
    assert balanced_accuracy(matrix) == pytest.approx(0.75)
    assert macro_f1(matrix) == pytest.approx(oracle.f1_score(true, predicted, average="macro"))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, -2.0), (4.0, 0.0), (0.3, 1.0)])
def test_average_precision_from_the_histogram_agrees_with_sklearn(scale, shift):
    rng = torch.Generator().manual_seed(3)
    true = (torch.rand(20_000, generator=rng) < 0.15).long()
    logit = scale * (torch.randn(20_000, generator=rng) + true) + shift
    assert average_precision(histogram_of(logit, true)) == pytest.approx(
        oracle.average_precision_score(true, logit), abs=1e-3
    )


def test_average_precision_of_one_constant_is_the_share_of_true_cases():
    true = torch.tensor([1, 0, 0, 0])
    assert average_precision(histogram_of(torch.zeros(4), true)) == 0.25


def test_logits_beyond_the_limit_fall_into_the_outermost_bins():
    assert logit_bins(torch.tensor([-1e9, -16.0, 16.0, math.inf])).tolist() == [0, 0, LOGIT_BINS - 1, LOGIT_BINS - 1]


def test_nothing_to_measure_is_nan():
    nothing = torch.zeros(3, 3)
    assert all(math.isnan(measure(nothing)) for measure in (accuracy, balanced_accuracy, macro_f1))
    no_true_case = torch.tensor([[5.0, 1.0], [0.0, 0.0]])
    assert math.isnan(f1(no_true_case))
    assert math.isnan(average_precision(torch.stack([torch.ones(LOGIT_BINS), torch.zeros(LOGIT_BINS)])))
    assert math.isnan(mean_of_known([math.nan]))
    assert math.isnan(sum_of_known([]))


def test_means_and_sums_leave_out_what_is_not_known():
    assert mean_of_known([1.0, math.nan, 3.0]) == 2.0
    assert sum_of_known([1.0, math.nan, 3.0]) == 4.0
