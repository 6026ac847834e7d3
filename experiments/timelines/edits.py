"""Turns predictions into an edit: tracks of clips with few keyframes, and a marker of confidence for each clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from experiments.timelines.forecast import Forecast, seen
from experiments.timelines.model import Account, Clip, Curve, Keyframe, Marker, Rate, Timeline, Track, Transform, still
from experiments.timelines.numbers import exact
from experiments.timelines.sound import sound_of
from experiments.timelines.stretches import MOST_THRESHOLDS, same_codes, simplified, stretches, switched_SK
from mmcore.errors import ConfigError

TOLERANCE = {
    "scale": 0.01, "x": 0.005, "y": 0.005, "anchor_x": 0.005, "anchor_y": 0.005, "rotation": 0.5,
    "crop_l": 0.005, "crop_r": 0.005, "crop_t": 0.005, "crop_b": 0.005,
}  # fmt: skip
"""How far keyframes may be from what is predicted, in each parameter's unit."""
LIMITS = {"scale": (0.01, 100.0), **dict.fromkeys(("crop_l", "crop_r", "crop_t", "crop_b"), (0.0, 0.99))}
"""What an editing program takes; predictions beyond it are cut off there, and counted."""


@dataclass(frozen=True)
class Cutting:
    """How predictions become clips.

    Args:
        threshold: a track is seen from the step on at which its probability of being active reaches this.
        release: until the probability falls below this part of the threshold.
        shortest: seconds of the shortest clip, and of the shortest gap between two.
        tolerance: times :data:`TOLERANCE`, how far keyframes may be from what is predicted.
        target: seconds in which any track is to be seen; the threshold is then chosen. None: it is as given.
    """

    threshold: float = 0.5
    release: float = 0.8
    shortest: float = 0.5
    tolerance: float = 1.0
    target: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("threshold", 0, 1), ("release", 0, 1), ("shortest", 0, 3600), ("tolerance", 0, 1000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} must be a number from {low} to {high}", found=f"{value}")
        if self.target is not None and not 0 < self.target < float("inf"):
            raise ConfigError("a target must be seconds above 0", found=f"{self.target}")


@dataclass(frozen=True)
class Edit:
    """An edit, and how it came about.

    Args:
        timeline: on whole frames, with ``left_out``. threshold: that was used.
        kept: seconds in which any track is seen. total: seconds that were predicted.
        highest: probability of being active of any track.
    """

    timeline: Timeline
    threshold: float
    kept: float
    total: float
    highest: float


@dataclass(frozen=True)
class Footage:
    """What the clips show, and the frame of the edit.

    Args:
        video: the item's own footage, which every track shows; None: a track shows media named after its asset.
        channels: of the footage's sound; 0: it has none, or none is wanted.
    """

    rate: Rate
    width: int
    height: int
    video: Path | None = None
    channels: int = 0


def edit_of(forecast: Forecast, cutting: Cutting, footage: Footage) -> Edit:
    """Cut an edit from predictions.

    Times of the edit are those of the item, so that its footage stays in step. With ``cutting.target`` the threshold is
    the one, of up to 200 among the probabilities, whose kept length is nearest; of equally near ones the highest.
    """
    bounds_S = _bounds(forecast)
    threshold = cutting.threshold
    if cutting.target is not None:
        threshold = _threshold_for(forecast, cutting, bounds_S)
    account = Account()
    for one in forecast.left_out:
        account.add(one.what)
    tracks, markers = [], []
    for k, parts in enumerate(_parts(forecast, cutting, threshold, bounds_S)):
        clips = []
        for first, end in parts:
            inside = slice(first, end)
            for begin, stop, code in same_codes(
                forecast.asset_SK[inside, k], bounds_S[first : end + 1], cutting.shortest
            ):
                clip = _clip(forecast, footage, cutting, (first + begin, first + stop), k, code, bounds_S, account)
                if clip is None:
                    continue
                clips.append(clip)
                markers.append(_marker(forecast, clip, slice(first + begin, first + stop), k))
        tracks.append(Track(tuple(clips), name=f"track {k}"))
    timeline = Timeline(
        name=forecast.item,
        rate=footage.rate,
        tracks=tuple(tracks),
        width=footage.width,
        height=footage.height,
        markers=tuple(sorted(markers, key=lambda marker: marker.time)),
        left_out=account.lines(),
        sound=sound_of(tracks) if footage.channels else (),
        channels=footage.channels,
    )
    kept = seen([(float(clip.start), float(clip.end)) for track in tracks for clip in track.clips])
    return Edit(timeline, threshold, kept, float(bounds_S[-1] - bounds_S[0]), float(np.nanmax(forecast.active_SK)))


def _bounds(forecast: Forecast) -> np.ndarray:
    """Seconds at which each step begins, and the end of the last one."""
    return np.r_[forecast.time_S, forecast.time_S[-1] + forecast.step]


