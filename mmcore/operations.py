"""The operations of a forward pass, counted once in a process for all runs whose models have one shape."""

from __future__ import annotations

from collections import OrderedDict

from mmcore.config import RunConfig
from mmcore.custom import custom_parts
from mmcore.model.cost import count_flops
from mmcore.model.multimodal import MultimodalModel

MOST = 64
"""Shapes that a process remembers."""

_counted: OrderedDict[tuple[object, ...], dict[str, int]] = OrderedDict()


def operations_of(model: MultimodalModel, config: RunConfig, corpus: str) -> dict[str, int]:
    """:func:`mmcore.model.cost.count_flops` of a run's model; a model with parts of the user's is counted each time.

    Args:
        model: built from ``config``; only its shape counts, and not its values.
        corpus: the content key, which gives the number of features, tracks and outputs.
    """
    if custom_parts(config.model):
        return count_flops(model, config.data.steps)
    weight = next(model.parameters())
    key = (config.model, model.causal, config.data.steps, corpus, weight.device.type, weight.dtype)
    if key not in _counted:
        _counted[key] = count_flops(model, config.data.steps)
        while len(_counted) > MOST:
            _counted.popitem(last=False)
    return dict(_counted[key])
