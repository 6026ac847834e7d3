"""The training loop of several runs as one model: :mod:`mmcore.training.loop` for R members at once.

Each member keeps its own data, order, draws, learning rate, clipping, weighting, selection, patience, history and
checkpoints. What they share is the forward and backward pass, so that R members cost about as many kernels as one.
What a member's own code raises ends that member alone.

R members, B rows, T steps, K tracks, P parameters of the targets, O outputs per track.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from mmcore.batch import Batch
from mmcore.data.augmentation import build_augmenter
from mmcore.events import Note, Progress
from mmcore.packing.batches import Stacked, batch_of, stacked
from mmcore.packing.draws import Drawn, Form, Recorded, draw
from mmcore.packing.kernels import OneKernelEach
from mmcore.packing.member import Member
from mmcore.packing.passes import read_together
from mmcore.packing.stack import Stack
from mmcore.seeding import generator, seed_of
from mmcore.training.loop import (
    SECONDS_BETWEEN_PROGRESS,
    divergence_of,
    end_epoch,
    judge_epoch,
    training_row,
)
from mmcore.training.objective import Objective
from mmcore.training.optimiser import learning_rate_at
from mmcore.training.tally import Tally
from mmcore.training.weighting import Step
from mmcore.training.weighting.fixed import Fixed


def train_packed(members: Sequence[Member]) -> Iterator[dict[int, Exception | None]]:
    """Train several runs as one batch.

    Members may stand at different epochs, as after a kill, and have different numbers of steps.

    Args:
        members: of one :func:`mmcore.packing.allowed.shape_of` on one corpus, none of which
            :func:`mmcore.packing.allowed.why_alone` objects to.

    Yields:
        Members whose training ended at once: by their place among ``members`` what ended each early. None where it is
        done, :class:`mmcore.errors.TrainingDiverged` where it diverged, or what its own code raised.

    Raises:
        torch.OutOfMemoryError: the pack is too large for the device; each member goes on from its last checkpoint.
    """
    for member in members:
        # The time that it waited for the others to be opened is theirs.
        member.state.clock = time.monotonic()
        # Batches are put together here and sent as one, not picked on the device by each member.
        member.loader.keep()
        if member.selection.note is not None and not member.finished:
            member.on_event(Note(member.selection.note))
    live = [*range(len(members))]
    ended: dict[int, Exception] = {}
    pack: Pack | None = None
    while live:
        over = {r: ended.get(r) for r in live if r in ended or members[r].finished}
        if over:
            live = [r for r in live if r not in over]
            pack = None
            for r in over:
                members[r].state.clock = time.monotonic()
            yield over
        if len(live) == 1:
            (last,) = live
            members[last].state.clock = time.monotonic()
            try:
                members[last].train()
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                ended[last] = error
        elif live:
            with members[0].computing():
                pack = pack or Pack([members[r] for r in live])
                ended |= {live[r]: error for r, error in pack.epoch().items()}


@dataclass(eq=False)
class _Epoch:
    """A member's way through one epoch."""

    member: Member
    number: int
    steps: int
    batches: Iterator[Batch]
    rate: float = 0.0
    clipped: int = 0
    norms: list[float] = field(default_factory=list)

    @property
    def peak(self) -> float:
        """The highest learning rate."""
        return self.member.config.training.optimiser.learning_rate

    def begin_step(self) -> None:
        """Set the learning rate of the next step."""
        state, training = self.member.state, self.member.config.training
        total = training.epochs * self.steps
        self.rate = learning_rate_at(state.step + 1, total, self.steps, training.schedule, self.peak)

    def tell(self, step: int) -> None:
        """Report progress, not too often."""
        state, now = self.member.state, time.monotonic()
        if now - state.reported >= SECONDS_BETWEEN_PROGRESS:
            state.reported = now
            self.member.on_event(Progress(self.number, self.member.config.training.epochs, step, self.steps))


def _begin(member: Member) -> _Epoch:
    training, repeat, loader = member.config.training, member.config.repeat, member.loader
    number = member.state.epoch + 1
    steps = min(len(loader), training.steps_per_epoch or len(loader))
    order = generator(repeat, "order", number).permutation(loader.windows)[: steps * training.batch]
    augment = build_augmenter(member.config.augmentation, loader.prepared.schema, repeat, number)
    return _Epoch(member, number, steps, loader.batches(order, augment))


