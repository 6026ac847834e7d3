"""What becomes of one case: accepted, refused with a place, or one of the four failures."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from mmcore.errors import MMStudyError

Verdict = Literal["accepted", "refused", "no place", "traceback", "hang", "silent"]
FAILURES: tuple[Verdict, ...] = ("no place", "traceback", "hang", "silent")

CPU_SECONDS = 5.0
"""A case that computes for longer hangs."""
WALL_SECONDS = 60.0
"""So does one that waits for longer, on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Args:
        kind: of the case. number: of the case in its campaign. verdict: what it comes to. text: the message.
        case: what was done to good input.
    """

    kind: str
    number: int
    verdict: Verdict
    text: str
    case: str


class Hang(BaseException):
    """A case takes too long. No ``except Exception`` may swallow it."""


class Silent(Exception):
    """A case was accepted, and something else was done than what it says."""


def judge(work: Callable[[], None]) -> tuple[Verdict, str]:
    """Do the work of a case within the time limits."""
    try:
        with _limits():
            work()
    except MMStudyError as error:
        return ("refused" if error.where else "no place"), error.message
    except Hang as error:
        return "hang", str(error)
    except Silent as error:
        return "silent", str(error)
    except OSError as error:
        # The command turns these into one line; it needs the file.
        return ("refused" if error.filename else "traceback"), f"{type(error).__name__}: {error}"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((f for f in reversed(frames) if "site-packages" not in f.filename), frames[-1])
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} at {last.filename}:{last.lineno}"
    return "accepted", ""


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        where = "" if frame is None else f" at {frame.f_code.co_filename}:{frame.f_lineno}"
        raise Hang(f"{'computes' if number == signal.SIGPROF else 'waits'}{where}")

    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
