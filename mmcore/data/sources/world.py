"""The processes behind the simulated corpus: content first, then edits that follow from it in a declared way.

S steps, K tracks, C classes, E embedding columns. Every edit at step s follows from content at the same step s, so a
forecast that may look ahead into the footage can know it, and one that sees earlier edits alone cannot. Content changes
from step to step nearly without memory: a slow driver would show through the tracks' own past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmcore.seeding import generator

SWITCH = 0.4
"""Chance per step that speech starts or stops, and that it grows loud or quiet."""
CUT = 0.35
"""Chance per step of a scene change."""
VIEW = 0.3
"""Chance per step that the camera turns to another view without a cut."""
PERSISTENCE = 0.3
"""Step-to-step correlation of face centre and saliency."""
CROP_AR = (1.568, -0.9025)
"""Crop is an AR(2) process (radius 0.95, 0.6 rad a step): its last two values say far more than the last one."""
NOISE = {"active": 0.04, "asset": 0.03, "scale": 0.06, "position": 0.05, "rotation": 5.0, "crop": 0.005}
"""Active: chance of a flip; asset: chance of a random class at a cut; the others: standard deviation, own unit."""
HEAVY_TAIL = 1.5
"""Degrees of freedom of rotation's noise in the noisy corpus: so few that its variance is infinite, and a handful of
steps make up nearly all of the squared error."""


@dataclass(frozen=True)
class Cast:
    """What differs between tracks and stays the same over all items.

    Args:
        polarity_K: +1 active while there is speech, −1 active while there is none.
        gain_K: signed strength of position and scale.
        classes_KC: the asset that a track takes for each view.
        views_CE: the clip embedding's direction for each view, orthonormal.
    """

    polarity_K: np.ndarray
    gain_K: np.ndarray
    classes_KC: np.ndarray
    views_CE: np.ndarray


def draw_cast(seed: int, tracks: int, classes: int, clip: int) -> Cast:
    """The cast of a corpus; needs ``classes`` ≤ ``clip``."""
    rng = generator(seed, "simulate/cast")
    polarity_K = np.where(np.arange(tracks) % 2 == 0, 1, -1)
    gain_K = np.round(rng.uniform(0.6, 1.0, tracks), 2) * rng.choice([-1, 1], tracks)
    classes_KC = np.stack([rng.permutation(classes) for _ in range(tracks)])
    basis, _ = np.linalg.qr(rng.normal(size=(clip, classes)))
    return Cast(polarity_K, gain_K, classes_KC, basis.T)


def content(rng: np.random.Generator, cast: Cast, S: int) -> dict[str, np.ndarray]:
    """Audio and visual features of one item by name, ``clip`` as (S, E), and ``view``, the class behind it."""
    classes, clip = cast.views_CE.shape
    speaking = _switching(rng, S, SWITCH)
    loud = _switching(rng, S, SWITCH)
    silent = np.zeros(S)
    for s in range(1, S):
        silent[s] = 0.0 if speaking[s] else silent[s - 1] + 100.0
    cut = (rng.random(S) < CUT).astype(float)
    turn = (rng.random(S) < VIEW) | (cut > 0)
    turn[0] = True
    view = rng.integers(0, classes, S)[np.maximum.accumulate(np.where(turn, np.arange(S), 0))]
    noise_SE = rng.normal(size=(S, clip)) * (0.5 / np.sqrt(clip))
    clip_SE = cast.views_CE[view] + noise_SE
    clip_SE /= np.linalg.norm(clip_SE, axis=1, keepdims=True)
    face = 1.0 - _switching(rng, S, 0.05) * _switching(rng, S, 0.05)
    count = face * (1 + (rng.random(S) < 0.1))
    # Loudness is drawn apart from speech: scale counts on active tracks alone, and were loudness tied to what makes
    # them active, motion by itself would say the scale there.
    return {
        "audio_energy_rms": 0.10 + 0.05 * (2 * loud - 1) + 0.006 * rng.normal(size=S),
        "audio_is_speaking": speaking,
        "silence_duration_ms": silent,
        "text_is_active": np.where(rng.random(S) < 0.2, 1 - speaking, speaking),
        "scene_change": cut,
        "visual_motion": rng.random(S),
        "saliency_x": _wandering(rng, S),
        "saliency_y": _wandering(rng, S),
        "face_count": count,
        "face_center_x": _wandering(rng, S) * face,
        "face_center_y": _wandering(rng, S) * face,
        "face_size": rng.uniform(0.05, 0.4, S) * face,
        "face_mouth_open": rng.random(S) * face,
        "face_eyebrow_raise": rng.random(S) * face,
        "clip": clip_SE,
        "view": view,
    }


def edits(
    rng: np.random.Generator, cast: Cast, seen: dict[str, np.ndarray], heavy: bool = False
) -> dict[str, np.ndarray]:
    """The tracks' parameters that follow from the content: name to (S, K); ``heavy``: rotation has outliers."""
    S, K = len(seen["view"]), len(cast.gain_K)
    speaking_S1 = seen["audio_is_speaking"][:, None]
    face_S1 = (seen["face_count"] > 0)[:, None]
    loud_S1 = np.sign(seen["audio_energy_rms"] - 0.10)[:, None]
    motion_S1 = 2 * seen["visual_motion"][:, None] - 1

    active_SK = np.where(cast.polarity_K > 0, speaking_S1, 1 - speaking_S1)
    active_SK = np.where(rng.random((S, K)) < NOISE["active"], 1 - active_SK, active_SK)

    wanted_SK = cast.classes_KC[:, seen["view"]].T
    stray_SK = rng.random((S, K)) < NOISE["asset"]
    wanted_SK = np.where(stray_SK, rng.integers(0, cast.classes_KC.shape[1], (S, K)), wanted_SK)
    cuts = seen["scene_change"] > 0
    cuts[0] = True
    asset_SK = wanted_SK[np.maximum.accumulate(np.where(cuts, np.arange(S), 0))]

    def follow(driver_S: np.ndarray, shown_S1: np.ndarray | float = 1.0) -> np.ndarray:
        moved_SK = cast.gain_K * (driver_S[:, None] - 0.5) * shown_S1
        return 0.5 + moved_SK + NOISE["position"] * rng.normal(size=(S, K))

    zoom_SK = _autoregressive(rng, S, K)
    crops = {
        f"crop_{side}": 0.1 + sign * 0.03 * zoom_SK + NOISE["crop"] * rng.normal(size=(S, K))
        for side, sign in (("l", 1), ("r", -1), ("t", 0.5), ("b", -0.5))
    }
    return {
        "active": active_SK,
        "asset_id": asset_SK,
        "scale": 1.0 + 0.5 * cast.gain_K * loud_S1 * motion_S1 + NOISE["scale"] * rng.normal(size=(S, K)),
        "x": follow(seen["face_center_x"], face_S1),
        "y": follow(seen["face_center_y"], face_S1),
        "anchor_x": follow(seen["saliency_x"]),
        "anchor_y": follow(seen["saliency_y"]),
        # The last draw, so that all else is the same with and without outliers.
        "rotation": NOISE["rotation"] * (rng.standard_t(HEAVY_TAIL, (S, K)) if heavy else rng.normal(size=(S, K))),
        **crops,
    }


