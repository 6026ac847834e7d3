"""The help of ``mmstudy`` in the reader's language: texts of commands and options are found when it is printed."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command

from mmcore.complaints import complaint
from mmcore.language import VARIABLE, known, language, later, say
from reports.lines import padded, wrapped

WIDTH = 78
"""Columns of a line of help at most."""
_MARGIN = "  "

HEADINGS = {
    "arguments": later("Arguments"),
    "options": later("Options"),
    "commands": later("Commands"),
}
USAGE = later("Usage:")
OWN_HELP = later("Show this message and exit.")
"""The help of ``--help``, which typer writes."""
EXTRAS = {"default: ": later("default: "), "required": later("required")}
"""What typer puts in brackets behind the help of a parameter."""


@dataclass(frozen=True)
class HelpText:
    """A text of the help; ``file`` has the command that it belongs to."""

    text: str
    file: str


def help_texts(command: Any, file: str = "") -> Iterator[HelpText]:
    """Every text that the help of a command and of those below it shows, in their order."""
    callback = inspect.unwrap(command.callback) if command.callback is not None else None
    where = callback.__code__.co_filename if callback is not None else file
    if command.help:
        yield HelpText(_paragraphs(command.help), where)
    for param in command.params:
        if text := getattr(param, "help", None):
            yield HelpText(_one_line(text), where)
    for below in _below(command).values():
        yield from help_texts(below, where)


def use_language(value: str | None) -> None:
    """Let ``--lang`` stand for the environment variable, which it overrules; child processes inherit it.

    Raises:
        ConfigError: the language has no catalogue.
    """
    if value is not None:
        os.environ[VARIABLE] = known(value, "--lang")


class SpokenContext(typer.Context):
    """Gives the help of its command in the language of this moment; in English, typer's own."""

    def get_help(self) -> str:
        """The whole help, as ``--help`` prints it."""
        return super().get_help() if language() == "en" else _help(self)


class SpokenGroup(TyperGroup):
    """The group at the root: every command below it has a :class:`SpokenContext`."""

    context_class = SpokenContext

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Options of mmstudy itself, read."""
        with _plainly():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Options of the verb, read, and the verb done."""
        with _plainly():
            return super().invoke(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            _let_speak(found)
        return found


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """What typer says of a value that it refuses, in our words and with the value: it has pydantic look at options."""
    try:
        yield
    except typer.BadParameter as error:
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            (first, *_) = cause.errors(include_url=False)
            said, found = complaint(first), repr(first["input"])[:80]
            error.message = said if found in said else f"{said}; found {found}"
        raise


@cache
def built(app: typer.Typer) -> Any:
    """The command with all its verbs, once in a process: typer would build it from their signatures for each call."""
    return get_command(app)


def _let_speak(command: Any) -> None:
    command.context_class = SpokenContext
    for below in _below(command).values():
        _let_speak(below)


def _below(command: Any) -> Mapping[str, Any]:
    return getattr(command, "commands", {})


def _help(context: SpokenContext) -> str:
    command: Any = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [*wrapped(f"{say(USAGE)} {usage}", WIDTH), ""]
    for paragraph in say(_paragraphs(command.help or "")).split("\n\n"):
        lines += [*wrapped(paragraph, WIDTH, _MARGIN, _MARGIN), ""]
    rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is not None:
            heading = "arguments" if param.param_type_name == "argument" else "options"
            rows[heading].append((record[0], _param_text(param.help or "", record[1])))
    for name, below in _below(command).items():
        if not below.hidden:
            rows["commands"].append((name, _first_sentence(say(_paragraphs(below.help or "")))))
    for heading, below in rows.items():
        if below:
            lines += [f"{say(HEADINGS[heading])}:", *_list(below), ""]
    return "\n".join(lines[:-1])


def _param_text(text: str, shown: str) -> str:
    """The help of a parameter, with what typer adds in brackets."""
    added = shown.removeprefix(text)
    for english, marked in EXTRAS.items():
        added = added.replace(english, say(marked))
    return say(_one_line(text)) + added


def _paragraphs(text: str) -> str:
    return "\n\n".join(_one_line(part) for part in inspect.cleandoc(text).partition("\f")[0].split("\n\n"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _first_sentence(text: str) -> str:
    return text.split("\n")[0].split("。")[0].split("; ")[0]


def _list(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Names with their texts; a name that is too long has a line for itself."""
    column = min(max(len(_MARGIN + name) for name, _ in rows), 32) + 2
    for name, text in rows:
        behind = " " * column
        lines = wrapped(text, WIDTH, behind, behind) or [""]
        start = _MARGIN + name
        if len(start) + 2 > column:
            yield start
            yield from lines
        else:
            yield padded(start, column) + lines[0][column:]
            yield from lines[1:]
