"""How numpy writes an array into a pickle, and the same array made from it without calling numpy's own code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Any

import numpy as np


class Name(Enum):
    """The names that a pickle may use, and what each stands for."""

    RECONSTRUCT = "an empty array, whose state follows"
    FROM_BUFFER = "an array of protocol 5"
    SCALAR = "a number of numpy"
    NDARRAY = "the class of arrays"
    DTYPE = "a type of numbers"
    ENCODE = "text to bytes"
    DICT = "an ordered dictionary"
    SET = "a set"
    BYTES = "bytes, where there are none"


_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NAMES: dict[tuple[str, str], Name] = {
    **{(module, "_reconstruct"): Name.RECONSTRUCT for module in _MODULES},
    **{(module, "scalar"): Name.SCALAR for module in _MODULES},
    **{(module, "_frombuffer"): Name.FROM_BUFFER for module in ("numpy.core.numeric", "numpy._core.numeric")},
    ("numpy", "ndarray"): Name.NDARRAY,
    ("numpy", "dtype"): Name.DTYPE,
    ("_codecs", "encode"): Name.ENCODE,
    ("collections", "OrderedDict"): Name.DICT,
    **{(module, name): Name.SET for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
    **{(module, name): Name.BYTES for module in ("builtins", "__builtin__") for name in ("bytes", "str")},
}
_CODE = re.compile(r"[<>=|]?([?biufO]\d*|[SU]\d*)")


@dataclass
class PickledType:
    """A dtype in the making: its code, then its state."""

    code: str
    order: str = "="
    size: int = -1

    def build(self, state: Any) -> None:
        """Take over byte order and size.

        Raises:
            ValueError: a state that numpy does not write for plain types.
        """
        if not isinstance(state, tuple) or len(state) < 7 or any(part is not None for part in state[2:5]):
            raise ValueError("a type of numbers that has fields")
        if state[1] not in ("<", ">", "=", "|") or not isinstance(state[5], int):
            raise ValueError("a type of numbers with an odd state")
        self.order, self.size = state[1], state[5]

    def dtype(self) -> np.dtype[Any]:
        """The type, rebuilt from its code; the size within the state counts only where the code has none."""
        code = self.code
        if code in ("S", "U") and self.size > 0:
            code += str(self.size // (4 if code == "U" else 1))
        dtype = np.dtype(code)
        return dtype.newbyteorder("<" if self.order == "<" else ">") if self.order in ("<", ">") else dtype


@dataclass
class PickledArray:
    """An array that waits for its state."""

    made: np.ndarray | None = None


def code_of(code: Any) -> str:
    """The code of a type of numbers, text, bytes or objects.

    Raises:
        ValueError: anything else, such as a type with fields.
    """
    if not isinstance(code, str) or _CODE.fullmatch(code) is None:
        raise ValueError(f"the type of numbers {str(code)[:40]!r}")
    return code


def array_of(shape: Any, dtype: Any, data: Any, fortran: bool) -> np.ndarray:
    """An array over its bytes (no copy), or of its objects; as many of them as the shape says, and not one more.

    Raises:
        ValueError: shape, type and bytes do not fit together.
    """
    if not isinstance(dtype, PickledType) or not isinstance(shape, tuple) or len(shape) > 32:
        raise ValueError("an array without shape or type")
    if not all(type(axis) is int and axis >= 0 for axis in shape):
        raise ValueError(f"an array of shape {str(shape)[:40]}")
    kind, count = dtype.dtype(), prod(shape)
    order = "F" if fortran else "C"
    if kind.hasobject:
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"an array of {count} objects that are not there")
        flat = np.empty(count, object)
        for at, value in enumerate(data):
            flat[at] = value
        return flat.reshape(shape, order=order)
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(data, bytes | memoryview) or len(data) != count * kind.itemsize or (count and not kind.itemsize):
        size = len(data) if isinstance(data, bytes | memoryview) else "no"
        raise ValueError(f"an array of shape {shape} and type {kind} with {size} bytes")
    if not count:
        return np.empty(shape, kind)
    return np.frombuffer(data, kind).reshape(shape, order=order)