def _switching(rng: np.random.Generator, S: int, chance: float) -> np.ndarray:
    """0 and 1, starting at either."""
    flips = rng.random(S) < chance
    return ((np.cumsum(flips) + rng.integers(0, 2)) % 2).astype(float)


def _wandering(rng: np.random.Generator, S: int) -> np.ndarray:
    """Around 0.5 with standard deviation 0.2, within the frame."""
    shocks = rng.normal(size=S)
    values = np.empty(S)
    values[0] = shocks[0]
    for s in range(1, S):
        values[s] = PERSISTENCE * values[s - 1] + np.sqrt(1 - PERSISTENCE**2) * shocks[s]
    return np.clip(0.5 + 0.2 * values, 0.01, 0.99)


def _autoregressive(rng: np.random.Generator, S: int, K: int) -> np.ndarray:
    """(S, K) of unit variance."""
    warm_up = 100
    first, second = CROP_AR
    shocks = rng.normal(size=(S + warm_up, K))
    values = np.zeros((S + warm_up, K))
    for s in range(2, S + warm_up):
        values[s] = first * values[s - 1] + second * values[s - 2] + shocks[s]
    # Variance of an AR(2) process with unit shocks (Box & Jenkins, Time Series Analysis, eq. 3.2.28).
    variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
    return values[warm_up:] / np.sqrt(variance)
