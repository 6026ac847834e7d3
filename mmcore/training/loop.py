"""Training: epochs of steps, checkpoints between them, the best epoch on validation items kept.

B batch, P parameters.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from mmcore.atomic import write_atomically
from mmcore.config import RunConfig, TrainingConfig
from mmcore.data.augmentation import build_augmenter
from mmcore.data.loader import Loader
from mmcore.errors import TrainingDiverged
from mmcore.events import EpochDone, Note, OnEvent, Progress
from mmcore.language import say
from mmcore.model.multimodal import MultimodalModel
from mmcore.seeding import generator, seed_of
from mmcore.training.checkpoint import UnreadableCheckpoint, load_checkpoint, save_checkpoint
from mmcore.training.losses import Layout
from mmcore.training.metrics import sum_of_known
from mmcore.training.objective import Objective
from mmcore.training.optimiser import build_optimiser, clip_gradients, gradient_norm, learning_rate_at, take_step
from mmcore.training.selection import Selection
from mmcore.training.tally import Tally
from mmcore.training.weighting import Step, Weighting

SECONDS_BETWEEN_PROGRESS = 0.25
SECONDS_BETWEEN_CHECKPOINTS = 1.0
"""What a killed training loses, besides the epoch in which it was. Short epochs would often wait for the disk."""


@dataclass
class State:
    """Where a training stands. What is saved between epochs survives a kill: all but the times of this session.

    Args:
        epoch, step: done so far, over all sessions.
        best_epoch, best_value: the epoch that will be scored, and what it is worth to the selection, higher is better.
        stale: epochs since then.
        seconds: spent in earlier sessions. clock: when this session began. reported: when progress was reported last.
        packed: runs that were trained with this one as one batch, itself included, at most; 0: always trained alone.
        saved_epoch: that of the checkpoint on the disk. saved_at: when it was written, or when this session began.
        best_weights: those of the best epoch while they are not on the disk.
    """

    model: MultimodalModel
    weighting: Weighting
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_value: float = -math.inf
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    clock: float = field(default_factory=time.monotonic)
    reported: float = -math.inf
    packed: int = 0
    saved_epoch: int = 0
    saved_at: float = field(default_factory=time.monotonic)
    best_weights: dict[str, Tensor] | None = None

    def elapsed(self) -> float:
        """Seconds of training over all sessions."""
        return self.seconds + time.monotonic() - self.clock

    def pause(self) -> None:
        """Keep the time so far, and begin to count anew: what lies between this and a new ``clock`` can be left out."""
        self.seconds, self.clock = self.elapsed(), time.monotonic()

    def stopped_early(self, config: TrainingConfig) -> bool:
        """Whether patience ended it before the last epoch."""
        return self.epoch < config.epochs and config.patience is not None and self.stale >= config.patience

    def finished(self, config: TrainingConfig) -> bool:
        """Whether no epoch is left to train."""
        return self.epoch >= config.epochs or self.stopped_early(config)


_SAVED = ("epoch", "step", "best_epoch", "best_value", "stale", "history")


def start_or_resume(
    model: MultimodalModel, weighting: Weighting, config: RunConfig, fingerprint: str, folder: Path, on_event: OnEvent
) -> State:
    """A fresh training, or the one that ``folder/checkpoints/last.pt`` holds.

    A note reports a damaged checkpoint, and training starts again from epoch 0.

    Raises:
        CheckpointError: the checkpoint belongs to another run.
    """
    state = State(model, weighting, build_optimiser(config.training.optimiser, model.parameters()))
    path = folder / "checkpoints" / "last.pt"
    if not path.exists():
        return state
    try:
        parts = ("model", "optimiser", "weighting", "seconds", *_SAVED)
        saved = load_checkpoint(path, fingerprint, next(model.parameters()).device, parts)
        if saved["best_epoch"]:
            # It will be scored in the end, and what it holds cannot be trained from here.
            load_checkpoint(path.with_name("best.pt"), fingerprint, torch.device("cpu"))
    except UnreadableCheckpoint as error:
        on_event(Note(say("{why}. Training starts again from epoch 0", why=error.message)))
        return state
    model.load_state_dict(saved["model"])
    state.optimiser.load_state_dict(saved["optimiser"])
    state.weighting.load_state(saved["weighting"])
    for name in _SAVED:
        setattr(state, name, saved[name])
    state.seconds, state.packed, state.saved_epoch = saved["seconds"], saved.get("packed", 0), state.epoch
    on_event(Note(say("resumed after epoch {epoch} of {epochs}", epoch=state.epoch, epochs=config.training.epochs)))
    return state


def train(
    state: State,
    loader: Loader,
    validate: Callable[[], Tally],
    selection: Selection,
    config: RunConfig,
    objective: Objective,
    fingerprint: str,
    folder: Path,
    on_event: OnEvent,
    watch: Callable[[], Mapping[str, float]] = dict,
) -> None:
    """Train until the last epoch, or until patience ends it; ``state`` moves on in place.

    Checkpoints are written after the last epoch, after an epoch at which ``on_event`` ends the training, and else when
    :data:`SECONDS_BETWEEN_CHECKPOINTS` have passed.

    Args:
        loader: training windows.
        validate: scores the model, as it is at this moment, on the validation split.
        selection: which epoch is the best one.
        objective: what is minimised.
        watch: called at the end of an epoch for more columns of its history row; they decide nothing.

    Raises:
        TrainingDiverged: NaN or Inf in a loss or a gradient.
    """
    if selection.note is not None and not state.finished(config.training):
        on_event(Note(selection.note))
    while not state.finished(config.training):
        began = time.monotonic()
        row = train_epoch(state, loader, config, objective, on_event)
        judge_epoch(state, row, validate(), selection)
        row |= watch()
        row["seconds"] = time.monotonic() - began
        end_epoch(state, row, config, fingerprint, folder, on_event)


def judge_epoch(state: State, row: dict[str, float], tally: Tally, selection: Selection) -> None:
    """Add what the epoch is worth on validation items to its history row, and see whether it is the best one so far.

    Raises:
        TrainingDiverged: a validation loss is not finite.
    """
    validation = selection.judge(tally, state.epoch)
    row |= validation.columns
    _refuse_infinite_validation(validation.losses, selection.losses, state)
    if validation.value > state.best_value:
        state.best_epoch, state.best_value, state.stale = state.epoch, validation.value, 0
    else:
        state.stale += 1


def end_epoch(
    state: State, row: dict[str, float], config: RunConfig, fingerprint: str, folder: Path, on_event: OnEvent
) -> None:
    """Append an epoch's row to the history, write what is due, and tell of it. Where the one who hears of it ends the
    training, nothing of the epoch is lost."""
    checkpoints = folder / "checkpoints"
    state.history.append(row)
    every = config.training.checkpoint_every
    if every is not None and state.epoch % every == 0:
        save_checkpoint(checkpoints / f"epoch_{state.epoch:04d}.pt", _weights(state, fingerprint))
    if state.finished(config.training) or time.monotonic() - state.saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
        save_state(state, config, fingerprint, folder)
    elif state.best_epoch == state.epoch:
        state.best_weights = {name: weight.clone() for name, weight in state.model.state_dict().items()}
    try:
        on_event(EpochDone(state.epoch, config.training.epochs, row))
    except BaseException:
        if state.saved_epoch != state.epoch:
            save_state(state, config, fingerprint, folder)
        raise


def save_state(state: State, config: RunConfig, fingerprint: str, folder: Path) -> None:
    """Write history and checkpoints of an epoch that has just ended.

    The checkpoint of the last epoch is without the optimiser's state: two numbers a weight, for further epochs alone.
    """
    checkpoints = folder / "checkpoints"
    weights = _weights(state, fingerprint)
    if state.best_epoch == state.epoch:
        save_checkpoint(checkpoints / "best.pt", weights)
    elif state.best_weights is not None:
        best = {"epoch": state.best_epoch, "model": state.best_weights}
        save_checkpoint(checkpoints / "best.pt", weights | best)
    write_history(folder / "history.json", state.history)
    save_checkpoint(checkpoints / "last.pt", weights | _resumable(state, config.training))
    state.best_weights, state.saved_epoch, state.saved_at = None, state.epoch, time.monotonic()


def _weights(state: State, fingerprint: str) -> dict[str, object]:
    return {"fingerprint": fingerprint, "epoch": state.epoch, "model": state.model.state_dict()}


def train_epoch(
    state: State, loader: Loader, config: RunConfig, objective: Objective, on_event: OnEvent
) -> dict[str, float]:
    """One pass over the training windows in this epoch's order, ``steps_per_epoch`` batches at most; returns the
    training columns of its history row. Their losses are plain ones, whatever is minimised."""
    training, repeat, epoch = config.training, config.repeat, state.epoch + 1
    parameters = list(state.model.parameters())
    device = parameters[0].device
    layout = objective.layout
    rng = torch.Generator(device)
    sums_P, counts_P = torch.zeros(2, len(layout.targets.parameters), device=device)
    norms: list[float] = []
    clipped, rate = 0, 0.0
    steps = min(len(loader), training.steps_per_epoch or len(loader))
    steps_total, peak = training.epochs * steps, training.optimiser.learning_rate

    order = generator(repeat, "order", epoch).permutation(loader.windows)[: steps * training.batch]
    augment = build_augmenter(config.augmentation, loader.prepared.schema, repeat, epoch)
    for step, batch in enumerate(loader.batches(order, augment), start=1):
        rate = learning_rate_at(state.step + 1, steps_total, steps, training.schedule, peak)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        rng.manual_seed(seed_of(repeat, "dropout", epoch, step))
        batch = batch.to(device)
        losses = objective(state.model(batch, rng), batch)
        for parameter in parameters:
            parameter.grad = None
        state.weighting.backward(Step(losses.trained_P, losses.counts_P, epoch, step, rate))
        loss_P = losses.trained_P.detach()
        # One transfer from the device for both checks.
        loss_value, norm = torch.stack([loss_P.sum(), gradient_norm(parameters)]).tolist()
        if not (math.isfinite(loss_value) and math.isfinite(norm)):
            raise divergence_of(state, layout, loss_P, epoch)
        clipped += clip_gradients(parameters, norm, training.clip_norm)
        take_step(state.optimiser)
        state.step += 1
        norms.append(norm)
        sums_P += losses.sums_P
        counts_P += losses.counts_P
        if time.monotonic() - state.reported >= SECONDS_BETWEEN_PROGRESS:
            state.reported = time.monotonic()
            on_event(Progress(epoch, training.epochs, step, steps))
    state.epoch = epoch
    return training_row(state, layout, rate, norms, clipped, sums_P, counts_P)


def training_row(
    state: State, layout: Layout, rate: float, norms: list[float], clipped: int, sums_P: Tensor, counts_P: Tensor
) -> dict[str, float]:
    """The training columns of an epoch's history row.

    Args:
        state: after the epoch. rate: of the last step. norms: of each step's gradient. clipped: how many were.
        sums_P, counts_P: plain losses and counted targets of all steps.
    """
    row = {
        "epoch": state.epoch,
        "steps": state.step,
        "learning_rate": rate,
        "gradient_norm": sum(norms) / len(norms),
        "gradient_norm_max": max(norms),
        "clipped": clipped / len(norms),
    }
    return row | _loss_columns("train", _component_means(layout, sums_P, counts_P)) | state.weighting.end_epoch()


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """The history as JSON, NaN as null, in one atomic step."""
    rows = [{k: None if math.isnan(v) else v for k, v in row.items()} for row in history]
    text = json.dumps(rows, indent=1, allow_nan=False)
    write_atomically(path, lambda file: file.write(text.encode()))


def _resumable(state: State, config: TrainingConfig) -> dict[str, object]:
    saved = {name: getattr(state, name) for name in _SAVED}
    optimiser = state.optimiser.state_dict()
    if state.finished(config):
        optimiser |= {"state": {}}
    parts = {"optimiser": optimiser, "weighting": state.weighting.state()}
    packed = {"packed": state.packed} if state.packed else {}
    return {**saved, **parts, **packed, "seconds": state.elapsed()}


def _component_means(layout: Layout, sums_P: Tensor, counts_P: Tensor) -> dict[str, float]:
    losses = {}
    sums, counts = sums_P.tolist(), counts_P.tolist()
    for name, members in layout.membership.items():
        known = [sums[p] / counts[p] for p in members if counts[p]]
        losses[name] = sum(known) if known else math.nan
    return losses


def _loss_columns(split: str, losses: Mapping[str, float]) -> dict[str, float]:
    columns = {f"{split}/loss": sum_of_known([*losses.values()])}
    return columns | {f"{split}/loss/{c}": value for c, value in losses.items()}


def divergence_of(state: State, layout: Layout, loss_P: Tensor, epoch: int) -> TrainingDiverged:
    """What is not finite in a step, by the loss of each parameter and the gradients that the model has."""
    for p, value in enumerate(loss_P.tolist()):
        if not math.isfinite(value):
            parameter = layout.targets.parameters[p]
            return _divergence("a training loss", f"{value} for {parameter.name}", parameter.component, epoch, state)
    for name, weight in state.model.named_parameters():
        if weight.grad is not None and not torch.isfinite(weight.grad).all():
            return _divergence("a gradient", f"NaN or Inf in {name}", name.partition(".")[0], epoch, state)
    return _divergence("the gradient norm", "a sum of squares beyond float32", "all", epoch, state)


def _refuse_infinite_validation(losses: Mapping[str, float], naive: Mapping[str, float], state: State) -> None:
    """Where nothing counts in a component, the baselines have NaN, too; any other NaN or Inf comes from the model."""
    for component, value in losses.items():
        if not math.isfinite(value) and not math.isnan(naive[component]):
            raise _divergence("a validation loss", str(value), component, state.epoch, state, step=state.step)


def _divergence(
    what: str, found: str, component: str, epoch: int, state: State, step: int | None = None
) -> TrainingDiverged:
    return TrainingDiverged(
        f"{what} is not finite",
        epoch=epoch,
        step=state.step + 1 if step is None else step,
        component=component,
        found=found,
        next_step="Lower training.optimiser.learning_rate, or set training.clip_norm",
    )
