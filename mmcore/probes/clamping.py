"""What a model does when a gate no longer follows its input. D width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from torch import Tensor

from mmcore.errors import ConfigError
from mmcore.model.fusion.gates import GateFusion
from mmcore.model.multimodal import MultimodalModel


@contextmanager
def clamped(model: MultimodalModel, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Hold gates at a value for as long as the block lasts; parameters are left as they are.

    In ``gated_softmax`` the gates of the other modalities stay as they were: shares then no longer sum to 1.

    Args:
        model: with a fusion of :class:`mmcore.model.fusion.gates.GateFusion`.
        values: gate by modality, (D,) or a single number, 0 (nothing passes) to 1 (all does); left out: the gate is
            free. They replace what an outer block holds.

    Raises:
        ConfigError: the fusion has no such gates, or not for that modality.

    Example:
        >>> with clamped(model, {"audio": torch.tensor(0.0)}):              # doctest: +SKIP
        ...     outputs = model(batch)
    """
    fusion = _gates_of(model)
    for name in values:
        if name not in model.modalities:
            raise ConfigError(f"there is no gate of '{name}' to hold", expected=" or ".join(model.modalities))
    before, fusion.held = fusion.held, MappingProxyType(dict(values))
    try:
        yield
    finally:
        fusion.held = before


def _gates_of(model: MultimodalModel) -> GateFusion:
    if not isinstance(model.fusion, GateFusion):
        raise ConfigError(
            "only a fusion with a gate for each modality has gates to hold",
            expected="gated or gated_softmax",
            found=type(model.fusion).__name__,
        )
    return model.fusion
