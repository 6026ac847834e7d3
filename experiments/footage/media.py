"""Decodes footage. The only importer of PyAV.

Pictures and sound are handed on one after another, so that memory does not depend on the length of a file. Time 0 is
the start of the container. A damaged packet is left out and counted; what comes after it is still decoded.

H rows, W columns of a picture; C channels, N samples of a block of sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import av.logging as av_log
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from experiments.footage.grid import LONGEST_GAP, RATE, STEP
from mmcore.errors import CorpusError

F = TypeVar("F", VideoFrame, AudioFrame)
SIDE = 512
"""Pixels of the longer side of a picture that is handed on, at most."""
LATE = 0.05
"""Seconds by which a block of sound may differ from where the last one ended."""
TEXT_CODECS = ("mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text")
"""Subtitles that are text; the others are pictures."""

av_log.set_level(av_log.FATAL)


@dataclass(frozen=True)
class Survey:
    """What a file holds.

    Args:
        start: the container's first time stamp in seconds, which becomes time 0.
        seconds: the length that the file claims; None where it claims none.
        video, audio, text: the chosen streams' numbers in the file; None where there is none.
        notes: which of several streams was chosen, and why. channels: of the chosen sound.
    """

    start: float
    seconds: float | None
    video: int | None
    audio: int | None
    text: int | None
    notes: tuple[str, ...] = ()
    channels: int = 0


@dataclass
class Damage:
    """What could not be decoded, counted while a stream is read.

    Args:
        packets: damaged ones, left out or filled in by FFmpeg. notes: in words, each once.
    """

    packets: int = 0
    notes: list[str] = field(default_factory=list)

    def lines(self, stream: str) -> list[str]:
        """For people."""
        count = f"{stream}: {self.packets} damaged packet{'s' * (self.packets != 1)}, left out or filled in by FFmpeg"
        return [*([count] if self.packets else []), *(f"{stream}: {note}" for note in self.notes)]


@dataclass(frozen=True)
class Shown:
    """What is on the screen at the end of a step.

    Args:
        picture_HW3: bytes, red first, upright, its longer side at most :data:`SIDE`; None where it is still the picture
            of the step before, or the video has not begun.
    """

    picture_HW3: np.ndarray | None


@dataclass(frozen=True)
class Block:
    """Consecutive samples at :data:`RATE`.

    Args:
        start: samples since time 0.
        channels_CN: every channel as the file has it. mono_N: mixed, centre and sides as FFmpeg weighs them.
    """

    start: int
    channels_CN: np.ndarray
    mono_N: np.ndarray


def survey(path: Path) -> Survey:
    """Open a file and choose its streams.

    Of several videos the one with the largest picture is taken, of several sounds the one that the file marks as
    default, then the one with most channels and the highest rate; of equals the first. Cover art is no video.

    Raises:
        CorpusError: no media file, or one without video, sound and text.
    """
    with _opened(path) as container:
        videos = [one for one in container.streams.video if _is_video(one)]
        sounds = [one for one in container.streams.audio if one.codec_context is not None]
        texts = [one for one in container.streams.subtitles if _codec(one) in TEXT_CODECS]
        video = max(videos, key=_picture_rank, default=None)
        sound = max(sounds, key=_sound_rank, default=None)
        if video is None and sound is None:
            raise CorpusError("footage must hold video or sound", found=_kinds(container), where=str(path))
        notes = []
        if video is not None and len(videos) > 1:
            notes.append(f"{len(videos)} videos; took {_said(video)}, the largest picture")
        if sound is not None and len(sounds) > 1:
            notes.append(f"{len(sounds)} sounds; took {_said(sound)}: the default, then most channels, highest rate")
        if len(texts) > 1:
            notes.append(f"{len(texts)} subtitles; took stream {texts[0].index}, the first")
        start = (container.start_time or 0) / av.time_base
        seconds = container.duration / av.time_base if container.duration else None
        return Survey(
            start,
            seconds,
            None if video is None else video.index,
            None if sound is None else sound.index,
            texts[0].index if texts else None,
            tuple(notes),
            0 if sound is None else sound.channels,
        )


def shape_of(path: Path) -> tuple[Fraction, int, int] | None:
    """Frames a second, width and height, upright, of the video that :func:`survey` chooses; None where there is none.

    Raises:
        CorpusError: as :func:`survey`.
    """
    at = survey(path).video
    if at is None:
        return None
    with _opened(path) as container:
        stream = container.streams[at]
        assert isinstance(stream, VideoStream)
        first = next(_frames(container, stream, Damage()), None)
        turned = isinstance(first, VideoFrame) and first.rotation % 180 != 0
        width, height = (stream.height, stream.width) if turned else (stream.width, stream.height)
        return stream.average_rate or stream.guessed_rate or Fraction(30), width, height


def pictures(path: Path, of: Survey, threads: int, damage: Damage) -> Iterator[Shown]:
    """What is on the screen at the end of each step, until the video ends.

    Args:
        threads: for the decoder. damage: is filled while this is read.

    Raises:
        CorpusError: no picture can be decoded.
    """
    if of.video is None:
        return
    with _opened(path) as container:
        stream = container.streams[of.video]
        assert isinstance(stream, VideoStream)
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO"
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        steps, now, last = 0, None, None
        end = 0.0
        frames: Iterator[VideoFrame] = _frames(container, stream, damage)
        for time, frame in _timed(frames, of.start, 1 / float(rate)):
            if time > end + LONGEST_GAP:
                damage.notes.append(f"a time stamp {time - end:.0f} s after the last one; the rest is left out")
                break
            while (steps + 1) * STEP < time - 1e-6:
                steps += 1
                yield _shown(now, last, stream)
                last = now
            now = frame
            end = max(end, time + (frame.duration or 0) * float(frame.time_base or 0))
        if now is None:
            raise CorpusError("the video must hold pictures", found="none that can be decoded", where=str(path))
        while (steps + 1) * STEP <= end + 1e-6:
            steps += 1
            yield _shown(now, last, stream)
            last = now


def blocks(path: Path, of: Survey, damage: Damage) -> Iterator[Block]:
    """The sound at :data:`RATE`, in order and without overlaps; where samples are missing, ``start`` jumps.

    Raises:
        CorpusError: no sound can be decoded.
    """
    if of.audio is None:
        return
    with _opened(path) as container:
        stream = container.streams[of.audio]
        assert isinstance(stream, AudioStream)
        end = 0
        frames: Iterator[AudioFrame] = _frames(container, stream, damage)
        for start, channels_CN, mono_N in _resampled(_timed(frames, of.start, 0.0), damage):
            skip = max(0, end - start)
            if mono_N.size > skip:
                yield Block(start + skip, channels_CN[:, skip:], mono_N[skip:])
                end = start + mono_N.size
        if not end:
            raise CorpusError("the sound must hold samples", found="none that can be decoded", where=str(path))


def cues(path: Path, of: Survey) -> list[tuple[float, float]]:
    """Start and end, in seconds, of every subtitle with text in the file."""
    if of.text is None:
        return []
    found: list[tuple[float, float]] = []
    with _opened(path) as container:
        stream = container.streams[of.text]
        assert isinstance(stream, SubtitleStream)
        for packet in _packets(container, stream, Damage()):
            # QuickTime text fills pauses with empty packets, and begins each one with two bytes of its length.
            text = bytes(packet)[2:] if _codec(stream) == "mov_text" else bytes(packet)
            if packet.pts is None or not packet.duration or not text.strip():
                continue
            start = float(packet.pts * packet.time_base) - of.start
            found.append((start, start + float(packet.duration * packet.time_base)))
    return found


def _resampled(
    frames: Iterator[tuple[float, AudioFrame]], damage: Damage
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Pieces of sound at :data:`RATE`: their first sample since time 0, their channels, and these mixed."""
    pair: _Resamplers | None = None
    at = 0
    for time, frame in frames:
        begin = round(time * RATE)
        gap = begin - at - (0 if pair is None else pair.waiting)
        if gap > LONGEST_GAP * RATE:
            damage.notes.append(f"a time stamp {gap / RATE:.0f} s after the last one; the rest is left out")
            break
        if pair is None or not pair.takes(frame) or abs(gap) > LATE * RATE:
            if pair is not None:
                yield at, *pair(None)
            pair, at = _Resamplers(frame), begin
        channels_CN, mono_N = pair(frame)
        yield at, channels_CN, mono_N
        at += mono_N.size
    if pair is not None:
        yield at, *pair(None)


