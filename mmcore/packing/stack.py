"""The parameters of several models as one tensor, with their optimiser.

Each member's numbers lie side by side in one row, so that clipping and the optimiser cost one kernel a member at most,
whatever the number of parameters.

R members, N numbers of a member's parameters that its loss reaches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from mmcore.training.optimiser import first_state

CLIP_EPSILON = 1e-6
"""What torch adds to a norm before it divides by it, see ``torch.nn.utils.clip_grads_with_norm_``."""


class Stack:
    """Parameters of R models of one shape.

    Args:
        models: with equal names and shapes of parameters, on one device.
        optimisers: Adam or AdamW of each; their state is taken over.
        reached: names of the parameters that have a gradient; the others stay as they are, without weight decay.
    """

    def __init__(
        self, models: Sequence[nn.Module], optimisers: Sequence[torch.optim.Optimizer], reached: Sequence[str]
    ) -> None:
        self._of_R = [dict(model.named_parameters()) for model in models]
        self._optimisers = list(optimisers)
        self.names = list(reached)
        shapes = [self._of_R[0][name].shape for name in self.names]
        ends = torch.tensor([0, *(shape.numel() for shape in shapes)]).cumsum(0).tolist()
        self._places = list(zip(ends, ends[1:], shapes, strict=False))
        like = next(iter(self._of_R[0].values()))
        self.value_RN = torch.empty(len(models), ends[-1], device=like.device)
        self.gradient_RN = torch.empty_like(self.value_RN)
        self._mean_RN, self._square_RN = torch.zeros_like(self.value_RN), torch.zeros_like(self.value_RN)
        self._steps_R = torch.zeros(len(models), device=like.device)
        with torch.no_grad():
            self._copy(into_members=False)
        self.parameters = {
            name: self.value_RN[:, a:b].view(-1, *shape).requires_grad_()
            for name, (a, b, shape) in zip(self.names, self._places, strict=True)
        }
        others = [name for name in self._of_R[0] if name not in self.parameters]
        self.fixed = {name: torch.stack([of[name].detach() for of in self._of_R]) for name in others}

    def take(self, gradients: Sequence[Tensor]) -> Tensor:
        """Keep the gradients of :attr:`parameters`; returns each member's L2 norm, (R,)."""
        torch.cat([each.flatten(1) for each in gradients], 1, out=self.gradient_RN)
        return torch.linalg.vector_norm(self.gradient_RN, dim=1)

    def clip(self, norm_R: Tensor, limit_R: Sequence[float]) -> None:
        """Scale the gradients of members down to their limits; infinity: as they are."""
        if all(map(math.isinf, limit_R)):
            return
        factor_R = torch.tensor(limit_R, device=norm_R.device) / (norm_R + CLIP_EPSILON)
        self.gradient_RN.mul_(factor_R.clamp_(max=1.0)[:, None])

    @torch.no_grad()
    def step(self, members: Sequence[int], rates: Sequence[float]) -> None:
        """One step of the optimiser for some members, each at its own learning rate and weight decay.

        Members for which these are equal share a kernel.
        """
        alike: dict[tuple[float, float, bool], list[int]] = {}
        for r, rate in zip(members, rates, strict=True):
            group = self._optimisers[r].param_groups[0]
            alike.setdefault((rate, group["weight_decay"], group["decoupled_weight_decay"]), []).append(r)
        for (rate, decay, decoupled), rows in alike.items():
            group = self._optimisers[rows[0]].param_groups[0]
            adam(
                [self.value_RN[r] for r in rows],
                [self.gradient_RN[r] for r in rows],
                [self._mean_RN[r] for r in rows],
                [self._square_RN[r] for r in rows],
                [],
                [self._steps_R[r] for r in rows],
                fused=True,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=rate,
                weight_decay=decay,
                eps=group["eps"],
                maximize=False,
                decoupled_weight_decay=decoupled,
            )

    @torch.no_grad()
    def give_back(self) -> None:
        """Bring parameters and optimisers of the members to where the stack is."""
        self._copy(into_members=True)

    def show_gradients(self, member: int) -> None:
        """Let a member's model have its gradients, for whoever looks for one that is not finite."""
        for name, (a, b, shape) in zip(self.names, self._places, strict=True):
            self._of_R[member][name].grad = self.gradient_RN[member, a:b].view(shape)

    def _copy(self, into_members: bool) -> None:
        for r, (of, optimiser) in enumerate(zip(self._of_R, self._optimisers, strict=True)):
            own = [of[name] for name in self.names]
            fresh = not optimiser.state
            if into_members and fresh:
                for parameter in own:
                    optimiser.state[parameter] = first_state(parameter)
            ours, theirs = self._cut(self.value_RN[r]), [p.data for p in own]
            if into_members or not fresh:
                states = [optimiser.state[p] for p in own]
                ours += self._cut(self._mean_RN[r]) + self._cut(self._square_RN[r])
                theirs += [s["exp_avg"] for s in states] + [s["exp_avg_sq"] for s in states]
                steps = [s["step"] for s in states]
                if into_members:
                    _copy(steps, [self._steps_R[r]] * len(steps))
                else:
                    self._steps_R[r] = steps[0]
            _copy(*((theirs, ours) if into_members else (ours, theirs)))

    def _cut(self, row_N: Tensor) -> list[Tensor]:
        return [row_N[a:b].view(shape) for a, b, shape in self._places]


def _copy(into: list[Tensor], of: list[Tensor]) -> None:
    # One kernel for many tensors; torch has no public name for it.
    torch._foreach_copy_(into, of)  # pyright: ignore[reportPrivateImportUsage]
