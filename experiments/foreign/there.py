"""Whether the training code of a study is there before anything is trained: its program, its script, its function."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.foreign.source import Source, file_of_module
from studies.runner import AnyRunner, CommandRunner, FunctionRunner, as_word, placeholders, words_of

_INTERPRETER = re.compile(
    r"(?:python[\d.]*|pypy[\d.]*|bash|sh|zsh|dash|ksh|fish|Rscript|julia|node|perl|ruby|php|lua[\d.]*)(?:\.exe)?"
)
_FLAGS = re.compile(r"-[uOBEsSIPqv]+")
"""Options of Python's that take no value; behind any other, a word need not be the script."""


@dataclass(frozen=True)
class Missing:
    """A part of the training code that is not there.

    Args:
        rule, found, next_step: of the error.
        here: whether it is another matter on another machine: a program, unlike a file of the study.
    """

    rule: str
    found: str
    next_step: str
    here: bool


def missing_of(runner: AnyRunner, source: Source, arms: Mapping[str, Mapping[str, Any]]) -> Missing | None:
    """What of the training code is not there; None if nothing is known to lack.

    Nothing is run and nothing imported. A command of a shell, and what a program makes of its own words, is not looked
    at: ``docker run IMAGE python train.py`` may name files that are elsewhere.

    Args:
        arms: settings of each arm, by dotted name: a program may be one of them.
    """
    match runner:
        case CommandRunner(shell=True):
            return None
        case CommandRunner():
            commands = [(_words(runner, settings), _own(runner)) for settings in arms.values()]
            found = (one for words, own in commands for one in _missing_of_command(words, own, runner, source.folder))
            return next(found, None)
        case FunctionRunner():
            return _missing_function(runner, source.folder)


def _words(runner: CommandRunner, settings: Mapping[str, Any]) -> list[str]:
    given = {"repeat": "0", "workdir": "workdir", "config": "config", "python": sys.executable}
    return words_of(runner, {name: as_word(value) for name, value in settings.items()} | given)


def _own(runner: CommandRunner) -> list[bool]:
    """Which words stand in the command as they are, without a setting or a folder of the run's in them."""
    plain = runner.model_copy(update={"command": runner.command.replace("{{", "\0").replace("}}", "\0")})
    return [not any(placeholders(word)) for word in words_of(plain, dict.fromkeys(placeholders(plain.command), "{x}"))]


def _missing_of_command(words: list[str], own: list[bool], runner: CommandRunner, folder: Path) -> Iterator[Missing]:
    program = words[0]
    if "/" in program:
        path = folder / program
        if not path.is_file():
            yield Missing(
                f"there is no program '{program}'",
                "no such file" if not path.exists() else "a folder",
                f"Write it relative to {folder}, in which the command starts",
                here=os.path.isabs(program),
            )
        elif os.name == "posix" and not os.access(path, os.X_OK):
            yield Missing(
                f"'{program}' cannot be run",
                "a file without the right to run it",
                f"chmod +x '{path}', or name what runs it: python {program}",
                here=os.path.isabs(program),
            )
    elif shutil.which(program, path=runner.env.get("PATH")) is None:
        beside = f", or ./{program} for the file beside the study" if (folder / program).is_file() else ""
        ours = "Write {python} for the Python that runs mmstudy, or its path"
        yield Missing(
            f"there is no program '{program}'",
            "nothing of that name on PATH",
            ours
            if program == "python"
            else f"Install it, or write its path{beside}; a command of a shell needs runner.shell: true",
            here=True,
        )
    script = _script(words, own)
    if script is not None and not (folder / script).exists():
        yield Missing(
            f"there is no script '{script}', which {Path(program).name} is to run",
            "no such file",
            f"Write it relative to {folder}, in which the command starts",
            here=os.path.isabs(script),
        )


def _script(words: list[str], own: list[bool]) -> str | None:
    """The file that an interpreter is to run; None where that is not certain."""
    if words[0] != sys.executable and not _INTERPRETER.fullmatch(Path(words[0]).name):
        return None
    for word, plain in zip(words[1:], own[1:], strict=True):
        if not _FLAGS.fullmatch(word):
            return word if plain and not word.startswith("-") else None
    return None


def _missing_function(runner: FunctionRunner, folder: Path) -> Missing | None:
    module, _, name = runner.function.partition(":")
    path = file_of_module(module, folder)
    if path is None or path.suffix != ".py":
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None  # The run says it, with the line.
    if _may_define(tree, name):
        return None
    return Missing(
        f"module '{module}' has no function '{name}'",
        f"{path} without it",
        "Write function: package.module:name",
        here=False,
    )


def _may_define(tree: ast.Module, name: str) -> bool:
    """Whether a module may have a name: it defines it somewhere, or makes names in a way that only running it shows."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=own) | ast.AsyncFunctionDef(name=own) | ast.ClassDef(name=own):
                if own in (name, "__getattr__"):
                    return True
            case ast.Name(id=own):
                if own in (name, "globals", "exec", "setattr"):
                    return True
            case ast.alias(name=own, asname=called):
                if (called or own) in (name, "*"):
                    return True
            case _:
                pass
    return False
