"""Edit events: the steps at which a track changes. One definition for all analyses.

B batch, T steps, K tracks, P parameters, C parameters that are classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import Forecast, Label, Reconstruct, Task
from mmcore.schema import Targets
from mmcore.training.losses import columns, counted_targets, layout_of


def edit_events(batch: Batch, targets: Targets, task: Task) -> Tensor:
    """Positions whose target is an edit: some track has another class than one step earlier.

    Only binary and categorical parameters make events: a continuous one differs a little at every step. A parameter
    under ``when`` changes only where it counts both before and after; where it begins to count, the event belongs to
    the parameter on which it depends. Values that do not exist change nothing.

    The step before a window's first is known where the model reads it there: with a horizon of 1, and when
    reconstructing. Elsewhere a window's first position is no event.

    Args:
        batch: windows as the loader made them. targets: of its corpus. task: of the run, resolved.

    Returns:
        (B, T) bool, on the batch's device; nowhere true for targets of whole items and without class parameters.
    """
    happens_BT = torch.zeros_like(batch.valid_BT)
    layout = layout_of(targets)
    classes = sorted(layout.binary + layout.categorical)
    if targets.scope == "item" or not classes:
        return happens_BT
    now_BTKC = columns(batch.target_BTKP, classes)
    counts_BTKC = columns(counted_targets(batch, layout), classes)
    changed_BTKC = (now_BTKC[:, 1:] != now_BTKC[:, :-1]) & counts_BTKC[:, 1:] & counts_BTKC[:, :-1]
    happens_BT[:, 1:] = changed_BTKC.any(-1).any(-1)
    if _reads_the_step_before(task):
        before_BKC = columns(batch.previous_BTKP[:, 0], classes)
        known_BKC = columns(batch.previous_valid_BTKP[:, 0], classes) & counts_BTKC[:, 0]
        known_BKC &= _counted_before(batch, targets, classes)
        happens_BT[:, 0] = ((now_BTKC[:, 0] != before_BKC) & known_BKC).any(-1).any(-1)
    return happens_BT & batch.valid_BT


def _reads_the_step_before(task: Task) -> bool:
    match task:
        case Forecast():
            return task.horizon == 1
        case Reconstruct():
            return True
        case Label():
            return False


def _counted_before(batch: Batch, targets: Targets, classes: list[int]) -> Tensor:
    """Which class parameters counted in the step before the window, (B, K, C)."""
    names = [parameter.name for parameter in targets.parameters]
    gates = [targets.parameters[p].when for p in classes]
    first_BKP, valid_BKP = batch.previous_BTKP[:, 0], batch.previous_valid_BTKP[:, 0]
    true_BK = torch.ones_like(valid_BKP[..., 0])
    parts = [
        true_BK if gate is None else (first_BKP[..., names.index(gate)] > 0.5) & valid_BKP[..., names.index(gate)]
        for gate in gates
    ]
    return torch.stack(parts, -1)
