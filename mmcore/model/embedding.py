"""One vector of width D per modality. B batch, T steps, M modalities, D width, F raw features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcore.model.linear import Linear
from mmcore.model.own_encoder import CustomEmbedding
from mmcore.model.precision import full
from mmcore.trace import Trace


def key_of(modality: str) -> str:
    """A modality's name as part of a parameter's name.

    Torch forbids dots there, and names that its containers use themselves (``values``, ``type``, …). Two modalities
    never share a key, since ``:`` cannot occur in a modality's name.

    Example:
        >>> key_of("wrist.left")
        'from_wrist:left'
    """
    return "from_" + modality.replace(".", ":")


class AbsentState(nn.Module):
    """What stands for a modality where it is absent: a learned vector of width D.

    Source: a learned token for missing input, e.g. Lee et al. 2023, "Multimodal Prompting with Missing Modalities",
    §3.2. NOTE[DIFF] they learn prompts for each pattern of absence; here there is one vector per modality.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.state_D = nn.Parameter(torch.empty(width))

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Small, near the zeros that it replaces."""
        parameter.normal_(0.0, 0.02, generator=rng)

    def forward(self, e_BTD: Tensor, missing_BT1: Tensor) -> Tensor:
        return torch.where(missing_BT1, self.state_D, e_BTD)


class Embedding(nn.Module):
    """One Linear per modality; where a modality is not there its embedding is exactly zero, or its learned state.

    Shape: values x_BTF per modality, present_BTM, valid_BT → M tensors e_BTD, and usable_BTM: where they can be read.

    Values at absent or padded places, NaN and Inf included, change neither the outputs nor any gradient.

    Args:
        features: number of raw features F by modality.
        width: D.
        learned_absence: absent modalities are represented at valid steps by a learned vector, and count as usable.
        own: modules of the user's in the place of a modality's Linear.
    """

    def __init__(
        self,
        features: dict[str, int],
        width: int,
        learned_absence: bool = False,
        own: Mapping[str, CustomEmbedding] | None = None,
    ) -> None:
        super().__init__()
        own = own or {}
        made = {name: own[name] if name in own else Linear(F, width) for name, F in features.items()}
        self.linears = nn.ModuleDict({key_of(name): module for name, module in made.items()})
        absent = [AbsentState(width) for _ in features] if learned_absence else []
        self.absent = nn.ModuleDict(dict(zip(self.linears, absent, strict=False)))

    def forward(
        self,
        values: list[Tensor],
        present_BTM: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        usable_BTM = present_BTM & valid_BT.unsqueeze(-1)
        embedded: list[Tensor] = []
        for linear, x_BTF, usable_BT1 in zip(
            self.linears.values(), values, usable_BTM.unsqueeze(-1).unbind(-2), strict=True
        ):
            # Zeros go in, so that no NaN meets the weights' gradient, and zeros come out, since a bias would speak.
            x_BTF = torch.where(usable_BT1, x_BTF, 0.0)
            own = isinstance(linear, CustomEmbedding)
            e_BTD = linear(x_BTF, usable_BT1.squeeze(-1), rng, trace) if own else full(linear(x_BTF))
            embedded.append(torch.where(usable_BT1, e_BTD, 0.0))
        if not self.absent:
            return embedded, usable_BTM
        valid_BTM = valid_BT.unsqueeze(-1).expand_as(usable_BTM)
        missing_BTM = valid_BTM & ~usable_BTM
        for m, absent in enumerate(self.absent.values()):
            embedded[m] = absent(embedded[m], missing_BTM[..., m : m + 1])
        return embedded, valid_BTM