class _Resamplers:
    """Sound at one rate, as channels and mixed; both give equally many samples."""

    def __init__(self, frame: AudioFrame) -> None:
        self._kept = AudioResampler(format="fltp", rate=RATE)
        self._mixed = AudioResampler(format="fltp", layout="mono", rate=RATE)
        self._kind = _kind(frame)
        self._given = self._taken = 0.0

    def takes(self, frame: AudioFrame) -> bool:
        """Whether a frame has the channels, the rate and the numbers of those before."""
        return _kind(frame) == self._kind

    @property
    def waiting(self) -> int:
        """Samples that went in and did not yet come out."""
        return round(self._given - self._taken)

    def __call__(self, frame: AudioFrame | None) -> tuple[np.ndarray, np.ndarray]:
        """What comes out after a frame, (C, N) and (N,); None: what is still inside, at the end."""
        if frame is not None:
            self._given += frame.samples * RATE / frame.sample_rate
            frame.pts = None
        kept = [one.to_ndarray() for one in self._kept.resample(frame)]
        if frame is not None:
            frame.pts = None
        mixed = [one.to_ndarray() for one in self._mixed.resample(frame)]
        channels_CN = np.concatenate(kept, axis=1) if kept else np.empty((1, 0), np.float32)
        mono_N = np.concatenate(mixed, axis=1)[0] if mixed else np.empty(0, np.float32)
        size = min(channels_CN.shape[1], mono_N.size)
        self._taken += size
        return channels_CN[:, :size], mono_N[:size]


