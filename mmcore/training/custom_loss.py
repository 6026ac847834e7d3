"""Losses of the user's: one for each parameter that they train. N counted targets of one parameter, C classes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from mmcore.config import Custom, LossConfig
from mmcore.errors import ConfigError, PartError
from mmcore.own_code import construct, load_class
from mmcore.schema import Parameter, Targets


class CustomLoss:
    """Calls a loss of the user's with the counted targets of one parameter.

    Its constructor may name ``parameter``, ``component``, ``kind``, ``classes`` (1 for continuous ones) and what stands
    in ``args``. It is called with ``(predicted, true)`` and returns the loss of each target, (N,): for continuous
    parameters both are (N,), in standard deviations of the target on training items; for classes ``predicted`` are
    logits (N, C) and ``true`` whole numbers (N,).

    Raises:
        ConfigError: the class cannot be used, or has parameters of its own, which nothing would train.
    """

    def __init__(self, part: Custom, parameter: Parameter) -> None:
        self.reference = part.class_
        self.continuous = parameter.kind == "continuous"
        offered = {
            "parameter": parameter.name,
            "component": parameter.component,
            "kind": parameter.kind,
            "classes": parameter.outputs,
        }
        self.made: Callable[[Tensor, Tensor], Tensor] = construct(load_class(part), part, offered)
        if not callable(self.made):
            raise ConfigError(f"{part.class_} must be callable", expected="def __call__(self, predicted, true)")
        if isinstance(self.made, nn.Module) and next(self.made.parameters(), None) is not None:
            raise ConfigError(
                f"{part.class_} has parameters, which nothing would train",
                next_step="Keep what it needs as buffers or numbers, or make it part of a model of your own",
            )

    def total(self, predicted_NO: Tensor, true_N: Tensor) -> Tensor:
        """The sum over the targets, a differentiable scalar; exactly 0 with zero gradient where there is none.

        Raises:
            PartError: the result is not one loss for each target.
        """
        if not len(true_N):
            return predicted_NO.sum() * 0.0
        if isinstance(self.made, nn.Module):
            self.made.to(predicted_NO.device)
        predicted = predicted_NO[..., 0] if self.continuous else predicted_NO
        found = self.made(predicted, true_N if self.continuous else true_N.long())
        if not isinstance(found, Tensor) or found.shape != true_N.shape:
            shown = str(tuple(found.shape)) if isinstance(found, Tensor) else type(found).__name__
            raise PartError(
                f"{self.reference} must return the loss of each target, a tensor (N) = ({len(true_N)},)",
                found=shown,
                next_step="Leave the mean to mmstudy: reduction='none'" if shown == "()" else None,
            )
        return found.sum()


def custom_losses(config: LossConfig, targets: Targets) -> dict[int, CustomLoss]:
    """The user's losses by parameter: for its component, else for its kind; {} where all are ours."""
    losses: dict[int, CustomLoss] = {}
    for p, parameter in enumerate(targets.parameters):
        of_kind = {"continuous": config.continuous, "binary": config.binary, "categorical": config.categorical}
        loss = config.by_component.get(parameter.component, of_kind[parameter.kind])
        if isinstance(loss, Custom):
            losses[p] = CustomLoss(loss, parameter)
    return losses
