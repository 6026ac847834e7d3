"""Cuts a picture to the size that an encoder reads.

H rows, W columns of a picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image


def centre(picture_HW3: np.ndarray, size: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    """The middle of a picture, as large as fits, at another size.

    Args:
        size: columns, rows.
    """
    rows, columns = picture_HW3.shape[:2]
    factor = min(columns / size[0], rows / size[1])
    width, height = size[0] * factor, size[1] * factor
    left, top = (columns - width) / 2, (rows - height) / 2
    box = (left, top, left + width, top + height)
    return np.asarray(Image.fromarray(picture_HW3).resize(size, resampling, box=box))
