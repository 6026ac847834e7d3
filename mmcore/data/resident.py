"""Windows that a training reads in every epoch: made once where they fit, else sent to a device one batch ahead.

B batch, W windows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch

ROOM = 64 << 20
"""Bytes of windows that are kept in this machine's memory at most, for each loader that keeps any."""
SHARE = 8
"""Of a device's memory that is free, windows may take the 8th part: other workers may train on it, too."""


def room_on(device: torch.device) -> int:
    """Bytes of windows that may be kept on a device."""
    if device.type != "cuda":
        return ROOM
    free, _ = torch.cuda.mem_get_info(device)
    return free // SHARE


class Kept:
    """All windows of a loader in one batch, made when it is asked for the first time. Batches are copies of it.

    Args:
        make: assembles windows by their indices.
        windows: W.
        together: how many are assembled at a time.
        device: where they are kept.
        pinned: whether they are kept in memory from which a graphics card can copy by itself; only on the CPU.
    """

    def __init__(
        self,
        make: Callable[[np.ndarray], Batch],
        windows: int,
        together: int,
        device: torch.device,
        pinned: bool = False,
    ) -> None:
        self.make, self.windows, self.together = make, windows, together
        self.device, self.pinned = device, pinned
        self._whole: Batch | None = None

    @property
    def whole(self) -> Batch:
        """All windows in the order of their indices."""
        if self._whole is None:
            starts = range(0, self.windows, self.together)
            parts = [self.make(np.arange(a, min(a + self.together, self.windows))).to(self.device) for a in starts]
            whole = _joined(parts)
            self._whole = _each(whole, Tensor.pin_memory) if self.pinned else whole
        return self._whole

    def pick(self, windows_B: np.ndarray) -> Batch:
        """Some windows, in the order of their indices given: on the device, and the caller's own to change."""
        if self.device.type != "cpu":
            index_B = torch.from_numpy(windows_B).to(self.device)
            return _each(self.whole, lambda x: x.index_select(0, index_B))
        first = int(windows_B[0])
        if self.pinned and np.array_equal(windows_B, np.arange(first, first + len(windows_B))):
            # A part of pinned memory is pinned, and its copy would not be.
            return _each(self.whole, lambda x: x[first : first + len(windows_B)])
        # With numpy, as batches are assembled: these copies are none of the model's operations.
        return _each(self.whole, lambda x: torch.from_numpy(x.numpy()[windows_B]))


def sent(batches: Iterator[Batch], device: torch.device) -> Generator[Batch, None, None]:
    """The batches on a device, in order. A thread makes the next one meanwhile, in pinned memory on the way to CUDA.

    What goes wrong in the thread is raised here, where its batch would have come.
    """

    def made() -> Batch | None:
        batch = next(batches, None)
        return batch if batch is None or device.type != "cuda" else _each(batch, Tensor.pin_memory)

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        following = thread.submit(made)
        while (batch := following.result()) is not None:
            following = thread.submit(made)
            yield batch.to(device)


def _joined(parts: list[Batch]) -> Batch:
    values = {name: torch.cat([part.values[name] for part in parts]) for name in parts[0].values}
    names = [field.name for field in fields(Batch) if field.name != "values"]
    return Batch(values=values, **{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    tensors = {name: change(x) for name, x in batch.__dict__.items() if isinstance(x, Tensor)}
    return replace(batch, values={name: change(x) for name, x in batch.values.items()}, **tensors)
