"""What arms' models cost, counted on models without values. Imports torch with the first count, not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mmcore.config import ModelConfig, RunConfig
from mmcore.custom import custom_parts
from mmcore.own_code import as_config_errors
from mmcore.schema import CorpusSchema
from mmcore.task import resolve_causal, resolve_task
from studies.matching import By

if TYPE_CHECKING:
    from mmcore.model.multimodal import MultimodalModel

_Key = tuple[ModelConfig, bool, int]


class Costs:
    """Counts of one study's models on one corpus; arms of equal shape are counted once.

    Args:
        schema: gives the number of features, tracks and outputs.
    """

    def __init__(self, schema: CorpusSchema) -> None:
        self.schema = schema
        self._parameters: dict[_Key, dict[str, int]] = {}
        self._flops: dict[_Key, dict[str, int]] = {}

    def __call__(self, config: RunConfig, by: By) -> int:
        """Parameters, or FLOPs of one forward pass over one window."""
        return (self.parameters(config) if by == "parameters" else self.flops(config))["total"]

    def parameters(self, config: RunConfig) -> dict[str, int]:
        """Trained parameters by part, see :func:`mmcore.model.cost.count_parameters`."""
        from mmcore.model.cost import count_parameters

        return self._counted(self._parameters, config, count_parameters)

    def flops(self, config: RunConfig) -> dict[str, int]:
        """Floating-point operations by part, see :func:`mmcore.model.cost.count_flops`."""
        from mmcore.model.cost import count_flops

        return self._counted(self._flops, config, lambda model: count_flops(model, config.data.steps))

    def _counted(
        self,
        known: dict[_Key, dict[str, int]],
        config: RunConfig,
        count: Callable[[MultimodalModel], dict[str, int]],
    ) -> dict[str, int]:
        from mmcore.model.build import build_model, build_unfilled

        causal = resolve_causal(config, resolve_task(config, self.schema))
        key = (config.model, causal, config.data.steps)
        if key not in known:
            model, window = config.model, config.data.steps
            if not custom_parts(model):
                known[key] = count(build_unfilled(model, self.schema, causal, window))
            else:
                # A class of the user's need not be made for a model without values.
                with as_config_errors("a model is counted"):
                    known[key] = count(build_model(model, self.schema, causal, 0, window))
        return known[key]
