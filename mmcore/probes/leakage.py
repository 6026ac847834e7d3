"""Does a model read what it must not, and would a copy of its input score?

Two questions to a trained model, on real windows:

- Does a prediction depend on what lies later? In a forecast the gradient of a prediction with respect to the inputs at
  later positions must be exactly 0. For reconstruct and label every step may be read.
- Does the input hold the answer? Copying the target's own features, as read at the same position, must not score. For
  a forecast that copy is persistence at best; for reconstruct it is the answer, which is why that task is leaky.

B batch, T steps, K tracks, P parameters, F raw features, O outputs per track.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import Forecast, Task
from mmcore.data.normalisation import Normaliser
from mmcore.facts import Leakage
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import CorpusSchema, Targets
from mmcore.skill import skill


def probe_leakage(
    model: MultimodalModel,
    batch: Batch,
    task: Task,
    schema: CorpusSchema,
    normaliser: Normaliser,
    placebo: Collection[str] = (),
) -> Leakage:
    """Ask both questions about a handful of windows.

    Args:
        model: on any device; its parameters and their gradients are left as they are.
        batch: windows as the loader made them, on the CPU.
        task: decides what is forbidden.
        schema, normaliser: with which the loader made them.
        placebo: modalities whose values in the windows are another item's: copying those is luck, and no leak.
    """
    forbidden = forbidden_gradient(model, batch) if isinstance(task, Forecast) else None
    reads = schema.targets.from_ in model.modalities and schema.targets.from_ not in placebo
    skills = copy_skills(batch, schema, normaliser) if reads else {}
    return Leakage(forbidden, max(skills.values(), default=None), len(batch.item_B))


def forbidden_gradient(model: MultimodalModel, batch: Batch) -> float:
    """Largest absolute gradient of a prediction at position t with respect to an input at a position after t.

    Each window is tested at one position of its own; these positions are spread over the valid steps. One backward
    pass does for all windows, because rows of a batch do not see each other; if they did, it would show as a leak, too.
    Where a modality is absent the model reads nothing, hence no gradient flows.
    """
    batch = batch.to(next(model.parameters()).device)
    values = {name: batch.values[name].clone().requires_grad_() for name in model.modalities}
    columns = [batch.modalities.index(name) for name in model.modalities]
    B, T = batch.valid_BT.shape
    device = batch.valid_BT.device
    steps_B = batch.valid_BT.sum(1)
    asked_B = steps_B * torch.arange(B, device=device) // B
    with torch.enable_grad():
        outputs_BTKO = model(replace(batch, values=values, present_BTM=batch.present_BTM[..., columns]))
        asked_BKO = outputs_BTKO[torch.arange(B, device=device), asked_B]
        # Uneven factors, so that outputs which a layer ties together cannot cancel.
        factor_KO = torch.linspace(1.0, 2.0, asked_BKO[0].numel(), device=device).view(asked_BKO.shape[1:])
        # A class of the user's may leave a modality unread.
        total = (asked_BKO * factor_KO).sum()
        gradients = torch.autograd.grad(total, list(values.values()), allow_unused=True, materialize_grads=True)
    later_BT1 = (torch.arange(T, device=device) > asked_B[:, None]).unsqueeze(-1)
    worst = [gradient_BTF.nan_to_num(nan=_HUGE).abs().masked_fill(~later_BT1, 0.0).max() for gradient_BTF in gradients]
    return torch.stack(worst).max().item()


def copy_skills(batch: Batch, schema: CorpusSchema, normaliser: Normaliser) -> dict[str, float]:
    """Skill by component of a predictor that copies the target's own features at each position, see :class:`Leakage`.

    Counted are targets that exist, whose own feature is there and whose previous value is known. A component is left
    out where nothing counts or no naive predictor errs.
    """
    targets = schema.targets
    copy_BTKP = _own_features(batch, schema, normaliser)
    present_BT11 = batch.present_BTM[..., batch.modalities.index(targets.from_), None, None]
    counted_BTKP = _counted(batch, targets) & batch.previous_valid_BTKP & present_BT11
    skills: dict[str, list[float]] = {}
    for p, parameter in enumerate(targets.parameters):
        counted = counted_BTKP[..., p]
        truth_N, copy_N, last_N = (x[..., p][counted] for x in (batch.target_BTKP, copy_BTKP, batch.previous_BTKP))
        if not len(truth_N):
            continue
        if parameter.kind == "continuous":
            errors = [(guess - truth_N).square().mean().item() for guess in (copy_N, last_N, truth_N.mean())]
        else:
            most = truth_N.mode().values
            errors = [(guess.round() != truth_N).double().mean().item() for guess in (copy_N, last_N, most)]
        if min(errors[1:]) > 0:
            skills.setdefault(parameter.component, []).append(skill(errors[0], min(errors[1:])))
    return {component: sum(values) / len(values) for component, values in skills.items()}


_HUGE = torch.finfo(torch.float32).max


def _own_features(batch: Batch, schema: CorpusSchema, normaliser: Normaliser) -> Tensor:
    """The target's own features as the model reads them, in the units of the target: (B, T, K, P)."""
    name = schema.targets.from_
    x_BTF = batch.values[name] * torch.from_numpy(normaliser.deviation[name]) + torch.from_numpy(normaliser.mean[name])
    place = {column: at for at, column in enumerate(schema.modalities[name].columns)}
    own_KP = torch.tensor([[place[column] for column in row] for row in schema.target_columns()])
    mean_P, deviation_P = (torch.from_numpy(v) for v in (normaliser.target_mean_P, normaliser.target_deviation_P))
    return (x_BTF[..., own_KP] - mean_P) / deviation_P


def _counted(batch: Batch, targets: Targets) -> Tensor:
    """Targets that exist and count: under ``when`` where the binary parameter is truly on."""
    names = [parameter.name for parameter in targets.parameters]
    counted_BTKP = batch.target_valid_BTKP.clone()
    for p, parameter in enumerate(targets.parameters):
        if parameter.when is not None:
            gate = names.index(parameter.when)
            counted_BTKP[..., p] &= (batch.target_BTKP[..., gate] > 0.5) & batch.target_valid_BTKP[..., gate]
    return counted_BTKP