class Pack:
    """The members that are trained together now.

    Args:
        members: on one device, with equal names and shapes of parameters.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        self.model = members[0].state.model
        self.device = next(self.model.parameters()).device
        self.layout = members[0].objective.layout
        self.component_P = members[0].state.weighting.component_P
        names = members[0].objective.class_weights
        self.class_weights = {
            p: torch.stack([m.objective.class_weights[p] for m in members]).to(self.device) for p in names
        }
        self._stack: Stack | None = None
        self._forms: tuple[Form, ...] = ()
        self._form_rows = 1

    def epoch(self) -> dict[int, Exception]:
        """One epoch of every member, with validation and checkpoints; what ended members, by their place."""
        began = time.monotonic()
        failed: dict[int, Exception] = {}
        rows = self.train(failed)
        if not rows:
            return failed
        tallies = self._validate(failed)
        if not tallies:
            return failed
        for r, tally in tallies.items():
            try:
                self._close(self.members[r], rows[r], tally, (time.monotonic() - began) / len(tallies))
            except Exception as error:
                failed[r] = error
        return failed

    def train(self, failed: dict[int, Exception]) -> dict[int, dict[str, float]]:
        """One pass of every member over its training windows; their history rows, by the members' places.

        Args:
            failed: is told what ended members, by their places.
        """
        epochs = [_begin(member) for member in self.members]
        sums_RP, counts_RP = torch.zeros(2, len(epochs), len(self.layout.targets.parameters), device=self.device)
        for step in range(1, 1 + max(epoch.steps for epoch in epochs)):
            batches = [self._next(r, epoch, step, failed) for r, epoch in enumerate(epochs)]
            if any(batch is not None for batch in batches):
                self._step(epochs, step, batches, failed, sums_RP, counts_RP)
        rows: dict[int, dict[str, float]] = {}
        if len(failed) == len(epochs):
            return rows
        self.stack.give_back()
        for r, epoch in enumerate(epochs):
            if r not in failed:
                state = epoch.member.state
                state.epoch, state.packed = epoch.number, max(state.packed, len(epochs))
                about = (epoch.rate, epoch.norms, epoch.clipped, sums_RP[r], counts_RP[r])
                rows[r] = training_row(state, self.layout, *about)
        return rows

    @property
    def stack(self) -> Stack:
        """The parameters; there once a batch was seen."""
        assert self._stack is not None
        return self._stack

    def _next(self, r: int, epoch: _Epoch, step: int, failed: dict[int, Exception]) -> Batch | None:
        if r in failed or step > epoch.steps:
            return None
        try:
            return next(epoch.batches)
        except Exception as error:
            failed[r] = error
            return None

    def _step(
        self,
        epochs: Sequence[_Epoch],
        step: int,
        batches: Sequence[Batch | None],
        failed: dict[int, Exception],
        sums_RP: Tensor,
        counts_RP: Tensor,
    ) -> None:
        """A step of the optimiser for the members that have a batch."""
        there = [r for r, batch in enumerate(batches) if batch is not None]
        found = stacked(batches, self.device)
        if self._stack is None:
            self._see(found, there[0])
        for r in there:
            epochs[r].begin_step()
        trained_RP, plain_RP, counted_RP = self._losses(found, batches, epochs, step)
        weight_RP = self._weights(trained_RP, counted_RP, epochs, step, there)
        gradients = torch.autograd.grad((trained_RP * weight_RP).sum(), [*self.stack.parameters.values()])
        norm_R = self.stack.take(gradients)
        # One transfer from the device for both checks of all members.
        losses, norms = torch.stack([trained_RP.detach().sum(1), norm_R]).tolist()
        for r in there:
            if not (math.isfinite(losses[r]) and math.isfinite(norms[r])):
                self.stack.show_gradients(r)
                state = self.members[r].state
                failed[r] = divergence_of(state, self.layout, trained_RP[r].detach(), epochs[r].number)
        going = [r for r in there if r not in failed]
        limit_R = [math.inf] * len(epochs)
        for r in going:
            own = self.members[r].config.training.clip_norm
            if own is not None and norms[r] > own:
                limit_R[r] = own
                epochs[r].clipped += 1
        self.stack.clip(norm_R, limit_R)
        self.stack.step(going, [epochs[r].rate for r in going])
        sums_RP += plain_RP
        counts_RP += counted_RP
        for r in going:
            epochs[r].member.state.step += 1
            epochs[r].norms.append(norms[r])
            try:
                epochs[r].tell(step)
            except Exception as error:
                failed[r] = error

    def _see(self, found: Stacked, first: int) -> None:
        """Learn from a first batch which masks the model asks for, and which parameters the loss reaches."""
        member = self.members[first]
        one = batch_of(_of_member(found, first))
        asked = Recorded()
        losses = member.objective(member.state.model(one, asked), one)
        named = dict(member.state.model.named_parameters())
        reached = torch.autograd.grad(losses.trained_P.sum(), [*named.values()], allow_unused=True)
        names = [name for name, gradient in zip(named, reached, strict=True) if gradient is not None]
        models, optimisers = zip(*((m.state.model, m.state.optimiser) for m in self.members), strict=True)
        self._stack = Stack(models, optimisers, names)
        self._forms, self._form_rows = self._asked(one, {self._rates(first): asked.forms}), len(one.item_B)

    def _rates(self, r: int) -> tuple[float, float]:
        model = self.members[r].config.model
        return model.dropout, model.attention_dropout

    def _asked(self, batch: Batch, seen: dict[tuple[float, float], list[Form]]) -> tuple[Form, ...]:
        """The masks that the models ask for, with the rates of each member; models of the same rates ask alike."""
        for r, member in enumerate(self.members):
            if self._rates(r) not in seen:
                asked = Recorded()
                with torch.no_grad():
                    member.state.model(batch, asked)
                seen[self._rates(r)] = asked.forms
        of_R = [seen[self._rates(r)] for r in range(len(self.members))]
        return tuple(
            replace(alike[0], rate_R=tuple(form.rate_R[0] for form in alike)) for alike in zip(*of_R, strict=True)
        )

    def _losses(
        self, found: Stacked, batches: Sequence[Batch | None], epochs: Sequence[_Epoch], step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Trained losses, sums of plain losses and counted targets, (R, P) each."""
        rows_R = [0 if batch is None else len(batch.item_B) for batch in batches]
        rows = max(rows_R)
        forms = [form.with_rows(rows, self._form_rows) for form in self._forms]
        seeds = [seed_of(epoch.member.config.repeat, "dropout", epoch.number, step) for epoch in epochs]
        masks = draw(forms, rows, rows_R, seeds, self.device)
        objective = self.members[0].objective

        def one(
            parameters: dict[str, Tensor], found: Stacked, masks: list[Tensor], class_weights: dict[int, Tensor]
        ) -> tuple[Tensor, Tensor, Tensor]:
            batch = batch_of(found)
            outputs_BTKO = functional_call(self.model, parameters, (batch, Drawn(masks)))
            weighed = Objective(objective.config, objective.layout.targets, class_weights)
            losses = weighed(outputs_BTKO, batch)
            return losses.trained_P, losses.sums_P, losses.counts_P

        with OneKernelEach():
            return vmap(one)({**self.stack.parameters, **self.stack.fixed}, found, masks, self.class_weights)

    def _weights(
        self, trained_RP: Tensor, counts_RP: Tensor, epochs: Sequence[_Epoch], step: int, there: Sequence[int]
    ) -> Tensor:
        """The weight of each parameter's loss in this step, (R, P); a weighting that learns does so here."""
        of_R = []
        for r, epoch in enumerate(epochs):
            weighting = epoch.member.state.weighting
            if r in there and not isinstance(weighting, Fixed):
                about = Step(trained_RP[r], counts_RP[r], epoch.number, step, epoch.rate)
                of_R.append(weighting.used(weighting.weights(about)))
            else:
                of_R.append(weighting.start_C)
        return torch.stack(of_R)[:, self.component_P]

    def _validate(self, failed: dict[int, Exception]) -> dict[int, Tally]:
        """What each member does on its validation windows, by its place."""
        asked = {
            r: (member.validation, member.data.a_pass(member.selection.detailed))
            for r, member in enumerate(self.members)
            if r not in failed
        }
        read_together(self.model, {**self.stack.parameters, **self.stack.fixed}, asked, self.device, failed)
        with torch.inference_mode():
            return {r: found.result() for r, (_, found) in asked.items() if r not in failed}

    def _close(self, member: Member, row: dict[str, float], tally: Tally, seconds: float) -> None:
        """The end of a member's epoch: is it the best one, history, checkpoints."""
        state = member.state
        judge_epoch(state, row, tally, member.selection)
        row |= member.watch()
        # Of the time that all took together, its share.
        row["seconds"] = seconds
        state.seconds, state.clock = state.seconds + seconds, time.monotonic()
        end_epoch(state, row, member.config, member.fingerprint, member.folder, member.on_event)


def _of_member(found: Stacked, r: int) -> Stacked:
    return {
        name: each[r] if isinstance(each, Tensor) else {part: x[r] for part, x in each.items()}
        for name, each in found.items()
    }
