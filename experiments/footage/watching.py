"""Makes what computes a part: the libraries of models are imported here, when they are first needed.

H rows, W columns of a picture; F features.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from experiments.footage.features import Part
from experiments.footage.sound import Listener, Loudness, MelSpectrum

ENCODE_EVERY = 5
"""Steps after which a picture is encoded again; a cut does not wait for it."""


class Watcher(Protocol):
    """Turns pictures, one a step and in order, into rows (F,)."""

    def see(self, picture_HW3: np.ndarray | None, cut: bool) -> np.ndarray:
        """The row of a step; None stands for the picture of the step before."""
        ...


class Encoder(Protocol):
    """Turns a picture into a vector."""

    def __call__(self, picture_HW3: np.ndarray) -> np.ndarray:
        """The embedding (D,)."""
        ...


class Encoding:
    """Embeddings of pictures: of every :data:`ENCODE_EVERY`-th one and of those after a cut; the last one holds.

    Args:
        width: numbers of an embedding.
    """

    def __init__(self, encoder: Encoder, width: int) -> None:
        self._encoder = encoder
        self._row = np.full(width, np.nan, np.float32)
        self._waiting: np.ndarray | None = None
        self._since = ENCODE_EVERY

    def see(self, picture_HW3: np.ndarray | None, cut: bool) -> np.ndarray:
        """NaN before the first picture."""
        self._since += 1
        self._waiting = self._waiting if picture_HW3 is None else picture_HW3
        if self._waiting is not None and (cut or self._since >= ENCODE_EVERY):
            self._row = self._encoder(self._waiting)
            self._waiting, self._since = None, 0
        return self._row


def listener_of(part: Part) -> Listener:
    """What computes a part that is heard."""
    if part.kind == "logmel":
        return MelSpectrum()
    from experiments.footage.speech import Speech

    speech = Speech()
    return Loudness(speech, speech.reset)


def watcher_of(part: Part, threads: int) -> Watcher:
    """What computes a part that is seen, besides :class:`~experiments.footage.sight.Sight`."""
    assert part.weights is not None
    match part.kind:
        case "faces":
            from experiments.footage.faces import Faces

            return Faces(part.weights, threads)
        case "lite0":
            import torch

            from experiments.footage.lite0 import Lite0

            torch.set_num_threads(threads)
            return Encoding(Lite0(part.weights), part.width)
        case "onnx":
            from experiments.footage.onnx_encoder import OnnxEncoder

            return Encoding(OnnxEncoder(part.weights, threads), part.width)
        case _:
            raise ValueError(f"{part.kind} needs no model of pictures")
