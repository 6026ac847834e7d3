"""A weighting of the user's. C components."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmcore.config import Custom
from mmcore.errors import ConfigError, PartError
from mmcore.own_code import construct, load_class, named_inputs
from mmcore.training.weighting.base import Components, Step, Weighting

INPUTS = ("losses", "counted", "start", "epoch", "step")
"""What a weighting may name when it is called: losses (C,), which have targets (C,), starting weights (C,) …"""


class CustomWeighting(Weighting):
    """Asks an object of the user's for the weights of each step, and scales them to the constant sum.

    Its constructor may name ``components``, ``repeat`` and what stands in ``args``. It is called with those of
    :data:`INPUTS` that it names, without gradients, and returns one weight for each component, at least 0. An object
    with ``state_dict`` and ``load_state_dict`` is saved after each epoch, so that a resumed run goes on from there.

    Args:
        part: names the class. repeat: of the run.

    Raises:
        ConfigError: the class cannot be used.
    """

    def __init__(self, components: Components, part: Custom, repeat: int) -> None:
        super().__init__(components)
        self.reference = part.class_
        self.made: Any = construct(load_class(part), part, {"components": components.names, "repeat": repeat})
        if not callable(self.made):
            raise ConfigError(f"{part.class_} must be callable", expected=f"__call__ with some of {', '.join(INPUTS)}")
        self.inputs = named_inputs(self.made, f"the call of {part.class_}", INPUTS)

    def weights(self, step: Step) -> Tensor:
        given = {
            "losses": self.by_component(step.loss_P.detach()),
            "counted": self.counted(step),
            "start": self.start_C.clone(),
            "epoch": step.epoch,
            "step": step.index,
        }
        with torch.no_grad():
            found = self.made(**{name: given[name] for name in self.inputs})
        weight_C = torch.as_tensor(found, dtype=self.start_C.dtype, device=self.start_C.device)
        active_C = weight_C[self.active_C] if weight_C.shape == self.start_C.shape else None
        if active_C is None or not active_C.isfinite().all() or (active_C < 0).any() or not active_C.any():
            raise PartError(
                f"{self.reference} must return one weight for each component, at least 0 and not all 0",
                expected=f"({len(self.names)},): {', '.join(self.names)}",
                found=str(weight_C.tolist()),
            )
        return self.scaled(weight_C)

    def state(self) -> dict[str, object]:
        return dict(self.made.state_dict()) if hasattr(self.made, "state_dict") else {}

    def load_state(self, state: dict[str, Any]) -> None:
        if hasattr(self.made, "load_state_dict"):
            self.made.load_state_dict(state)