def _kind(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.layout.name, frame.format.name, frame.sample_rate


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise CorpusError(
            "footage must be a media file that FFmpeg reads",
            found=f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"[:160],
            next_step="Play it, or copy it again",
            where=str(path),
        ) from None


def _packets(container: InputContainer, stream: Stream, damage: Damage) -> Iterator[Packet]:
    """The packets of a stream; a file that ends in the middle ends them."""
    feed = container.demux(stream)
    while True:
        try:
            packet = next(feed)
        except (StopIteration, EndOfFile):
            return
        except FFmpegError as error:
            damage.notes.append(f"reading ended early: {error.strerror or error}")
            return
        yield packet


def _frames(container: InputContainer, stream: VideoStream | AudioStream, damage: Damage) -> Iterator[Any]:
    for packet in _packets(container, stream, damage):
        try:
            for frame in packet.decode():
                # FFmpeg fills in what it could not read.
                damage.packets += frame.is_corrupt
                yield frame
        except EndOfFile:
            return
        except FFmpegError:
            damage.packets += 1


def _timed(frames: Iterator[F], start: float, spacing: float) -> Iterator[tuple[float, F]]:
    """Frames with their times; one without a time stamp follows the last one.

    Args:
        spacing: seconds between pictures, whose times never run backwards; 0 for sound.
    """
    last: float | None = None
    for frame in frames:
        length = frame.samples / frame.sample_rate if isinstance(frame, AudioFrame) else spacing
        following = 0.0 if last is None else last + length
        time = following if frame.time is None else frame.time - start
        if last is not None and spacing and time < last:
            continue
        last = time
        yield time, frame


def _shown(frame: VideoFrame | None, last: VideoFrame | None, stream: VideoStream) -> Shown:
    if frame is None or frame is last:
        return Shown(None)
    aspect = float(stream.sample_aspect_ratio or 1)
    width, height = frame.width * aspect, float(frame.height)
    factor = min(1.0, SIDE / max(width, height))
    size = max(2, round(width * factor)), max(2, round(height * factor))
    picture_HW3 = frame.reformat(*size, format="rgb24", interpolation="AREA").to_ndarray()
    # FFmpeg gives the angle against the clock by which a player turns the picture.
    return Shown(np.ascontiguousarray(np.rot90(picture_HW3, round(frame.rotation / 90) % 4)))


def _is_video(stream: VideoStream) -> bool:
    return stream.codec_context is not None and not stream.disposition & Disposition.attached_pic


def _picture_rank(stream: VideoStream) -> tuple[int, int]:
    return stream.width * stream.height, -stream.index


def _sound_rank(stream: AudioStream) -> tuple[bool, int, int, int]:
    default = bool(stream.disposition & Disposition.default)
    return default, stream.channels, stream.sample_rate or 0, -stream.index


def _said(stream: VideoStream | AudioStream) -> str:
    if isinstance(stream, VideoStream):
        return f"stream {stream.index} ({stream.width}×{stream.height})"
    return f"stream {stream.index} ({stream.layout.name}, {stream.sample_rate} Hz)"


def _codec(stream: Stream) -> str:
    context = stream.codec_context
    return "" if context is None else context.name


def _kinds(container: InputContainer) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "no stream"
