"""Training code of the user's own: a command or a Python function that trains one run and gives its scores."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, field_validator, model_validator

from mmcore.config import Plain
from mmcore.errors import StudyError, nearest
from mmcore.frozen import Frozen

Splits = Literal["shared", "by_repeat", "unknown"]
"""How the training code divides items into train and test. shared: every repeat tests the same items; by_repeat: the
repeat draws the test items; unknown: nobody says."""

GIVEN = {
    "repeat": "number of the repeat, to be used as the seed",
    "workdir": "an empty folder for this run's files; the command starts in the study's folder",
    "config": "a file with the run's settings, written by mmstudy",
    "python": "the Python that mmstudy itself runs in",
}
"""Placeholders of a command besides the names of settings."""

_EVERY = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class _Runner(Frozen):
    """What a command and a function have in common."""

    source: tuple[str, ...] = ()
    """Files and folders of the training code besides those that mmstudy finds itself, relative to the study's file. A
    changed file makes new runs."""
    split: Splits = "unknown"
    """How the training code divides items into train and test; decides what verdicts may claim."""
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Share of all items that a repeat tests; intervals allow for it. Needed with ``split: by_repeat``; with
    ``split: shared`` it counts for verdicts about new items, and 0.2 is assumed."""
    lower_is_better: bool | tuple[str, ...] | None = None
    """Whether a lower value of the study's metric is better; or the scores of which this is true. None: known from the
    metric's name."""
    max_epochs: PositiveInt | str | None = None
    """Epochs of a whole training, or the setting that holds them; needed to end hopeless trials of a search early."""
    timeout: PositiveFloat | None = None
    """Seconds after which a run is killed and counts as failed; None: never."""
    env: dict[str, str] = {}
    """Environment variables that are set for the training code."""
    resumes: bool = False
    """Whether the training code goes on from files that an interrupted attempt left in ``workdir``; otherwise each
    attempt starts in an empty folder."""

    @field_validator("source", "lower_is_better", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _share(self) -> _Runner:
        if self.split == "by_repeat" and self.test_share is None:
            raise ValueError(
                "split: by_repeat needs test_share, the share of the items that a repeat tests (such as 0.2): repeats "
                "then share training items, and intervals must allow for it"
            )
        if self.split == "unknown" and self.test_share is not None:
            raise ValueError("test_share belongs to split: by_repeat or split: shared")
        return self


class CommandRunner(_Runner):
    """A command line that trains one run and leaves its scores in a file."""

    command: str = Field(min_length=1)
    """The command line. ``{NAME}`` stands for a setting of ``base``; see also :data:`GIVEN`. It is divided into words
    first, so a value with spaces stays one word."""
    scores: str = Field("scores.json", min_length=1)
    """The file of scores, within ``workdir``."""
    epochs: str = Field("epochs.jsonl", min_length=1)
    """The file of epochs, within ``workdir``: one JSON object a line, while the command runs; need not be written."""
    config: Literal["yaml", "json"] = "yaml"
    """Format of the file behind ``{config}``."""
    shell: bool = False
    """Whether a shell interprets the command line: pipes, ``&&``, variables."""

    @field_validator("scores", "epochs")
    @classmethod
    def _within(cls, value: str) -> str:
        if value.startswith(("/", "~")) or ".." in re.split(r"[/\\]", value) or re.match(r"[A-Za-z]:", value):
            raise ValueError(f"must be a path within the run's workdir; found '{value}'")
        return value


class FunctionRunner(_Runner):
    """A Python function ``run(config, repeat, workdir, report)`` that trains one run and returns its scores."""

    function: str
    """``package.module:name``, found beside the study's file or installed."""

    @field_validator("function")
    @classmethod
    def _path(cls, value: str) -> str:
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", value):
            raise ValueError(f"must be package.module:name; found '{value}'")
        return value


AnyRunner: TypeAlias = CommandRunner | FunctionRunner


def _tag(value: object) -> str:
    """A function where one is named; all else is read as a command, so that errors speak of that."""
    if isinstance(value, FunctionRunner) or (
        isinstance(value, dict) and "function" in value and "command" not in value
    ):
        return "function"
    return "command"


Runner = Annotated[
    Annotated[CommandRunner, Tag("command")] | Annotated[FunctionRunner, Tag("function")], Discriminator(_tag)
]
"""A command, or a function."""


# Command lines -------------------------------------------------------------------------------------------------------
def placeholders(text: str) -> Iterator[str]:
    """The names within braces, in order; ``{{`` and ``}}`` are plain braces.

    Raises:
        ValueError: a brace without its partner.

    Example:
        >>> list(placeholders("--lr {lr} --json {{}}"))
        ['lr']
    """
    for found in _EVERY.finditer(text):
        if found[1] is not None:
            yield found[1]
        elif found[0] in "{}":
            raise ValueError(f"the brace '{found[0]}' at character {found.start() + 1} has no partner")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with values in place of placeholders, and single braces for double ones.

    Raises:
        KeyError: a placeholder without a value.

    Example:
        >>> filled("--lr {lr} --json {{}}", {"lr": "0.1"})
        '--lr 0.1 --json {}'
    """
    return _EVERY.sub(lambda found: found[0][0] if found[1] is None else values[found[1]], text)


def as_word(value: object) -> str:
    """A setting's value as it stands in a command: text as it is, all else as JSON has it.

    Example:
        >>> as_word(1e-3), as_word("a b"), as_word(True), as_word(None), as_word([1, 2])
        ('0.001', 'a b', 'true', 'null', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def words_of(runner: CommandRunner, values: Mapping[str, str]) -> list[str]:
    """The words of a run's command: divided first, so that each value stays within its word; for a shell, one line
    whose values are quoted."""
    if runner.shell:
        return [filled(runner.command, {name: shlex.quote(value) for name, value in values.items()})]
    return [filled(word, values) for word in shlex.split(runner.command)]


def refuse_command(runner: CommandRunner, settings: Mapping[str, Any], where: str) -> None:
    """Whether every run of a study would get its own command line.

    Args:
        settings: of the base, by dotted name.
        where: file and line of the command.

    Raises:
        StudyError: a command that cannot be read, an unknown placeholder, a setting or the repeat that no placeholder
            hands over.
    """
    try:
        named = set(placeholders(runner.command))
        words = shlex.split(runner.command)
    except ValueError as problem:
        raise StudyError(
            "the command cannot be divided into words",
            found=str(problem).lower(),
            where=where,
            next_step="Close each quote; write {{ and }} for plain braces",
        ) from None
    if not words:
        raise StudyError("the command is empty", where=where, next_step="Write: python train.py --seed {repeat}")
    for name in named:
        if name not in settings and name not in GIVEN:
            raise StudyError(
                f"the command names the unknown placeholder {{{name}}}",
                expected="a setting of base, or one of " + ", ".join(f"{{{given}}}" for given in GIVEN),
                where=where,
                next_step=nearest(name, [*settings, *GIVEN]),
            )
    if unheard := [name for name in settings if name not in named and "config" not in named]:
        raise StudyError(
            f"the command never hears of the setting '{unheard[0]}', so arms that change it would be alike",
            expected="each setting of base as a placeholder, or {config} for all of them in a file",
            where=where,
            next_step=f"Add {{{unheard[0]}}} to the command, or remove the setting from base",
        )
    in_file = "config" in named and any(_says_repeat(value) for value in settings.values())
    if "repeat" not in named and not in_file:
        step = "Add {repeat} to the command, such as --seed {repeat}"
        raise StudyError(
            "the command does not use {repeat}, so all repeats of an arm would be the same run",
            where=where,
            next_step=step + ('; or write seed: "{repeat}" in base' if "config" in named else ""),
        )


def _says_repeat(value: object) -> bool:
    return isinstance(value, str) and "{repeat}" in value


def settings_of(settings: Mapping[str, Any], values: Mapping[str, Any]) -> Plain:
    """The settings of one run: ``{repeat}`` and ``{workdir}`` within a text get their values.

    A text that is nothing but a placeholder becomes the value itself, so ``seed: "{repeat}"`` is a number.

    Example:
        >>> settings_of({"seed": "{repeat}", "out": "{workdir}/model", "lr": 0.1}, {"repeat": 3, "workdir": "w"})
        {'seed': 3, 'out': 'w/model', 'lr': 0.1}
    """

    def value_of(written: Any) -> Any:
        if not isinstance(written, str):
            return written
        for name, value in values.items():
            if written == f"{{{name}}}":
                return value
            written = written.replace(f"{{{name}}}", str(value))
        return written

    return {name: value_of(written) for name, written in settings.items()}


def nested(settings: Mapping[str, Any]) -> Plain:
    """Settings by dotted name as mappings within mappings.

    Example:
        >>> nested({"model.width": 8, "lr": 0.1})
        {'model': {'width': 8}, 'lr': 0.1}
    """
    whole: Plain = {}
    for name, value in settings.items():
        *parents, last = name.split(".")
        inner = whole
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return whole


def max_epochs(runner: AnyRunner, settings: Mapping[str, Any]) -> int:
    """Epochs of a whole training with these settings; 0 where nobody says."""
    said = runner.max_epochs
    return (settings[said] if isinstance(said, str) else said) or 0


# Scores --------------------------------------------------------------------------------------------------------------
_HIGHER = {"accuracy", "acc", "f1", "precision", "recall", "auc", "auroc", "skill", "r2", "bleu", "rouge"}
_LOWER = {"loss", "error", "mae", "mse", "rmse", "nll", "perplexity", "ppl", "wer", "cer", "distance", "brier"}
"""Words in the names of scores whose direction nobody disputes."""


def higher_is_better(runner: AnyRunner, measure: str, where: str) -> bool:
    """Direction of a score.

    Args:
        measure: the score's name, without its component.
        where: file and line of the study's metric.

    Raises:
        StudyError: neither the runner nor the name says it. A wrong guess would reverse every verdict.
    """
    match runner.lower_is_better:
        case bool(lower):
            return not lower
        case tuple(names):
            return measure not in names
        case None:
            pass
    words = set(re.split(r"[^a-z0-9]+", measure.lower()))
    higher, lower = bool(words & _HIGHER), bool(words & _LOWER)
    if higher == lower:
        raise StudyError(
            f"mmstudy must know whether a higher or a lower {measure} is better",
            where=where,
            next_step="Add lower_is_better: true or lower_is_better: false to the runner",
        )
    return higher
