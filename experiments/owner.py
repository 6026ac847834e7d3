"""Who does something: a process that another one, or a later command, knows again."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache

import psutil


@dataclass(frozen=True)
class Owner:
    """A process, identified by its number and the moment of its start, since numbers are used again.

    Args:
        host: its machine. pid: its number.
        created: when it began, by the time of day; this changes when somebody sets the machine's clock.
        since_boot: the same in seconds after the start of the machine; None: an earlier version wrote it.
    """

    host: str
    pid: int
    created: float
    since_boot: float | None = None

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), *_my_start(os.getpid()))

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_me(self) -> bool:
        """Whether it is this process."""
        return self._is(Owner.me())

    @property
    def alive(self) -> bool:
        """Whether it still runs; known only for processes of this machine."""
        try:
            process = psutil.Process(self.pid)
            found = Owner(self.host, self.pid, *_start_of(process))
            return self._is(found) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def _is(self, other: Owner) -> bool:
        if (self.host, self.pid) != (other.host, other.pid):
            return False
        # Clocks are read at different resolutions; a number is not used again within a second.
        if abs(self.created - other.created) < 1.0:
            return True
        if self.since_boot is None or other.since_boot is None:
            return False
        return abs(self.since_boot - other.since_boot) < 1.0


@cache
def _my_start(pid: int) -> tuple[float, float]:
    """When this process began; a copy of it has another number. Asked for with every look at what others do."""
    return _start_of(psutil.Process(pid))


def _start_of(process: psutil.Process) -> tuple[float, float]:
    """When a process began: by the time of day, and in seconds after the start of the machine."""
    created = process.create_time()
    return created, round(created - psutil.boot_time(), 3)
