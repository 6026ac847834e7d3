"""Calls a training function of the user's in a fresh process: ``python call.py CALL.json``.

A program of its own that imports none of our packages before the function's module, since the user's packages may have
the same names. The file says what to call: ``function``, ``config``, ``repeat``, ``workdir``, ``path`` (where modules
are looked for first), ``code`` (where ours are), and where ``scores``, ``epochs`` and ``error`` are written.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def main(file: str) -> int:
    """Call the function; its exit code."""
    asked: Mapping[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    sys.path[:0] = asked["path"]
    workdir = Path(asked["workdir"])
    try:
        function = _function(asked["function"])
        with open(asked["epochs"], "a", encoding="utf-8") as epochs:

            def report(*, epoch: int, **scores: float) -> None:
                """An epoch is done; scores may also be given as ``**{"left/accuracy": 0.5}``."""
                epochs.write(json.dumps({"epoch": int(epoch), **_plain(scores)}) + "\n")
                epochs.flush()

            scores = function(asked["config"], asked["repeat"], workdir, report)
        if not isinstance(scores, Mapping):
            raise TypeError(
                f"{asked['function']} must return a mapping from the name of a score to its value; "
                f"it returned {type(scores).__name__}"
            )
        _write(Path(asked["scores"]), json.dumps(_plain(scores)))
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code in (None, 0):
            error = SystemExit("the function ended Python by sys.exit() before it returned its scores")
        _write(Path(asked["error"]), json.dumps(_failure(error, asked["code"])))
        return 1
    return 0


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if found is None:
        raise AttributeError(f"module '{module}' has no function '{name}'")
    return found


def _plain(value: Any) -> Any:
    """Numbers of any library as Python's own; JSON keeps each bit of them."""
    match value:
        case None | bool() | str() | int() | float():
            # A subclass (numpy's float64 is one) is written as its value.
            return float(value) if isinstance(value, float) else value
        case Mapping():
            return {str(name): _plain(entry) for name, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _ if hasattr(value, "tolist"):
            return _plain(value.tolist())
        case _ if hasattr(value, "__float__"):
            return float(value)
        case _:
            raise TypeError(f"a score must be a number; found {type(value).__name__}")


def _failure(error: BaseException, code: str) -> dict[str, str]:
    message = str(error) or repr(error)
    if code not in sys.path:
        sys.path.append(code)
    from mmcore.own_frames import own_traceback

    return {"error": type(error).__name__, "message": message, "traceback": own_traceback(error)}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
