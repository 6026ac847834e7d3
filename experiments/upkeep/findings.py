"""What is found in a home, each finding with its file and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mmcore.errors import MMStudyError
from mmcore.files import found_by_system, next_step_of
from mmcore.language import Sentence, later, say, sentence, shown

Kind: TypeAlias = Literal["broken", "contradictory", "unreadable", "unfinished", "elsewhere", "leftover"]
"""broken: torn, of a wrong type, or of another run. contradictory: whole, with a number that does not follow from the
others. unreadable: this user may not read it. unfinished: a process that
died left it so. elsewhere: an address of another place. leftover: of no use any more."""

KINDS = (
    later("broken"),
    later("contradictory"),
    later("unreadable"),
    later("unfinished"),
    later("elsewhere"),
    later("leftover"),
)
"""The kinds as words for people."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a home.

    Args:
        kind: see :data:`Kind`.
        where: the file or folder.
        rule: what should be so; a :func:`mmcore.language.sentence` where no error says it, as is the next step.
        found: what is there instead.
        next_step: what to do.
    """

    kind: Kind
    where: Path
    rule: str
    found: str | None
    next_step: str

    @property
    def message(self) -> str:
        """The whole text on one line."""
        return MMStudyError(self.rule, found=self.found, next_step=self.next_step, where=str(self.where)).message

    @property
    def shown(self) -> str:
        """The same in the language of this moment; what an error says is English in every language."""
        if not isinstance(self.rule, Sentence):
            return self.message
        said = {"where": self.where, "rule": shown(self.rule), "step": shown(self.next_step)}
        if self.found is None:
            return say("{where}: {rule}. {step}", **said)
        return say("{where}: {rule}; found {found}. {step}", found=shown(self.found), **said)


def of_error(error: MMStudyError, where: Path, kind: Kind = "broken") -> Finding:
    """A finding that some reader put into words."""
    rule = error.rule if error.expected is None else f"{error.rule}; expected {error.expected}"
    return Finding(kind, where, rule, error.found, error.next_step or "Look at the file")


def of_system(problem: OSError, where: Path) -> Finding:
    """A file that the system does not open."""
    place = Path(problem.filename) if isinstance(problem.filename, str) else where
    return Finding("unreadable", place, "it must be readable", found_by_system(problem), next_step_of(place, problem))


def read(look: Callable[[], object], where: Path) -> Iterator[Finding]:
    """What a reader says of a file; nothing where it can read it."""
    try:
        look()
    except MMStudyError as error:
        known = isinstance(error.__context__, PermissionError)
        yield of_error(error, where, "unreadable" if known else "broken")
    except OSError as problem:
        yield of_system(problem, where)


def leftovers(folder: Path, *patterns: str) -> Iterator[Finding]:
    """What killed processes left half-written, and broken files that were set aside; the caller knows that nobody
    writes there."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            yield Finding(
                "leftover", path, sentence("a process that was killed left this half-written"), None,
                sentence("mmstudy home check --mend removes it"),
            )  # fmt: skip
    for path in sorted(folder.glob("*.broken-*")):
        yield Finding(
            "leftover", path, sentence("a broken file was set aside here"), None,
            sentence("Look at it if you want to know what broke it; mmstudy home check --mend removes it"),
        )  # fmt: skip


def entries(folder: Path) -> Iterator[Path]:
    """What lies in a folder, sorted; nothing where there is none.

    Raises:
        OSError: this user may not list it.
    """
    if folder.is_dir():
        yield from (folder / name for name in sorted(os.listdir(folder)))
