"""Confidence against accuracy, counted while predictions are scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.training.evaluation import evaluate, reliability_rows
from mmcore.training.losses import counted_targets, layout_of
from mmcore.training.metrics import CONFIDENCE_BINS, confidence_bins

COMPLETE = [True, False, True]


def noise(targets):
    def predict(batch):
        rng = torch.Generator().manual_seed(int(batch.item_B.sum()))
        return 2 * torch.randn((*batch.target_BTKP.shape[:3], targets.outputs), generator=rng)

    return predict


def tally_of(predict, batches, targets):
    return evaluate({None: predict}, batches, targets, COMPLETE, torch.ones(len(targets.parameters)))[None]


def test_rows_are_those_of_a_softmax_over_all_counted_targets(targets, make_batch):
    batches = [make_batch(targets, B=4 + s, seed=s) for s in range(3)]
    predict, layout = noise(targets), layout_of(targets)
    rows = reliability_rows(tally_of(predict, batches, targets))
    for component, p in (("active", 0), ("asset", 1)):
        confidence, right = [], []
        for batch in batches:
            counted = counted_targets(batch, layout)[..., p]
            first = layout.first[p]
            probability = predict(batch)[..., first : first + layout.classes(p)].softmax(-1)[counted].double()
            peak, predicted = probability.max(-1)
            confidence.append(peak.numpy())
            right.append((predicted == batch.target_BTKP[..., p][counted]).numpy())
        confidence, right = np.concatenate(confidence), np.concatenate(right)
        bins = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
        found = [r for r in rows if r.component == component]
        assert [r.bin for r in found] == sorted(set(bins.tolist()))
        for row in found:
            here = bins == row.bin
            assert row.count == here.sum()
            assert row.confidence == pytest.approx(confidence[here].mean(), abs=1e-6)
            assert row.accuracy == pytest.approx(right[here].mean())
    assert {r.component for r in rows} == {"active", "asset"}


def test_a_certain_predictor_that_is_right_stands_in_the_last_bin(targets, make_batch):
    layout = layout_of(targets)

    def certain(batch):
        outputs = torch.zeros((*batch.target_BTKP.shape[:3], targets.outputs))
        for p in (0, 1):
            place = layout.first[p] + batch.target_BTKP[..., p : p + 1].long()
            outputs.scatter_(-1, place, 1e4)
        return outputs

    rows = reliability_rows(tally_of(certain, [make_batch(targets, B=4)], targets))
    assert [(r.component, r.bin, r.confidence, r.accuracy) for r in rows] == [
        ("active", 14, 1.0, 1.0), ("asset", 14, 1.0, 1.0),
    ]  # fmt: skip


def test_what_does_not_count_leaves_no_row(targets, make_batch):
    batch = make_batch(targets, B=4)
    nothing = replace(batch, target_valid_BTKP=torch.zeros_like(batch.target_valid_BTKP))
    assert reliability_rows(tally_of(noise(targets), [nothing], targets)) == []


def test_rounds_of_evaluation_while_training_do_not_count(targets, make_batch):
    tally = evaluate({None: noise(targets)}, [make_batch(targets)], targets, COMPLETE, torch.ones(6), detailed=False)
    assert reliability_rows(tally[None]) == []


def test_bins_cover_the_whole_scale():
    edges = torch.tensor([0.0, 1 / 15 - 1e-9, 1 / 15 + 1e-9, 0.5, 1.0], dtype=torch.float64)
    assert confidence_bins(edges).tolist() == [0, 0, 1, 7, 14]
