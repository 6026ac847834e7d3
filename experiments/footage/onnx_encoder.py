"""Any encoder of pictures in an ONNX file, such as an export of CLIP or SigLIP.

H rows, W columns of a picture, D numbers of its embedding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from experiments.footage.picture import centre
from mmcore.errors import CorpusError
from mmcore.files import read_bytes

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Radford et al., Learning transferable visual models from natural language supervision (2021): its code."""
BESIDE = "preprocessor_config.json"
"""What Hugging Face's exports put beside a model; its ``image_mean`` and ``image_std`` are used."""
USUAL_SIDE = 224
PREFERRED = ("image_embeds", "pooler_output", "embedding", "embeddings")
"""Names of outputs that are one vector a picture, in exports of this kind of model."""


@dataclass(frozen=True)
class Scaling:
    """How a picture becomes numbers: the share of full scale, less the mean, over the standard deviation, by colour.

    Args:
        source: where it was found, in words.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str


class OnnxEncoder:
    """Turns pictures into vectors.

    Args:
        path: of the file. threads: of the processor.

    Raises:
        CorpusError: no ONNX file, or no model that turns one picture into one vector.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(read_bytes(path), options, providers=["CPUExecutionProvider"])
        except OSError:
            raise
        except Exception as error:
            raise _refused(path, f"{type(error).__name__}: {error}"[:200]) from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise _refused(path, "inputs " + ", ".join(f"{one.name} {one.shape}" for one in inputs))
        self._input, shape = inputs[0], inputs[0].shape
        self._last = shape[3] == 3 and shape[1] != 3
        rows, columns = shape[1:3] if self._last else shape[2:4]
        self._size = _side(columns), _side(rows)
        self._half = self._input.type == "tensor(float16)"
        outputs = [one for one in self._session.get_outputs() if len(one.shape) == 2]
        if not outputs:
            raise _refused(path, "outputs " + ", ".join(f"{o.name} {o.shape}" for o in self._session.get_outputs()))
        named = [one.name for one in outputs]
        self._output = next((name for name in PREFERRED if name in named), named[0])
        self.scaling = scaling_of(path)
        # A model may fail on what its header promises.
        try:
            self.width = self(np.zeros((8, 8, 3), np.uint8)).size
        except Exception as error:
            raise _refused(path, f"{type(error).__name__}: {error}"[:200]) from None

    @property
    def settings(self) -> str:
        """What decides its numbers besides the weights."""
        columns, rows = self._size
        mean, std = (" ".join(f"{value:.4g}" for value in each) for each in (self.scaling.mean, self.scaling.std))
        return f"{columns}×{rows}, mean {mean}, std {std}, output {self._output}"

    def __call__(self, picture_HW3: np.ndarray) -> np.ndarray:
        """The embedding (D,) float32, of unit length, of a picture of bytes, red first."""
        picture_HW3 = centre(picture_HW3, self._size, Image.Resampling.BICUBIC)
        mean, std = (np.array(each, np.float32) for each in (self.scaling.mean, self.scaling.std))
        scaled_HW3 = (picture_HW3 / np.float32(255) - mean) / std
        batch = (scaled_HW3 if self._last else scaled_HW3.transpose(2, 0, 1))[None]
        batch = batch.astype(np.float16 if self._half else np.float32)
        (vector_1D,) = self._session.run([self._output], {self._input.name: batch})
        vector_D = np.asarray(vector_1D, np.float32).reshape(-1)
        return vector_D / max(float(np.linalg.norm(vector_D)), 1e-12)


def scaling_of(path: Path) -> Scaling:
    """As the file beside a model says, else CLIP's.

    Raises:
        CorpusError: the file is no JSON, or its mean and standard deviation are not three numbers each.
    """
    beside = path.with_name(BESIDE)
    if not beside.is_file():
        return Scaling(CLIP_MEAN, CLIP_STD, f"no {BESIDE} beside it, so CLIP's mean and standard deviation")
    try:
        held = json.loads(read_bytes(beside))
        mean, std = (tuple(map(float, held[key])) for key in ("image_mean", "image_std"))
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean {mean}, std {std}")
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{BESIDE} must say how pictures are scaled",
            expected="image_mean and image_std, three numbers each",
            found=f"{type(error).__name__}: {error}"[:160],
            where=str(beside),
        ) from None
    return Scaling(mean, std, BESIDE)


def _side(claimed: object) -> int:
    """A side of the pictures that a model reads; one that it leaves open is the usual one."""
    return claimed if isinstance(claimed, int) and claimed > 0 else USUAL_SIDE


def _refused(path: Path, found: str) -> CorpusError:
    return CorpusError(
        "an encoder of pictures is an ONNX file with one picture as input and one vector as output",
        expected="input (N, 3, H, W) or (N, H, W, 3), output (N, D)",
        found=found,
        next_step="Export the image tower alone, with its pooled output",
        where=str(path),
    )
