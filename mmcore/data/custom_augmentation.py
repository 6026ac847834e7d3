"""A change of training windows by a class of the user's. T positions, M modalities read, F features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmcore.config import Custom
from mmcore.errors import ConfigError, PartError
from mmcore.own_code import construct, load_class, named_inputs

INPUTS = ("values", "present", "rng", "epoch")
"""What an augmentation may name when it is called: by modality (T, F), what is there (T, M), a numpy generator …"""


class CustomAugmentation:
    """Calls an object of the user's with one window at a time; it changes the arrays in place.

    Its constructor may name ``modalities`` (of the corpus) and what stands in ``args``. Every draw must come from
    ``rng``. A modality may be taken away, never added; what is absent is zero afterwards.

    Raises:
        ConfigError: the class cannot be used.
    """

    def __init__(self, part: Custom, modalities: tuple[str, ...]) -> None:
        self.reference = part.class_
        self.made: Any = construct(load_class(part), part, {"modalities": modalities})
        if not callable(self.made):
            raise ConfigError(f"{part.class_} must be callable", expected=f"__call__ with some of {', '.join(INPUTS)}")
        self.inputs = named_inputs(self.made, f"the call of {part.class_}", INPUTS)

    def change(
        self, values: Mapping[str, np.ndarray], present_TM: np.ndarray, rng: np.random.Generator, epoch: int
    ) -> None:
        """Change a window in place.

        Args:
            values: modality to x_TF, normalised, in the order of ``present_TM``.

        Raises:
            PartError: a value is NaN or infinite afterwards, or something was returned.
        """
        before_TM = present_TM.copy()
        given = {"values": dict(values), "present": present_TM, "rng": rng, "epoch": epoch}
        found = self.made(**{name: given[name] for name in self.inputs})
        if found is not None:
            raise PartError(
                f"{self.reference} must change the arrays in place and return nothing", found=type(found).__name__
            )
        present_TM &= before_TM
        for name, x_TF in values.items():
            if not np.isfinite(x_TF).all():
                raise PartError(f"{self.reference} must leave finite values", found=f"NaN or Inf in {name}")
