"""Edit events against a slow reading of the same corpus."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.config import DataConfig, Forecast, Label, Reconstruct
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.probes.events import edit_events

NAMES = ("speech", "noise", "track")


def windows(prepared, task, window=20):
    loader = Loader(prepared, fit_normaliser(prepared, range(12)), DataConfig(window=window), task, NAMES, range(5), 4)
    return list(loader.batches())


def slow(prepared, item, step):
    """Whether any track has another class at this step of the item than one step earlier."""
    found = prepared.items[item]
    if step < 1:
        return False
    now, before = (np.asarray(prepared.target[found.offset + s]) for s in (step, step - 1))
    for k in range(now.shape[0]):
        active, was = now[k, 0], before[k, 0]
        if active != was or (active == was == 1 and now[k, 1] != before[k, 1]):
            return True
    return False


@pytest.mark.parametrize(("task", "ahead"), [(Forecast(), 1), (Reconstruct(), 0), (Forecast(horizon=3), 3)])
def test_events_are_changes_of_classes_that_count(prepared, task, ahead):
    seen = 0
    for batch in windows(prepared, task):
        found = edit_events(batch, prepared.schema.targets, task)
        for b, t in np.ndindex(*found.shape):
            step = int(batch.start_B[b]) + t + ahead
            expected = bool(batch.valid_BT[b, t]) and slow(prepared, int(batch.item_B[b]), step)
            if t == 0 and ahead > 1:
                expected = False
            assert bool(found[b, t]) == expected, (b, t)
            seen += expected
    assert seen > 50


def test_what_does_not_exist_changes_nothing(prepared):
    batch = windows(prepared, Forecast())[0]
    unknown = replace(
        batch,
        target_valid_BTKP=torch.zeros_like(batch.target_valid_BTKP),
        previous_valid_BTKP=torch.zeros_like(batch.previous_valid_BTKP),
    )
    assert edit_events(batch, prepared.schema.targets, Forecast()).any()
    assert not edit_events(unknown, prepared.schema.targets, Forecast()).any()


def test_targets_without_classes_and_of_whole_items_have_no_events(prepared):
    batch = windows(prepared, Forecast())[0]
    targets = prepared.schema.targets
    level = targets.parameters[2].model_copy(update={"when": None})
    only = targets.model_copy(update={"parameters": (level,)})
    part = replace(batch, target_BTKP=batch.target_BTKP[..., 2:], target_valid_BTKP=batch.target_valid_BTKP[..., 2:])
    assert not edit_events(part, only, Forecast()).any()
    assert not edit_events(batch, targets.model_copy(update={"scope": "item"}), Label()).any()
