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

    In ``gated_softmax`` and ``hierarchical`` the gates beside it stay as they were: shares then no longer sum to 1.
    Where only one of the modalities that share can be read, it passes whole, held or not: there is nothing to decide.
    In ``hierarchical`` the gates above read what passes those below.

    Args:
        model: with a fusion of :class:`mmcore.model.fusion.gates.GateFusion`.
        values: value by gate, (D,) or a single number, 0 (nothing passes) to 1 (all does); left out: the gate is
            free. They replace what an outer block holds.

    Raises:
        ConfigError: the fusion has no gates, or none of that name.

    Example:
        >>> with clamped(model, {"audio": torch.tensor(0.0)}):              # doctest: +SKIP
        ...     outputs = model(batch)
    """
    fusion = gates_of(model)
    known = [gate.name for gate in fusion.every]
    for name in values:
        if name not in known:
            raise ConfigError(f"there is no gate of '{name}' to hold", expected=" or ".join(known))
    before, fusion.held = fusion.held, MappingProxyType(dict(values))
    try:
        yield
    finally:
        fusion.held = before


def gates_of(model: MultimodalModel) -> GateFusion:
    """The fusion of a model that has gates.

    Raises:
        ConfigError: it has none.
    """
    if not isinstance(model.fusion, GateFusion):
        raise ConfigError(
            "this fusion has no gates to look at or to hold",
            expected="gated, gated_softmax or hierarchical",
            found=type(model.fusion).__name__,
        )
    return model.fusion
