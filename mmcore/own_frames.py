"""Tracebacks of errors within the user's own code, cut to the user's own frames."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("mmcore", "studies", "reports", "experiments", "mmstudy")
_PLACES = sysconfig.get_paths()


def own_traceback(error: BaseException) -> str:
    """The traceback of an error as Python prints it, without the frames of mmstudy, of Python and of libraries.

    The frames of libraries stay where no other frame is left: then the user's code is an installed package. All frames
    stay where the error came from mmstudy alone.
    """
    report = traceback.TracebackException.from_exception(error)
    _cut(report)
    return "".join(report.format())


def _cut(report: traceback.TracebackException) -> None:
    outside = [frame for frame in report.stack if not _of_mmstudy(frame.filename) and not _of_python(frame.filename)]
    own = [frame for frame in outside if not _of_a_library(frame.filename)]
    report.stack = traceback.StackSummary.from_list(own or outside or list(report.stack))
    for other in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if other is not None:
            _cut(other)


def _of_mmstudy(file: str) -> bool:
    return any(Path(file).is_relative_to(_ROOT / package) for package in _PACKAGES)


def _of_python(file: str) -> bool:
    if file.startswith("<"):
        return True
    inside = any(Path(file).is_relative_to(_PLACES[name]) for name in ("stdlib", "platstdlib"))
    return inside and not _of_a_library(file)


def _of_a_library(file: str) -> bool:
    return any(Path(file).is_relative_to(_PLACES[name]) for name in ("purelib", "platlib"))
