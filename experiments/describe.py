"""What each arm's model is made of: parameters and floating-point operations per part."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.planning.costs import Costs
from experiments.planning.request import Request
from mmcore.config import Overrides


@dataclass(frozen=True)
class DescribedArm:
    """What an arm's model is made of, as ``--format json`` prints it.

    Args:
        name, reference, overrides: the arm.
        modalities: that it reads.
        placebo: those of them that are read from another item.
        parameters: trained numbers by part.
        flops: of one forward pass over one window, by part.
    """

    name: str
    reference: bool
    overrides: Overrides
    modalities: tuple[str, ...]
    placebo: tuple[str, ...]
    parameters: dict[str, int]
    flops: dict[str, int]


def describe(request: Request) -> list[DescribedArm]:
    """Build every arm's model and count."""
    costs = Costs(request.schema)
    return [
        DescribedArm(
            name=arm.name,
            reference=arm.name == request.study.reference,
            overrides=arm.overrides,
            modalities=tuple(request.schema.chosen(arm.config.model.modalities)),
            placebo=tuple(arm.config.data.placebo),
            parameters=costs.parameters(arm.config),
            flops=costs.flops(arm.config),
        )
        for arm in request.study.arms
    ]
