"""In which numbers a model computes: float32 throughout, or its products in fewer bits.

Products (linear maps, attention) are what takes time and what bears rounding. Residual sums, norms, softmax, gates and
outputs stay in float32, whatever the precision, and so do weights, losses, gradients and the optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from mmcore.config import Precision


def products_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context of one forward pass: under ``bf16`` products take and give bfloat16, else nothing changes."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def exact(like: Tensor) -> AbstractContextManager[object]:
    """Products in the numbers that they are given, whatever the precision: for sums of large terms that cancel."""
    kind = like.device.type
    # Other devices, such as the one on which models are counted, have no such context.
    lowered = kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if lowered else _OFF


_OFF = nullcontext()


def full(x: Tensor) -> Tensor:
    """A product in float32; itself where it is."""
    return x.float() if x.dtype == torch.bfloat16 else x


@contextmanager
def tensor_cores(precision: Precision, device: torch.device) -> Iterator[None]:
    """As long as it is open, products of float32 on CUDA are in TF32 if asked for, and only then.

    It holds for the whole process, so it does not follow from what the process has set before; that is restored
    afterwards. TF32 keeps 10 bits of each factor's fraction and adds in float32.
    """
    if device.type != "cuda":
        yield
        return
    backend = torch.backends.cuda.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        backend.fp32_precision = before


def has_bf16_units(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself; where it does not, bf16 is imitated and takes longer than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    cpu = torch.cpu
    return cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()


def slow_note(precision: Precision, device: torch.device) -> str | None:
    """What a user must hear where a precision makes a run slower instead of faster; None where it does not."""
    if precision != "bf16" or device.type not in ("cpu", "cuda") or has_bf16_units(device):
        return None
    what = "processor" if device.type == "cpu" else "graphics card"
    return (
        f"this {what} has no units for bfloat16: training.precision bf16 is slower here than fp32. "
        "The results are of the same kind"
    )


def numbers_in_words(precision: Precision, device: torch.device) -> str:
    """The type of the weights and of products, for the record.

    Example:
        >>> numbers_in_words("bf16", torch.device("cpu"))
        'float32, bfloat16 in products'
    """
    match precision:
        case "bf16":
            products = "bfloat16"
        case "tf32" if device.type == "cuda":
            products = "tf32"
        case _:
            # On CUDA it is what :func:`tensor_cores` sets; asking for it would mix torch's old and new settings.
            products = "highest" if device.type == "cuda" else torch.get_float32_matmul_precision()
    return f"float32, {products} in products"
