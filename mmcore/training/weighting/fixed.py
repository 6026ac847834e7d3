"""The weights of the config throughout."""

from __future__ import annotations

from torch import Tensor

from mmcore.training.weighting.base import Step, Weighting


class Fixed(Weighting):
    """``loss.weights``, scaled to the constant sum. They need no column in the history, as the config has them."""

    def weights(self, step: Step) -> Tensor:
        return self.start_C

    def end_epoch(self) -> dict[str, float]:
        return {}
