"""From a config and a corpus to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from mmcore.config import CustomModel, Decision, ModelConfig
from mmcore.errors import ConfigError
from mmcore.model.custom_model import WholeModel
from mmcore.model.feature_fusion import FeatureFusionModel
from mmcore.model.initialisation import initialise
from mmcore.model.late import LateFusionModel
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.own import make_own_parts
from mmcore.schema import CorpusSchema


def build_model(
    config: ModelConfig, schema: CorpusSchema, causal: bool, repeat: int, window: int | None = None
) -> MultimodalModel:
    """A model for a corpus, with the initial values of a repeat.

    Args:
        config: sizes, modalities, fusion, head.
        schema: gives the number of features, tracks and outputs.
        causal: whether a step sees itself and earlier steps only (``config.causal`` with None resolved by the task).
        repeat: with a parameter's name it decides that parameter's initial values, for every arm alike.
        window: steps of a batch at most; needed for learned positions alone.

    Raises:
        ConfigError: ``config.modalities`` names one that the corpus does not have; a hierarchical order does not fit
            the modalities; a class of the user's cannot be used, see :mod:`mmcore.own_code`.
    """
    model = _assembled(config, schema, causal, window, "cpu")
    initialise(model, repeat)
    make_own_parts(model, repeat)
    if next(model.parameters(), None) is None:
        assert isinstance(config, CustomModel)
        raise ConfigError(f"{config.class_} has no parameter, so there is nothing to train")
    return model


def build_unfilled(
    config: ModelConfig, schema: CorpusSchema, causal: bool, window: int | None = None
) -> MultimodalModel:
    """The same model without values, on the meta device: enough to count what it costs.

    There torch's layers neither draw from the global generator nor fill memory that is filled again, and no value is
    asked for: torch's compiler, whose import takes seconds, would be asked what an embedding draws. Parts of the user's
    are not made yet.
    """
    return _assembled(config, schema, causal, window, "meta")


def _assembled(
    config: ModelConfig, schema: CorpusSchema, causal: bool, window: int | None, device: str
) -> MultimodalModel:
    """A model whose parameters have no values yet: on the CPU memory that nobody has filled, on ``meta`` none."""
    features = {name: len(schema.modalities[name].columns) for name in schema.chosen(config.modalities)}
    if isinstance(config, CustomModel):
        return WholeModel(config, features, schema.targets, causal, window)
    late = isinstance(config.fusion, Decision) and len(features) > 1
    kind = LateFusionModel if late else FeatureFusionModel
    # To name the device that torch would choose anyway takes an eighth of the time.
    there = nullcontext() if torch.get_default_device() == torch.device(device) else torch.device(device)
    with there, _Unfilled():
        return kind(config, features, schema.targets, causal, window)


class _Unfilled(TorchFunctionMode):
    """Leaves tensors as they are where a layer of torch would give them their first values."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)