def _parts(forecast: Forecast, cutting: Cutting, threshold: float, bounds_S: np.ndarray) -> list[list[tuple[int, int]]]:
    """By track, the stretches in which it is seen."""
    on_SK = switched_SK(forecast.active_SK, threshold, threshold * cutting.release)
    return [stretches(on_SK[:, k], bounds_S, cutting.shortest) for k in range(on_SK.shape[1])]


def _threshold_for(forecast: Forecast, cutting: Cutting, bounds_S: np.ndarray) -> float:
    assert cutting.target is not None
    chances = np.unique(forecast.active_SK[np.isfinite(forecast.active_SK)])
    if len(chances) > MOST_THRESHOLDS:
        chances = np.unique(np.quantile(chances, np.linspace(0, 1, MOST_THRESHOLDS)))
    best, distance = cutting.threshold, np.inf
    for chance in chances[::-1]:
        parts = _parts(forecast, cutting, float(chance), bounds_S)
        kept = seen([(float(bounds_S[a]), float(bounds_S[b])) for track in parts for a, b in track])
        if abs(kept - cutting.target) < distance - 1e-9:
            best, distance = float(chance), abs(kept - cutting.target)
    return best


def _clip(
    forecast: Forecast,
    footage: Footage,
    cutting: Cutting,
    steps: tuple[int, int],
    k: int,
    code: int,
    bounds_S: np.ndarray,
    account: Account,
) -> Clip | None:
    first, end = steps
    rate = footage.rate
    start = rate.on_frame(exact(float(bounds_S[first])))
    duration = rate.on_frame(exact(float(bounds_S[end]))) - start
    if duration <= 0:
        account.add("clip that lasts less than a frame")
        return None
    asset = forecast.assets[code] if code < len(forecast.assets) else f"asset_{code}"
    curves = {
        name: _curve(name, bounds_S[first:end], values_SK[first:end, k], start, rate, cutting.tolerance, account)
        for name, values_SK in forecast.values.items()
    }
    return Clip(
        name=asset,
        source=asset if footage.video is None else footage.video.name,
        start=start,
        duration=duration,
        source_start=start,
        path=None if footage.video is None else str(footage.video.resolve()),
        transform=Transform.of(curves),
    )


def _curve(
    name: str, time_N: np.ndarray, value_N: np.ndarray, start: Fraction, rate: Rate, wide: float, account: Account
) -> Curve:
    """Few keyframes, on frames. A parameter that moves less than the tolerance stands still at the middle."""
    known_N = np.isfinite(value_N)
    if not known_N.any():
        return Transform().curves()[name]
    time_N, value_N = time_N[known_N], value_N[known_N]
    if name in LIMITS:
        low, high = LIMITS[name]
        beyond = int(((value_N < low) | (value_N > high)).sum())
        for _ in range(beyond):
            account.add(f"prediction of {name} outside {low:g} to {high:g}: cut off there")
        value_N = np.clip(value_N, low, high)
    tolerance = wide * TOLERANCE[name]
    if np.ptp(value_N) <= 2 * tolerance:
        return still(float(value_N.max() + value_N.min()) / 2)
    keys: dict[Fraction, float] = {}
    for at in simplified(time_N, value_N, tolerance):
        keys[rate.on_frame(exact(float(time_N[at]))) - start] = float(value_N[at])
    return Curve(tuple(Keyframe(time, keys[time]) for time in sorted(keys)))


def _marker(forecast: Forecast, clip: Clip, steps: slice, k: int) -> Marker:
    """How sure the models are of a clip: the mean of its probabilities, the lowest, and the spread over models."""
    chance_S, spread_S = forecast.active_SK[steps, k], forecast.spread_SK[steps, k]
    chance_S = chance_S[np.isfinite(chance_S)]
    note = f"active {chance_S.mean():.0%} on average, at least {chance_S.min():.0%}"
    if np.isfinite(spread_S).any():
        note += f"; models differ by ±{np.nanmean(spread_S):.0%}"
    return Marker(clip.start, f"track {k}, {clip.name}: {chance_S.mean():.0%}", note)


def close_gaps(timeline: Timeline) -> Timeline:
    """The same clips without the times in which no track shows anything; footage is then cut, and no longer in step."""
    parts = sorted((clip.start, clip.end) for track in timeline.tracks for clip in track.clips)
    cuts: list[tuple[Fraction, Fraction]] = []
    """When a gap ends, and all that is taken out up to then."""
    until, removed = Fraction(0), Fraction(0)
    for begin, end in parts:
        if begin > until:
            removed += begin - until
        cuts.append((begin, removed))
        until = max(until, end)
    shift = dict(cuts)
    tracks = tuple(
        replace(track, clips=tuple(replace(clip, start=clip.start - shift[clip.start]) for clip in track.clips))
        for track in timeline.tracks
    )
    markers = tuple(replace(one, time=one.time - shift.get(one.time, Fraction(0))) for one in timeline.markers)
    sound = sound_of(tracks) if timeline.sound else ()
    return replace(timeline, tracks=tracks, markers=markers, sound=sound)
