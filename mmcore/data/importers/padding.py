"""Which rows of padded arrays (N, T, F) were measured: by a mask, by lengths, or by rows of zeros at one end.

N items, T rows, F columns. A range is [first, last) of T; an item of padding alone has the range [0, 0).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def ranges_of_mask(mask_NT: np.ndarray) -> np.ndarray:
    """From the first to the last row that the mask marks, (N, 2)."""
    marked_NT = np.asarray(mask_NT) != 0
    first_N = marked_NT.argmax(axis=1)
    last_N = marked_NT.shape[1] - marked_NT[:, ::-1].argmax(axis=1)
    return np.where(marked_NT.any(axis=1)[:, None], np.stack([first_N, last_N], axis=1), 0)


def zero_rows(values_NTF: np.ndarray) -> np.ndarray:
    """Where all columns are exactly 0, (N, T); read a block of items at a time."""
    out_NT = np.empty(values_NTF.shape[:2], bool)
    for at in range(0, len(values_NTF), 64):
        out_NT[at : at + 64] = ~(values_NTF[at : at + 64] != 0).any(axis=2)
    return out_NT


def ranges_of_lengths(lengths_N: np.ndarray, zero_NT: np.ndarray) -> tuple[np.ndarray, int]:
    """The ranges of so many rows, (N, 2), and how many items hold numbers where padding should be.

    Padding stands at the end, or where only the front is zeros, at the front. A length above T is T.
    """
    count, rows = zero_NT.shape
    ranges_N2 = np.zeros((count, 2), np.int64)
    odd = 0
    for at, length in enumerate(np.clip(lengths_N, 0, rows).astype(np.int64)):
        end_is_zero, front_is_zero = zero_NT[at, length:].all(), zero_NT[at, : rows - length].all()
        odd += not end_is_zero and not front_is_zero
        ranges_N2[at] = (rows - length, rows) if front_is_zero and not end_is_zero else (0, length)
    return ranges_N2, odd


def padded_side(zeros: Mapping[str, np.ndarray]) -> str:
    """``front`` or ``end``: where arrays have more rows of zeros in a run."""
    front = sum(int(_run(zero_NT).sum()) for zero_NT in zeros.values())
    end = sum(int(_run(zero_NT[:, ::-1]).sum()) for zero_NT in zeros.values())
    return "front" if front > end else "end"


def ranges_of_zeros(zero_NT: np.ndarray, side: str) -> np.ndarray:
    """Everything but the run of zeros at one side, (N, 2)."""
    rows = zero_NT.shape[1]
    run_N = _run(zero_NT if side == "front" else zero_NT[:, ::-1])
    ranges_N2 = np.zeros((len(zero_NT), 2), np.int64)
    ranges_N2[:, 0] = run_N if side == "front" else 0
    ranges_N2[:, 1] = rows if side == "front" else rows - run_N
    ranges_N2[run_N == rows] = 0
    return ranges_N2


def united(ranges: Mapping[str, np.ndarray]) -> np.ndarray:
    """The shortest ranges that hold those of every modality, (N, 2); empty ones do not count."""
    stacked_MN2 = np.stack(list(ranges.values()))
    empty_MN = stacked_MN2[..., 0] >= stacked_MN2[..., 1]
    far = np.iinfo(np.int64).max
    first_N = np.where(empty_MN, far, stacked_MN2[..., 0]).min(axis=0)
    last_N = np.where(empty_MN, 0, stacked_MN2[..., 1]).max(axis=0)
    return np.stack([np.where(last_N == 0, 0, first_N), last_N], axis=1)


def _run(zero_NT: np.ndarray) -> np.ndarray:
    """How many rows at the front are zeros, (N,)."""
    first_N = (~zero_NT).argmax(axis=1)
    return np.where(zero_NT.all(axis=1), zero_NT.shape[1], first_N)
