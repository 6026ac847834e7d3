"""What a forward pass shows of itself when asked; costs nothing when not.

B batch, T steps, M modalities, D width, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass
class Trace:
    """Collects internals by name as plain arrays: ``gates/audio`` (B, T, D), with ``embedding_norm/audio`` and
    ``gated_norm/audio`` (B, T) what goes in and passes, ``attention/0`` (B, H, T, T), ``weights`` (M,) of additive
    fusion.

    Example:
        >>> import torch
        >>> trace = Trace()
        >>> trace.keep("weights", torch.ones(2) / 2)
        >>> trace.arrays["weights"]
        array([0.5, 0.5], dtype=float32)
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def keep(self, name: str, value: Tensor) -> None:
        """Copy a tensor off the graph and the device; bfloat16, which numpy lacks, becomes float32."""
        value = value.detach().to("cpu", copy=True)
        self.arrays[name] = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
