"""Clips of footage, a few seconds of tiny pictures and simple sound, encoded here."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
Look = Callable[[float], np.ndarray]
"""The picture (H, W, 3) at a time in seconds."""
Hear = Callable[[np.ndarray], np.ndarray]
"""The sound (C, N) at times (N,) in seconds."""


@dataclass(frozen=True)
class Pictures:
    """A stream of pictures.

    Args:
        look: what is seen. times: of the pictures, in seconds. size: columns, rows.
    """

    look: Look
    times: Sequence[float] = tuple(at / 10 for at in range(20))
    size: tuple[int, int] = (WIDTH, HEIGHT)


@dataclass(frozen=True)
class Sound:
    """A stream of sound.

    Args:
        hear: what is heard. layout, rate: as FFmpeg names them. start: seconds.
    """

    hear: Hear
    seconds: float = 2.0
    layout: str = "mono"
    rate: int = 16_000
    start: float = 0.0


def grey(level: int) -> Look:
    return lambda time: np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def cut_at(when: float) -> Look:
    """Noise that stays, and another one from a time on."""
    one, other = (np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for seed in (0, 1))
    return lambda time: one if time < when - 1e-9 else other


def tone(loudness: float = 0.5, until: float = 1e9, channels: int = 1) -> Hear:
    """A tone of 440 Hz up to a time, then silence."""
    return lambda t: np.tile(np.where(t < until, loudness * np.sin(2 * np.pi * 440 * t), 0.0), (channels, 1))


def make_clip(path: Path, *streams: Pictures | Sound) -> Path:
    """Write a clip. Matroska keeps every time stamp; an .mp4 is encoded with MPEG-4 and AAC."""
    with av.open(str(path), "w") as container:
        made = [_stream(container, one, path.suffix) for one in streams]
        for one, stream in zip(streams, made, strict=True):
            frames = _pictures(one) if isinstance(one, Pictures) else _sound(one, stream)
            for frame in frames:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def _stream(container, one: Pictures | Sound, suffix: str):
    if isinstance(one, Sound):
        codec = "pcm_s16le" if suffix in (".mkv", ".wav") else "aac"
        return container.add_stream(codec, rate=one.rate, layout=one.layout)
    stream = container.add_stream("ffv1" if suffix == ".mkv" else "mpeg4", rate=10)
    stream.width, stream.height = one.size
    stream.pix_fmt = "bgr0" if suffix == ".mkv" else "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
    if suffix != ".mkv":
        stream.bit_rate = 2_000_000
    return stream


def _pictures(one: Pictures):
    for time in one.times:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(one.look(time)), format="rgb24")
        frame = frame.reformat(*one.size, format="rgb24")
        frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
        yield frame


def _sound(one: Sound, stream):
    size = stream.codec_context.frame_size or 1024
    for first in range(0, round(one.seconds * one.rate), size):
        at = np.arange(first, min(first + size, round(one.seconds * one.rate)))
        samples = one.hear(at / one.rate)
        plain = (np.clip(samples, -1, 1) * 32767).astype(np.int16).T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(plain), format="s16", layout=one.layout)
        frame.sample_rate = one.rate
        frame.pts, frame.time_base = at[0] + round(one.start * one.rate), Fraction(1, one.rate)
        yield frame


def turned(path: Path) -> Path:
    """Say in an .mp4 that a player must turn its pictures by 90 degrees with the clock, as telephones do."""
    data = bytearray(path.read_bytes())
    one, none = 0x00010000, 0
    identity = struct.pack(">9i", one, none, none, none, one, none, none, none, 0x40000000)
    at = data.find(identity, data.find(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", none, one, none, -one, none, none, HEIGHT << 16, none, 0x40000000)
    path.write_bytes(data)
    return path
