"""Every error that mmstudy raises on purpose.

    MMStudyError                 the root: rule, expected, found, next step, place
    ├── ConfigError              a run's configuration cannot be used
    ├── CorpusError              a corpus on disk breaks its format
    ├── SplitError               a split would leak, or leaves a side empty
    ├── ShapeError               a tensor does not have the axes it should
    ├── PartError                a class of the user's broke its family's rules: ends the run as failed
    ├── TrainingDiverged         NaN or Inf in a loss or a gradient: ends the run as failed
    ├── RunStopped               a run was asked to stop between two steps: no failure, it can be resumed
    ├── CheckpointError          a checkpoint is unreadable or belongs to another run
    ├── StudyError               a study file breaks its rules
    ├── RecordError              a record is unreadable, or records cannot be mixed
    ├── ScoresError              scores that other code computed cannot be judged
    ├── StoreError               the tracking store does not answer
    └── LaunchError              workers cannot be started, or keep dying

A message states the rule, what was expected, what was found and what to do next, with file, item and line
where there is one. ``assert`` is kept for our own mistakes.
"""

from __future__ import annotations


class MMStudyError(Exception):
    """A broken rule, described so that the reader can fix the cause.

    Args:
        rule: the rule that was broken, one sentence, no full stop.
        expected: what would have been right; None where the rule says it already.
        found: what was there instead.
        next_step: what the reader can do about it.
        where: file, item or dotted path, with ``:line`` where there is one.
    """

    def __init__(
        self,
        rule: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        next_step: str | None = None,
        where: str | None = None,
    ) -> None:
        self.rule = rule
        self.expected = expected
        self.found = found
        self.next_step = next_step
        self.where = where
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole text on one line, as printed to a user."""
        text = f"{self.where}: {self.rule}" if self.where else self.rule
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.found is not None:
            text += f"; found {self.found}"
        if self.next_step is not None:
            text += f"{'' if text.endswith('?') else '.'} {self.next_step}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way from a worker process to its driver with all parts intact."""
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[MMStudyError], parts: dict[str, object]) -> MMStudyError:
    error = kind.__new__(kind)
    error.__dict__.update(parts)
    Exception.__init__(error, error.message)
    return error


class ConfigError(MMStudyError):
    """A run's configuration cannot be used."""


class CorpusError(MMStudyError):
    """A corpus on disk breaks its format."""


class SplitError(MMStudyError):
    """A split would leak, or leaves a side empty."""


class ShapeError(MMStudyError):
    """A tensor does not have the axes it should."""


class PartError(MMStudyError):
    """A class of the user's did not do what its family asks for, e.g. gave a tensor of another shape."""


class TrainingDiverged(MMStudyError):
    """NaN or Inf in a loss or a gradient.

    Args:
        epoch, step: where it happened, both counted from 1; step counts optimiser steps of the whole run.
        component: the loss component or the parameter group that was not finite.
    """

    def __init__(self, rule: str, *, epoch: int, step: int, component: str, found: str, next_step: str) -> None:
        self.epoch = epoch
        self.step = step
        self.component = component
        super().__init__(
            rule,
            expected="finite numbers",
            found=found,
            next_step=next_step,
            where=f"epoch {epoch}, step {step}, {component}",
        )


class RunStopped(MMStudyError):
    """A run was asked to stop between two steps. It leaves its last checkpoint and no record, and can be resumed."""


class CheckpointError(MMStudyError):
    """A checkpoint is unreadable or belongs to another run."""


class StudyError(MMStudyError):
    """A study file breaks its rules."""


class ScoresError(MMStudyError):
    """Scores that other code computed cannot be judged as they are."""


class RecordError(MMStudyError):
    """A record is unreadable, or records cannot be mixed."""


class StoreError(MMStudyError):
    """The tracking store does not answer."""


class LaunchError(MMStudyError):
    """Workers cannot be started, or keep dying."""


def nearest(name: str, choices: list[str] | tuple[str, ...]) -> str:
    """The next step for an unknown name: the closest valid one first, then all of them.

    Example:
        >>> nearest("gate", ["add", "concat", "gated"])
        "Did you mean 'gated'? Valid: add, concat, gated"
    """
    import difflib

    # Whoever writes MLP for mlp means it, whatever else is close.
    plain = {choice.casefold(): choice for choice in reversed(choices)}
    close = [plain[found] for found in difflib.get_close_matches(name.casefold(), plain, n=1, cutoff=0.5)]
    listing = "Valid: " + ", ".join(choices) if choices else "There is none to choose from"
    return f"Did you mean '{close[0]}'? {listing}" if close else listing


def not_utf8(error: UnicodeDecodeError) -> tuple[str, int]:
    """What is wrong with a text in another encoding, and on which line, from 1.

    Args:
        error: of decoding the whole file.

    Example:
        >>> try:
        ...     b"a\\nb\\xe4".decode()
        ... except UnicodeDecodeError as error:
        ...     print(not_utf8(error))
        ('the byte 0xe4', 2)
    """
    return f"the byte 0x{error.object[error.start]:02x}", error.object[: error.start].count(10) + 1


def quoting(kind: str, found: object) -> str | None:
    """The next step where YAML reads a value otherwise than the writer meant it; None for any other complaint.

    Args:
        kind: pydantic's name of the complaint.
        found: the value that was read.

    Example:
        >>> quoting("string_type", 7)
        'Quote it, since YAML reads it as a number'
        >>> quoting("int_parsing", "none")
        'Write null for no value'
    """
    if isinstance(found, str) and found.lower() in ("none", "nil", "nothing"):
        return "Write null for no value"
    if kind != "string_type" or not isinstance(found, bool | int | float):
        return None
    if isinstance(found, bool):
        return "Quote it, since YAML reads it as a truth value"
    return "Quote it, since YAML reads it as a number"
