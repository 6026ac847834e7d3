"""How gradients become steps: optimiser, learning rate over the steps, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmcore.compiler import keep_compiler_out
from mmcore.config import Adam, AdamW, Constant, Cosine, Optimiser, Schedule


def build_optimiser(config: Optimiser, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters, one fused pass a step."""
    match config:
        case Adam():
            return torch.optim.Adam(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        case AdamW():
            return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def take_step(optimiser: torch.optim.Optimizer) -> None:
    """One step of an optimiser of :func:`build_optimiser`, without what torch does around its kernel in Python.

    The kernel, its inputs and its results are the same to the bit. What torch adds (hooks, profiling, grouping by
    device, a kernel for the count of each parameter's steps) takes longer than the kernel itself in a small model.
    """
    aten = torch.ops.aten
    with torch.no_grad():
        for group in optimiser.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if any(p.grad is not None and p.grad.is_sparse for p in parameters):
                # Refuses it in torch's own words.
                optimiser.step()
            if not parameters:
                continue
            states = [optimiser.state[p] for p in parameters]
            for p, state in zip(parameters, states, strict=True):
                if not state:
                    state.update(first_state(p))
            _count_step(states)
            kernel = aten._fused_adamw_ if group["decoupled_weight_decay"] else aten._fused_adam_
            kernel(
                parameters,
                [p.grad for p in parameters if p.grad is not None],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )


def _count_step(states: list[dict[str, Tensor]]) -> None:
    """One more step for each of these, as one kernel: from the first time on, their counts are views of one tensor."""
    together = states[0]["step"]._base
    if together is None or len(together) != len(states) or any(s["step"]._base is not together for s in states):
        together = torch.stack([state["step"] for state in states])
        for state, steps in zip(states, together, strict=True):
            state["step"] = steps
    together += 1


def first_state(parameter: nn.Parameter) -> dict[str, Tensor]:
    """What torch's fused Adam keeps of a parameter before its first step."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
    }


for _name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
    keep_compiler_out(getattr(torch.optim.Optimizer, _name))


def learning_rate_at(step: int, steps_total: int, steps_per_epoch: int, schedule: Schedule, peak: float) -> float:
    """The learning rate of one optimiser step, a pure function of the step.

    Cosine: a linear warm-up from peak/W at step 1 to the peak at step W, W being the warm-up rounded to whole steps;
    then half a cosine, which never rises and ends exactly at the floor at the last step. A warm-up as long as the
    training or longer is cut so that the last step remains for the floor; a training of one step is at the floor.
    A cosine that begins at the first step has the same length, so it reaches the floor W steps before the end and then
    rises again; over the first W steps, the lower of cosine and warm-up is used.

    Args:
        step: 1 … steps_total, over all epochs.
        steps_total: steps of the whole training as planned; early stopping does not change the schedule.
        steps_per_epoch: turns the warm-up into steps.
        schedule: its floor is not above the peak (the config refuses that).
        peak: the highest learning rate.
    """
    match schedule:
        case Constant():
            return peak
        case Cosine():
            warmup = min(round(schedule.warmup_epochs * steps_per_epoch), steps_total - 1)
            length = steps_total - warmup
            line = peak * (step / warmup) if step <= warmup else peak
            match schedule.begins:
                case "after_warmup":
                    return line if step <= warmup else _half_cosine((step - warmup) / length, schedule.floor, peak)
                case "first_step":
                    return min(line, _half_cosine(step / length, schedule.floor, peak))


def _half_cosine(done: float, floor: float, peak: float) -> float:
    return floor + (peak - floor) * 0.5 * (1.0 + math.cos(math.pi * done))


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The L2 norm of all gradients together, a scalar tensor: NaN or Inf if any of them is not finite."""
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float, limit: float | None) -> bool:
    """Scale the gradients down to ``limit`` where ``norm``, computed before, exceeds it; whether that was so.

    Source: Pascanu et al. 2013, algorithm 1.
    """
    if limit is None or norm <= limit:
        return False
    nn.utils.clip_grads_with_norm_(parameters, limit, torch.tensor(norm))
    return True
