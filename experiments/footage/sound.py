"""What is heard in each step: energy, speech, how long it has been silent, and a mel spectrum where it is asked for.

C channels, N samples, M mel bands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from experiments.footage.grid import RATE, SAMPLES, STEP
from experiments.footage.media import LATE, Block

SILENT = 0.01
"""Root mean square below which a step counts as silent: 40 dB below full scale."""
COLUMNS = ("audio_energy_rms", "audio_is_speaking", "silence_duration_ms")
BANDS = 64
WINDOW, HOP = 400, 160
"""Samples of a window of the mel spectrum, and from one to the next: 25 and 10 ms."""
FLOOR = 1e-10


class Listener(Protocol):
    """Turns steps of sound, in order, into rows."""

    def hear(self, channels_CN: np.ndarray, mono_N: np.ndarray) -> np.ndarray:
        """The row of a whole step."""
        ...

    def miss(self) -> np.ndarray:
        """The row of a step whose sound is missing, in part or whole."""
        ...


class Loudness:
    """Columns :data:`COLUMNS`.

    Args:
        speech: tells whether somebody speaks in a step of mono samples. reset: called where sound was missing.
    """

    def __init__(self, speech: Callable[[np.ndarray], float], reset: Callable[[], None]) -> None:
        self._speech, self._reset = speech, reset
        self._silent = 0

    def hear(self, channels_CN: np.ndarray, mono_N: np.ndarray) -> np.ndarray:
        """Energy is the root mean square over all samples of all channels, full scale 1."""
        energy = float(np.sqrt(np.mean(np.square(channels_CN, dtype=np.float64))))
        self._silent = self._silent + 1 if energy < SILENT else 0
        return np.array([energy, self._speech(mono_N), self._silent * STEP * 1000], np.float32)

    def miss(self) -> np.ndarray:
        """Nothing is known of a step without sound; the count of silence begins anew after it."""
        self._silent = 0
        self._reset()
        return np.full(len(COLUMNS), np.nan, np.float32)


class MelSpectrum:
    """Columns ``logmel_0`` to ``logmel_63``: base-10 logarithm of the power in each band, mean over a step."""

    def __init__(self) -> None:
        self._before_N = np.zeros(WINDOW - HOP, np.float32)
        self._shape_N = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        self._bands_MF = mel_bands(BANDS, WINDOW, RATE)

    def hear(self, channels_CN: np.ndarray, mono_N: np.ndarray) -> np.ndarray:
        """Windows end within the step, so that nothing later is heard."""
        sound_N = np.concatenate([self._before_N, mono_N])
        windows_WN = np.lib.stride_tricks.sliding_window_view(sound_N, WINDOW)[::HOP] * self._shape_N
        power_WF = np.abs(np.fft.rfft(windows_WN, axis=1)) ** 2
        self._before_N = sound_N[-(WINDOW - HOP) :]
        return np.log10(np.maximum(self._bands_MF @ power_WF.mean(axis=0), FLOOR)).astype(np.float32)

    def miss(self) -> np.ndarray:
        """Nothing is known of a step without sound."""
        self._before_N = np.zeros(WINDOW - HOP, np.float32)
        return np.full(BANDS, np.nan, np.float32)


def mel_bands(bands: int, window: int, rate: int) -> np.ndarray:
    """Triangles (M, F) over the frequencies of a window, evenly spaced in mel (HTK: 2595 log10(1 + f/700))."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    hertz_F = np.fft.rfftfreq(window, 1 / rate)
    # A band between two frequencies of the window would hear nothing: each is at least one of them wide.
    wide = np.maximum(np.diff(edges), hertz_F[1])
    rising_MF = (hertz_F - edges[1:-1, None] + wide[:-1, None]) / wide[:-1, None]
    falling_MF = (edges[1:-1, None] + wide[1:, None] - hertz_F) / wide[1:, None]
    return np.maximum(0, np.minimum(rising_MF, falling_MF)).astype(np.float32)


def _padded(block: Block, missing: int) -> Block:
    """Fill a hole before a block that is too short to hear, such as the delay of a codec, with silence."""
    channels_CN = np.pad(block.channels_CN, ((0, 0), (missing, 0)))
    return Block(block.start - missing, channels_CN, np.pad(block.mono_N, (missing, 0)))


def listen(blocks: Iterator[Block], listeners: list[Listener]) -> Iterator[list[np.ndarray]]:
    """For each whole step the rows of all listeners; steps in which samples are missing are missed."""
    channels: list[np.ndarray] = []
    mono: list[np.ndarray] = []
    held, step = 0, 0
    for block in blocks:
        begin = step * SAMPLES + held
        if 0 < block.start - begin <= LATE * RATE:
            block = _padded(block, block.start - begin)
        if block.start > begin or (channels and channels[0].shape[0] != block.channels_CN.shape[0]):
            # The begun step stays incomplete; the next whole one begins after the gap.
            whole = -(-block.start // SAMPLES)
            for _ in range(whole - step):
                yield [one.miss() for one in listeners]
            cut = whole * SAMPLES - block.start
            step, held, channels, mono = whole, 0, [], []
            block = Block(block.start + cut, block.channels_CN[:, cut:], block.mono_N[cut:])
        if not block.mono_N.size:
            continue
        channels.append(block.channels_CN)
        mono.append(block.mono_N)
        held += block.mono_N.size
        if held < SAMPLES:
            continue
        channels_CN, mono_N = np.concatenate(channels, axis=1), np.concatenate(mono)
        for at in range(held // SAMPLES):
            part = slice(at * SAMPLES, (at + 1) * SAMPLES)
            yield [one.hear(channels_CN[:, part], mono_N[part]) for one in listeners]
        rest = held // SAMPLES * SAMPLES
        step += held // SAMPLES
        channels, mono, held = [channels_CN[:, rest:]], [mono_N[rest:]], held - rest
