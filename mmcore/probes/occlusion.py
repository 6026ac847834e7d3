"""What the outputs of a model really depend on in time: spans of the input taken away, and gradient × input.

B batch, T steps, Q asked steps (T, or 1 where targets belong to items), J spans, M modalities, K tracks, P parameters,
O outputs per track.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.seeding import generator
from mmcore.training.losses import layout_of

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


def occluded(batch: Batch, first: int, last: int) -> Batch:
    """The batch without any modality at steps first … last − 1; the steps stay, and can be looked at."""
    present_BTM = batch.present_BTM.clone()
    present_BTM[:, first:last] = False
    values = {}
    for name, x_BTF in batch.values.items():
        values[name] = x_BTF.clone()
        values[name][:, first:last] = 0.0
    return replace(batch, values=values, present_BTM=present_BTM)


def occlusion(model: MultimodalModel, batch: Batch, targets: Targets, spans: list[tuple[int, int]]) -> np.ndarray:
    """How far the outputs of every step move when a span of the input is taken away.

    Per parameter it is |Δ| of a continuous output, in training deviations, or the total variation between class
    probabilities; the mean over tracks and parameters. Changes that are mere rounding are 0.

    Shape: effect_BQJ, float64.

    Args:
        model: in the state in which it predicts. batch: on its device.
    """
    with torch.inference_mode():
        whole = model(batch)
        moved = [distance(whole, model(occluded(batch, *span)), targets) for span in spans]
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

    |Σ_f x_f ∂y/∂x_f| over all features of all modalities at a step, for random signed sums y of the outputs, of which
    the root mean square is taken: in a single sum outputs could cancel. x is measured from the training mean, which is
    0. What is below a millionth of the largest is rounding, and 0.

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
