"""How every command ends: errors as one line, signals as an orderly stop, output that any console takes."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mmcore.atomic import FULL, disk_full
from mmcore.errors import MMStudyError


def guarded(command: Callable[[], object]) -> None:
    """Run a command. Errors of ours become one line on standard error and exit code 2.

    SIGTERM, which batch systems and service managers send, stops a command in the same order as Ctrl-C.
    """
    _speak_utf8()
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _stop)
    try:
        command()
    except MMStudyError as error:
        _end(str(error))
    except BrokenPipeError:
        # The reader of a pipe (head, say) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno in FULL:
            _end(str(disk_full(error, Path.cwd())))
        place = f"{error.filename}: " if error.filename else ""
        _end(f"{place}{error.strerror or error}. Check the path and its permissions")


def _end(text: str) -> NoReturn:
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Once: whoever asks again while the command stops is not to cut that short.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _speak_utf8() -> None:
    """Let a pipe have UTF-8 and a console what it can show: a name must not end a command by its letters."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() or "PYTHONIOENCODING" in os.environ:
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
