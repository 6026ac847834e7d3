"""The CPU threads of a run: one unless more are asked for, and afterwards what the process had before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def with_threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads of torch for as long as the context is open.

    Sums over more threads are added in another order and round differently, so the number must not follow from what a
    machine happens to have. It holds for the whole process: run one training at a time in it.

    Args:
        count: CPU threads; None: one.

    Example:
        >>> with with_threads(None):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
