"""How busy a worker's machine is, measured beside training: it changes no number of a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import psutil

from mmcore.events import EpochDone, Event, Load, OnEvent

EVERY = 10.0
"""Seconds between two measurements at least, as MLflow has them."""


class Gauge:
    """Measures after epochs, at most every :data:`EVERY` seconds; the first epoch of a run is always measured.

    Args:
        clock: seconds; another one for tests.
        with_children: count the memory of child processes, where the training code runs in one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, with_children: bool = False) -> None:
        self._clock, self._with_children = clock, with_children
        self._process = psutil.Process()
        self._last = -EVERY
        # The first call of these begins the interval that the next one is about.
        psutil.cpu_percent()
        self._process.cpu_percent()

    def watched(self, on_event: OnEvent) -> OnEvent:
        """The same listener, which also hears of the load after epochs."""
        self._last = self._clock() - EVERY

        def hear(event: Event, /) -> None:
            on_event(event)
            if isinstance(event, EpochDone) and self._clock() - self._last >= EVERY:
                self._last = self._clock()
                on_event(Load(event.epoch, self.measure()))

        return hear

    def measure(self) -> dict[str, float]:
        """The load of the machine and of this process, by MLflow's names of system metrics."""
        memory = psutil.virtual_memory()
        found = {
            "system/cpu_utilization_percentage": psutil.cpu_percent(),
            "system/system_memory_usage_megabytes": round((memory.total - memory.available) / 1e6, 1),
            "system/system_memory_usage_percentage": memory.percent,
            "system/process_cpu_utilization_percentage": self._process.cpu_percent(),
            "system/process_memory_usage_megabytes": round(self._resident() / 1e6, 1),
        }
        return found | _accelerator()

    def _resident(self) -> int:
        """Bytes in memory."""
        total = 0
        # To look for children takes longer than all else.
        children = self._process.children(recursive=True) if self._with_children else []
        for one in (self._process, *children):
            try:
                total += one.memory_info().rss
            except psutil.Error:
                # It has ended in between.
                continue
        return total


def _accelerator() -> dict[str, float]:
    """Memory of the GPU that this process trains on; torch is asked only where it is loaded and uses one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"system/gpu_0_memory_usage_megabytes": round(torch.cuda.memory_reserved() / 1e6, 1)}
