"""From probabilities at steps to stretches in which a track is seen, and from values at steps to few keyframes."""

from __future__ import annotations

import numpy as np

MOST_THRESHOLDS = 200
"""That are tried for a wanted length."""


def switched_SK(chance_SK: np.ndarray, on: float, off: float) -> np.ndarray:
    """Whether each track is on: from a step with at least ``on`` until one below ``off`` (a Schmitt trigger).

    NaN is off, and so is everything before the first step that decides. (S, K) bool.
    """
    known_SK = np.nan_to_num(chance_SK, nan=-1.0)
    event_SK = np.where(known_SK >= on, 1, np.where(known_SK < off, 0, -1))
    S = len(event_SK)
    last_SK = np.maximum.accumulate(np.where(event_SK >= 0, np.arange(S)[:, None], -1), axis=0)
    found_SK = np.take_along_axis(event_SK, np.maximum(last_SK, 0), axis=0)
    return (last_SK >= 0) & (found_SK == 1)


def runs(flag_S: np.ndarray) -> list[tuple[int, int]]:
    """Stretches [first, end) of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, flag_S, False].astype(int)))
    return [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def stretches(on_S: np.ndarray, bounds_S: np.ndarray, shortest: float) -> list[tuple[int, int]]:
    """Stretches of at least ``shortest`` seconds: shorter gaps between two are closed first, then shorter ones dropped.

    Args:
        on_S: whether the track is on. bounds_S: seconds at which each step begins, and the end of the last, (S + 1,).

    Example:
        >>> on = np.array([1, 1, 0, 1, 1, 0, 0, 0, 1], bool)
        >>> stretches(on, np.arange(10.0), 2.0)
        [(0, 5)]
    """
    joined: list[tuple[int, int]] = []
    for first, end in runs(on_S):
        if joined and bounds_S[first] - bounds_S[joined[-1][1]] < shortest - 1e-9:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return [(first, end) for first, end in joined if bounds_S[end] - bounds_S[first] >= shortest - 1e-9]


def same_codes(code_S: np.ndarray, bounds_S: np.ndarray, shortest: float) -> list[tuple[int, int, int]]:
    """Parts [first, end) of one code each, none shorter than ``shortest`` unless the whole is: short ones join others.

    Args:
        code_S: class at each step of one stretch. bounds_S: as in :func:`stretches`, of that stretch.

    Example:
        >>> same_codes(np.array([1, 1, 1, 2, 1, 1, 3, 3, 3]), np.arange(10.0), 2.0)
        [(0, 6, 1), (6, 9, 3)]
    """
    parts: list[tuple[int, int, int]] = []
    edges = np.flatnonzero(np.diff(code_S)) + 1
    for first, end in zip(np.r_[0, edges], np.r_[edges, len(code_S)], strict=True):
        code = int(code_S[first])
        short = bounds_S[end] - bounds_S[first] < shortest - 1e-9
        if parts and (short or parts[-1][2] == code):
            parts[-1] = (parts[-1][0], int(end), parts[-1][2])
        elif parts and bounds_S[parts[-1][1]] - bounds_S[parts[-1][0]] < shortest - 1e-9:
            parts[-1] = (parts[-1][0], int(end), code)
        else:
            parts.append((int(first), int(end), code))
    return parts


def simplified(time_N: np.ndarray, value_N: np.ndarray, tolerance: float) -> list[int]:
    """Positions to keep, so that straight lines between them stay within ``tolerance`` of every value.

    Ramer (1972) and Douglas and Peucker (1973), with the distance measured along the value. Without recursion: a long
    film has many steps. Two values or fewer are all kept.

    Args:
        time_N: increasing. value_N: finite.

    Example:
        >>> simplified(np.arange(5.0), np.array([0.0, 1.0, 2.0, 1.0, 0.0]), 0.1)
        [0, 2, 4]
    """
    last = len(time_N) - 1
    kept = {0, last}
    waiting = [(0, last)]
    while waiting:
        begin, end = waiting.pop()
        if end - begin < 2:
            continue
        inner = slice(begin + 1, end)
        line_N = np.interp(time_N[inner], time_N[[begin, end]], value_N[[begin, end]])
        distance_N = np.abs(value_N[inner] - line_N)
        worst = int(np.argmax(distance_N))
        if distance_N[worst] > tolerance:
            kept.add(begin + 1 + worst)
            waiting += [(begin, begin + 1 + worst), (begin + 1 + worst, end)]
    return sorted(kept)
