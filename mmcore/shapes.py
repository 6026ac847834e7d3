"""Checks of tensor shapes that speak in axis names.

B batch, T steps, M modalities, D width, H heads, K tracks, P parameters, F raw features.
"""

from __future__ import annotations

from typing import Protocol

from mmcore.errors import ShapeError


class HasShape(Protocol):
    """Anything with a shape: a tensor or an array."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def check_shape(name: str, value: HasShape, **axes: int) -> None:
    """Refuse ``value`` unless its shape is ``axes``, in order.

    Args:
        name: the tensor's name as the caller knows it.
        value: the tensor or array.
        axes: axis name to expected length, in the order of the axes.

    Raises:
        ShapeError: ``valid_BT must be (B, T) = (8, 120); found (8, 60)``.

    Example:
        >>> import numpy as np
        >>> check_shape("valid_BT", np.ones((8, 120)), B=8, T=120)
    """
    wanted = tuple(axes.values())
    if tuple(value.shape) != wanted:
        raise ShapeError(
            f"{name} must be ({', '.join(axes)}) = {wanted}",
            found=str(tuple(value.shape)),
        )
