"""What is seen in each step, without a trained model: cuts, motion and where the picture draws the eye.

H rows, W columns of a picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

COLUMNS = ("scene_change", "visual_motion", "saliency_x", "saliency_y")
SMALL = (64, 36)
"""Columns and rows of the picture that is compared with the last one."""
CUT = 0.1
"""Mean difference of two pictures, as a share of the largest possible, below which there is no cut."""
JUMP = 3.0
"""How many times the usual difference of the last second a cut differs at least."""
MEMORY = 10
"""Steps of which the usual difference is the mean."""
FLAT = 2.0
"""Standard deviation of the grey levels (0 to 255) below which nothing in a picture stands out."""
SALIENCY = 64
"""Side of the picture of which saliency is computed."""


class Sight:
    """Columns :data:`COLUMNS` of one picture after another; None stands for the picture of the step before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._differences: list[float] = []
        self._row = np.full(len(COLUMNS), np.nan, np.float32)

    def see(self, picture_HW3: np.ndarray | None) -> np.ndarray:
        """The row of a step; NaN before the first picture, saliency NaN where nothing stands out.

        Motion is the mean absolute difference from the picture of the step before, in all three colours: 0 the same,
        1 black to white. The first picture has none. A cut differs by :data:`CUT` and by :data:`JUMP` times the
        usual difference, so that a camera that pans makes none.
        """
        if picture_HW3 is None:
            self._note(0.0)
            if self._last is not None:
                self._row[:2] = 0.0
            return self._row.copy()
        small = np.asarray(Image.fromarray(picture_HW3).resize(SMALL, Image.Resampling.BOX), np.float32)
        motion = 0.0 if self._last is None else float(np.abs(small - self._last).mean() / 255)
        usual = float(np.mean(self._differences)) if self._differences else 0.0
        cut = self._last is not None and motion >= CUT and motion >= JUMP * usual
        self._note(min(motion, usual) if cut else motion)
        self._last = small
        self._row = np.array([cut, motion, *salient(picture_HW3)], np.float32)
        return self._row.copy()

    def _note(self, difference: float) -> None:
        self._differences = [*self._differences[-(MEMORY - 1) :], difference]


def salient(picture_HW3: np.ndarray) -> tuple[float, float]:
    """The centre of what stands out, x to the right and y down, as shares of the picture; NaN where nothing does.

    Source: Hou & Zhang, Saliency detection: a spectral residual approach (CVPR 2007), sections 3 and 4; the centre is
    the mean of places, weighted with their saliency.
    """
    grey = Image.fromarray(picture_HW3).convert("L").resize((SALIENCY, SALIENCY), Image.Resampling.BOX)
    grey_HW = np.asarray(grey, np.float64)
    if grey_HW.std() < FLAT:
        return float("nan"), float("nan")
    spectrum_HW = np.fft.fft2(grey_HW)
    amplitude_HW = np.log1p(np.abs(spectrum_HW))
    residual_HW = amplitude_HW - ndimage.uniform_filter(amplitude_HW, 3, mode="wrap")
    map_HW = np.abs(np.fft.ifft2(np.exp(residual_HW + 1j * np.angle(spectrum_HW)))) ** 2
    map_HW = ndimage.gaussian_filter(map_HW, 2.5)
    # Where it is not above the mean, nothing stands out; without this the centre would never leave the middle.
    map_HW = np.maximum(0, map_HW - map_HW.mean())
    places = (np.arange(SALIENCY) + 0.5) / SALIENCY
    total = map_HW.sum()
    return float(map_HW.sum(axis=0) @ places / total), float(map_HW.sum(axis=1) @ places / total)
