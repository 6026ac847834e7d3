"""Small disks and read-only folders; both need the right to mount."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@cache
def allowed() -> bool:
    """Whether this process may mount a disk."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(words, capture_output=True).returncode:
            return False
        _unmount(Path(folder))
    return True


@contextmanager
def small(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of ``size`` bytes in memory at a folder; gives a function that changes its size."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)

    def resize(bytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={bytes}", str(folder)], check=True)

    try:
        yield resize
    finally:
        _unmount(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing below the folder can be written within this block."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        locked = ["mount", "-o", "remount,ro,bind", str(folder)]
        # Busy while a process that was killed is not quite gone and still has a file open.
        for _ in range(100):
            if subprocess.run(locked, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(locked, check=True)
        yield
    finally:
        _unmount(folder)


def _unmount(folder: Path) -> None:
    # Lazily: a process that was killed may not quite be gone.
    subprocess.run(["umount", "-l", str(folder)], check=True)
