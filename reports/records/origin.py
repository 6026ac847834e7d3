"""What a caller knows of results: how a report was made, and where scores come from that mmstudy did not train."""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.language import later, say
from reports.numbers import counted

WHOLE, DATA_SETS = later("component"), later("data set")
"""What a part of the scores is called: a component of a whole, or a data set that has verdicts of its own."""


def several(part: str) -> str:
    """Parts in the plural, as people are told: ``components``, ``data sets``."""
    match part:
        case "component":
            return say("components")
        case "data set":
            return say("data sets")
        case _:
            return f"{part}s"


def counted_parts(n: int, part: str) -> str:
    """Parts with their number: ``3 components``, ``4 data sets``."""
    match part:
        case "component":
            return counted(n, "component")
        case "data set":
            return counted(n, "data set")
        case _:
            return f"{n} {part if n == 1 else several(part)}"


@dataclass(frozen=True)
class Origin:
    """How a report was made, as its caller says; None if that is not known.

    Args:
        command: that trains the runs. rebuild: that writes the report again. mmstudy, commit, dirty: of the code that
            writes the report.
    """

    command: str | None = None
    rebuild: str | None = None
    home: str | None = None
    study_file: str | None = None
    corpus_path: str | None = None
    mmstudy: str | None = None
    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class Foreign:
    """What is known of scores that mmstudy's own training did not make.

    Args:
        called: what they are, after "not known for": ``these scores``, ``this runner``.
        ran: whether mmstudy started the runs, so that it knows which of them failed and on which machine they ran.
        paired: whether a repeat means the same thing for every arm, so that arms are compared repeat by repeat.
        pairing: why they are compared in this way, in one sentence.
        shared: whether all repeats tested the same items: then a verdict about other items needs scores by item.
        overlap: n_test / n_train where splits are drawn anew for each repeat (Nadeau and Bengio); 0: repeats share no
            training data, or it is not known.
        left_out: groups that a training side leaves out ÷ groups that it holds; 0 where it is not known.
        split_known: whether it is known how test items came about; else checks of the split have no outcome.
        covers: which variation the intervals cover and which was never there, in words.
        leaves_open: what a verdict of better or worse does not show, in a sentence; empty: the usual one.
        part: what a component is called: ``component``, or ``data set`` where each has a verdict of its own.
        repeats: the user's names of the repeats, in the order of their numbers; () where they are numbers already.
        notes: (label, value) for the end of the report: how columns were read.
    """

    called: str = later("these scores")
    ran: bool = False
    paired: bool = True
    pairing: str = ""
    shared: bool = False
    overlap: float = 0.0
    left_out: float = 0.0
    split_known: bool = False
    covers: str = ""
    leaves_open: str = ""
    part: str = "component"
    repeats: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def unknown(self) -> str:
        """What stands in the place of a fact that only mmstudy's own training knows."""
        return say("Not known for {called}.", called=say(self.called))

    @property
    def by_part(self) -> bool:
        """Whether there is no whole: each part has its verdicts."""
        return self.part != "component"
