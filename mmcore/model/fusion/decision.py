"""Late fusion of predictions. B batch, T steps, M modalities, K tracks, O outputs per track, C classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcore.schema import Targets
from mmcore.trace import Trace


class DecisionFusion(nn.Module):
    """Σ_m w_m ŷ_m with w = softmax over the modalities that are there: a convex combination of predictions.

    Continuous outputs are averaged; for classes it is the probabilities that are, and their logarithm is what comes
    out. Where no modality is usable all take part, each predicting from its absent state.

    Shape: M × outputs_BTKO, usable_BTM → outputs_BTKO. Trace: ``weights`` (M,), over all modalities, and
    ``modality_weights`` (B, T, M), those in use at each step.
    """

    def __init__(self, modalities: tuple[str, ...], targets: Targets) -> None:
        super().__init__()
        self.weights_M = nn.Parameter(torch.empty(len(modalities)))
        self.classes: list[slice] = []
        at = 0
        for parameter in targets.parameters:
            if parameter.kind != "continuous":
                self.classes.append(slice(at, at + parameter.outputs))
            at += parameter.outputs

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Equal weights to begin with."""
        parameter.zero_()

    def forward(self, outputs: Sequence[Tensor], usable_BTM: Tensor, trace: Trace | None = None) -> Tensor:
        taking_part_BTM = usable_BTM | ~usable_BTM.any(-1, keepdim=True)
        scores_BTM = self.weights_M.masked_fill(~taking_part_BTM, -torch.inf)
        weights_BTM = scores_BTM.softmax(-1)
        if trace is not None:
            trace.keep("weights", self.weights_M.softmax(0))
            trace.keep("modality_weights", weights_BTM)
        # What does not take part must not enter as 0 · x, which an infinite x would turn into NaN.
        known = [
            torch.where(t[..., None, None], y, 0.0) for t, y in zip(taking_part_BTM.unbind(-1), outputs, strict=True)
        ]
        weights = weights_BTM[..., None, None].unbind(2)
        mixed_BTKO = torch.stack([w * y for w, y in zip(weights, known, strict=True)]).sum(0)
        if not self.classes:
            return mixed_BTKO
        log_weights_MBT11 = scores_BTM.log_softmax(-1).movedim(-1, 0)[..., None, None]
        parts, at = [], 0
        for span in self.classes:
            log_p_MBTKC = torch.stack([y[..., span] for y in known]).log_softmax(-1)
            parts += [mixed_BTKO[..., at : span.start], (log_weights_MBT11 + log_p_MBTKC).logsumexp(0)]
            at = span.stop
        return torch.cat([*parts, mixed_BTKO[..., at:]], -1)
