"""Late fusion of predictions.

B batch, T steps, M modalities, K tracks, P parameters, O outputs per track, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcore.model.precision import full
from mmcore.schema import Targets
from mmcore.trace import Trace


class DecisionFusion(nn.Module):
    """Σ_m w_mp ŷ_mp with w = softmax over the modalities that are there: a convex combination of predictions.

    Each parameter has weights of its own. With one weight for all parameters, a modality that is the only one to
    predict one of them well could count there no more than it counts everywhere. And a mixture of probabilities is
    never more certain than the total weight of its certain predictors.

    Continuous outputs are averaged. For classes, the probabilities are averaged; the output is their logarithm. Where
    no modality is usable all take part, each predicting from its absent state.

    Shape: M × outputs_BTKO, usable_BTM → outputs_BTKO. Trace: ``weights`` (M, P), over all modalities, and
    ``modality_weights`` (B, T, M, P), those in use at each step.
    """

    def __init__(self, modalities: tuple[str, ...], targets: Targets) -> None:
        super().__init__()
        self.weights_MP = nn.Parameter(torch.empty(len(modalities), len(targets.parameters)))
        self.outputs = [parameter.outputs for parameter in targets.parameters]
        self.is_class = [parameter.kind != "continuous" for parameter in targets.parameters]

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Equal weights to begin with."""
        parameter.zero_()

    def forward(self, outputs: Sequence[Tensor], usable_BTM: Tensor, trace: Trace | None = None) -> Tensor:
        taking_part_BTM = usable_BTM | ~usable_BTM.any(-1, keepdim=True)
        log_weights_BTMP = self.weights_MP.masked_fill(~taking_part_BTM.unsqueeze(-1), -torch.inf).log_softmax(2)
        if trace is not None:
            trace.keep("weights", self.weights_MP.softmax(0))
            trace.keep("modality_weights", log_weights_BTMP.exp())
        # What does not take part must not enter as 0 · x, which an infinite x would turn into NaN.
        known_MBTKO = torch.stack(
            [
                torch.where(t[..., None, None], full(y), 0.0)
                for t, y in zip(taking_part_BTM.unbind(-1), outputs, strict=True)
            ]
        )
        log_weights_PMBT11 = log_weights_BTMP.permute(3, 2, 0, 1)[..., None, None]
        parts = [
            (w_MBT11 + y_MBTKC.log_softmax(-1)).logsumexp(0) if is_class else (w_MBT11.exp() * y_MBTKC).sum(0)
            for w_MBT11, y_MBTKC, is_class in zip(
                log_weights_PMBT11, known_MBTKO.split(self.outputs, -1), self.is_class, strict=True
            )
        ]
        return torch.cat(parts, -1)
