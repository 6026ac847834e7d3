"""What the outputs of a model really depend on in time: spans of the input taken away, and gradient × input.

B batch, T steps, Q asked steps (T, or 1 where targets belong to items), J spans, M modalities, K tracks, P parameters,
O outputs per track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.seeding import generator
from mmcore.training.losses import layout_of

ROWS = 64
"""Windows that go through the model together, most of them copies: few large passes are quicker than many small."""
NOTHING = 1e-6
"""A change of outputs below this is rounding of float32."""


def spans_of(steps: int, most: int) -> list[tuple[int, int]]:
    """A window in equal spans, first step and the one after the last: single steps if there are at most ``most``.

    Example:
        >>> spans_of(7, 3)
        [(0, 3), (3, 6), (6, 7)]
    """
    length = -(-steps // most)
    return [(first, min(first + length, steps)) for first in range(0, steps, length)]


def occluded(batch: Batch, spans: Sequence[tuple[int, int]]) -> Batch:
    """The batch once for each span, below one another, without any modality there; the steps stay to be looked at.

    Only what a model reads is repeated; the targets stay those of the batch.
    """
    n, B = len(spans), len(batch.valid_BT)
    present_BTM = batch.present_BTM.repeat(n, 1, 1)
    values = {name: x_BTF.repeat(n, 1, 1) for name, x_BTF in batch.values.items()}
    for i, (first, last) in enumerate(spans):
        for x in (present_BTM, *values.values()):
            x[i * B : (i + 1) * B, first:last] = 0
    valid_BT, start_B = batch.valid_BT.repeat(n, 1), batch.start_B.repeat(n)
    return replace(batch, values=values, present_BTM=present_BTM, valid_BT=valid_BT, start_B=start_B)


def occlusion(model: MultimodalModel, batch: Batch, targets: Targets, spans: list[tuple[int, int]]) -> np.ndarray:
    """How far the outputs of every step move when a span of the input is taken away.

    Per parameter it is |Δ| of a continuous output, in training deviations, or the total variation between class
    probabilities; the mean over tracks and parameters. Changes that are mere rounding are 0.

    Shape: effect_BQJ, float64.

    Args:
        model: in the state in which it predicts. batch: on its device.
    """
    at_once = max(1, ROWS // len(batch.valid_BT))
    moved: list[Tensor] = []
    with torch.inference_mode():
        whole_BQKO = model(batch)
        for at in range(0, len(spans), at_once):
            some = spans[at : at + at_once]
            changed = model(occluded(batch, some)).unflatten(0, (len(some), -1))
            moved += [distance(whole_BQKO, one_BQKO, targets) for one_BQKO in changed]
    effect_BQJ = torch.stack(moved, -1).double().cpu().numpy()
    return np.where(effect_BQJ < NOTHING, 0.0, effect_BQJ)


def distance(a_BQKO: Tensor, b_BQKO: Tensor, targets: Targets) -> Tensor:
    """Between two predictions, (B, Q); see :func:`occlusion`."""
    layout = layout_of(targets)
    parts = []
    for p, first in enumerate(layout.first):
        if p in layout.continuous:
            parts.append((a_BQKO[..., first] - b_BQKO[..., first]).abs())
        else:
            at = slice(first, first + layout.classes(p))
            parts.append((a_BQKO[..., at].softmax(-1) - b_BQKO[..., at].softmax(-1)).abs().sum(-1) / 2)
    return torch.stack(parts).mean((0, -1))


def gradient_times_input(model: MultimodalModel, batch: Batch, asked: list[int], draws: int, repeat: int) -> np.ndarray:
    """How far each input step takes part in the outputs of some steps, to first order.

    |Σ_f x_f ∂y/∂x_f| over all features of all modalities at a step, where y is a sum of the outputs with random signs.
    The result is the root mean square over several such sums, because outputs could cancel in one. x is measured from
    the training mean, which is 0. Values below a millionth of the largest are rounding and become 0.

    Shape: part_BAT for A asked steps.

    Args:
        model: in the state in which it predicts; its parameters are left as they are. batch: on its device.
        asked: steps whose outputs are asked, [0] where targets belong to items. draws: signed sums.
        repeat: with the draw it decides the signs.
    """
    values = {name: batch.values[name].clone().requires_grad_() for name in model.modalities}
    inputs = list(values.values())
    present_BTM = batch.present_BTM[..., [batch.modalities.index(name) for name in model.modalities]]
    with torch.enable_grad():
        outputs_BQKO = model(replace(batch, values=values, present_BTM=present_BTM))
        parts = []
        for draw in range(draws):
            signs = generator(repeat, "attention/signs", index=draw).choice([-1.0, 1.0], outputs_BQKO.shape[2:])
            sums_BQ = (outputs_BQKO * torch.as_tensor(signs).to(outputs_BQKO)).sum((2, 3))
            for q in asked:
                gradients = torch.autograd.grad(sums_BQ[:, q].sum(), inputs, retain_graph=True)
                products = [(g * x).sum(-1) for g, x in zip(gradients, inputs, strict=True)]
                parts.append(torch.stack(products).sum(0).detach())
    B, T = batch.valid_BT.shape
    squares = torch.stack(parts).double().square().view(draws, len(asked), B, T)
    part_BAT = squares.mean(0).sqrt().transpose(0, 1).cpu().numpy()
    return np.where(part_BAT < NOTHING * part_BAT.max(-1, keepdims=True), 0.0, part_BAT)
