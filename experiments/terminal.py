"""What a terminal is given: no character of a name may move its cursor or turn its text round; errors are one line."""

from __future__ import annotations

import _thread
import contextlib
import errno
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from mmcore.atomic import FULL, disk_full
from mmcore.errors import MMStudyError
from mmcore.files import found_by_system, next_step_of
from mmcore.language import later, say

_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters besides tab and line break, marks of direction, and halves of surrogates."""


def safe(text: str) -> str:
    """The text as a terminal may have it: what is unsafe as ``\\uXXXX``, as JSON writes it.

    Example:
        >>> safe("red\\x1b[31m"), safe("plain")
        ('red\\\\u001b[31m', 'plain')
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class SafeStream(io.TextIOBase):
    """A text stream that passes on safe text only.

    Args:
        raw: the stream behind it.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str, /) -> int:
        """Write what :func:`safe` makes of a text."""
        shown = safe(text)
        try:
            self.raw.write(shown)
        except UnicodeEncodeError:
            encoding = getattr(self.raw, "encoding", None) or "ascii"
            self.raw.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write what the stream behind it holds back."""
        self.raw.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self.raw.isatty()

    def fileno(self) -> int:
        """Of the stream behind it."""
        return self.raw.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the stream behind it; UTF-8 where that does not say."""
        return getattr(self.raw, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Nothing is ever refused."""
        return "backslashreplace"


def behind(stream: Any) -> Any:
    """The stream itself, for a library that colours what it writes; its texts must be made safe before."""
    return stream.raw if isinstance(stream, SafeStream) else stream


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Standard output and standard error pass on safe text only."""
    out, errors = SafeStream(sys.stdout), SafeStream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        yield


INTERRUPTED = later("interrupted; finished work is kept, and the same command resumes")


def guarded(work: Callable[[], None]) -> None:
    """Do the work of a command with safe output; its errors become one line on standard error and exit code 2.

    SIGTERM, which batch systems and service managers send, stops a command in the same order as Ctrl-C.
    """
    _speak_utf8()
    signal.signal(signal.SIGTERM, _stop)
    with safe_output(), _no_lost_interrupt():
        try:
            work()
        except KeyboardInterrupt:
            # Before or after the verb itself, which may have more to do.
            print(say(INTERRUPTED), file=sys.stderr)
            sys.exit(130)
        except MMStudyError as error:
            print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
            sys.exit(2)
        except BrokenPipeError:
            # The reader of a pipe (head, say) has seen enough.
            behind(sys.stderr).close()
            sys.exit(0)
        except OSError as error:
            if error.errno in FULL:
                print(f"error: {disk_full(error, Path.cwd())}", file=sys.stderr)
                sys.exit(2)
            place = f"{error.filename}: " if error.filename else ""
            # Whether it was read or written is not known here.
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) or not isinstance(error.filename, str)
            step = "Check the path and its permissions" if denied else next_step_of(Path(error.filename), error)
            print(f"error: {place}{found_by_system(error)}. {step}", file=sys.stderr)
            sys.exit(2)
        except Exception as error:
            if not _by_interrupt(error):
                raise
            print(say(INTERRUPTED), file=sys.stderr)
            sys.exit(130)


def _by_interrupt(error: BaseException) -> bool:
    """Whether an error is what a library made of Ctrl-C; one whose import is cut off raises ImportError."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        if isinstance(found, KeyboardInterrupt):
            return True
        seen.append(found)
        found = found.__cause__ or found.__context__
    return False


def _interrupt() -> None:
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        _thread.interrupt_main(signal.SIGTERM)
    else:
        # Wakes it from a wait, too.
        signal.pthread_kill(main, signal.SIGTERM)


@contextlib.contextmanager
def _no_lost_interrupt() -> Iterator[None]:
    """Raise Ctrl-C again a moment later where Python swallows it, as in a destructor or when a weak reference ends."""
    usual = sys.unraisablehook

    def swallowed(found: Any) -> None:
        if not isinstance(found.exc_value, KeyboardInterrupt):
            usual(found)
            return
        # Only the main thread is interrupted, so this is it.
        signal.signal(signal.SIGTERM, _stop)
        again = threading.Timer(0.02, _interrupt)
        again.daemon = True
        again.start()

    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        sys.unraisablehook = usual


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Once: a second signal must not cut the orderly stop short.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _speak_utf8() -> None:
    """Let a pipe have UTF-8, whatever the console's letters are: programs read it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty() and "PYTHONIOENCODING" not in os.environ:
            stream.reconfigure(encoding="utf-8")
