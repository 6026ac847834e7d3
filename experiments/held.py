"""Whether a process holds a lock. Looking changes no file, and works in a home that may only be read."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout


def is_held(path: Path) -> bool:
    """Whether a process holds a lock; False where there is no such file, or this user may not read it."""
    if not path.is_file():
        return False
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0):
                return False
        except (Timeout, OSError) as problem:
            return isinstance(problem, Timeout)
    import fcntl

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # A shared lock is refused as long as a process has the lock for itself.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as problem:
        # Some mounted disks have no locks at all.
        return problem.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(file)
    return False
