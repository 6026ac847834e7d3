"""What each arm's model is made of: parameters and floating-point operations per part."""

from __future__ import annotations

from typing import Any

from experiments.planning.costs import Costs
from experiments.planning.request import Asked


def describe(asked: Asked) -> list[dict[str, Any]]:
    """Build every arm's model and count.

    Returns:
        One row an arm: name, reference, overrides, modalities, placebo (those of them that are read from another item),
        parameters by part, flops of one forward pass over one window by part.
    """
    costs = Costs(asked.schema)
    return [
        {
            "name": arm.name,
            "reference": arm.name == asked.study.reference,
            "overrides": arm.overrides,
            "modalities": list(asked.schema.chosen(arm.config.model.modalities)),
            "placebo": list(arm.config.data.placebo),
            "parameters": costs.parameters(arm.config),
            "flops": costs.flops(arm.config),
        }
        for arm in asked.study.arms
    ]
