"""The command ``mmstudy``, as a user meets it: what it prints and its exit code.

Most tests call it in this process, which saves starting Python and importing the libraries again; some prove the
same of a real process.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from experiments.cli.main import main
from experiments.home import Home


def words_of(home: Home, *words: str | Path) -> list[str]:
    return ["--home", str(home.root), *map(str, words)]


def exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def mmstudy(home: Home, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in this process, through the entry point of the real one; what it changes outside is put back."""
    arguments = words_of(home, *words)
    out, errors = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(errors),
        patch.object(sys, "argv", ["mmstudy", *arguments]),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ),
    ):
        code = exit_code()
    return subprocess.CompletedProcess(["mmstudy", *arguments], code, out.getvalue(), errors.getvalue())


def mmstudy_process(home: Home, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "experiments.cli", *words_of(home, *words)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
