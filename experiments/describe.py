"""What each arm's model is made of: parameters and floating-point operations per part."""

from __future__ import annotations

from typing import Any

from experiments.plan import Asked
from mmcore.model.cost import count_flops, count_parameters
from mmcore.model.multimodal import build_unfilled
from mmcore.task import resolve_causal, resolve_task


def describe(asked: Asked) -> list[dict[str, Any]]:
    """Build every arm's model and count.

    Returns:
        One row an arm: name, reference, overrides, modalities, parameters by part, flops of one forward pass over one
        window by part.
    """
    rows = []
    for arm in asked.study.arms:
        config = arm.config
        causal = resolve_causal(config, resolve_task(config, asked.schema))
        model = build_unfilled(config.model, asked.schema, causal, config.data.window)
        rows.append(
            {
                "name": arm.name,
                "reference": arm.name == asked.study.reference,
                "overrides": arm.overrides,
                "modalities": list(model.modalities),
                "parameters": count_parameters(model),
                "flops": count_flops(model, config.data.window),
            }
        )
    return rows
