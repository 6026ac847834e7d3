"""``mmstudy home check``: everything in a home is read, and what is wrong is named. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from experiments.home import Home
from experiments.upkeep.books import check_notes, check_reports, check_searches, check_tracking, remove
from experiments.upkeep.findings import Finding, of_system
from experiments.upkeep.runs import check_runs
from experiments.upkeep.stores import check_corpora, check_prepared
from mmcore.errors import StoreError

_ROOMS: dict[tuple[str, str], Callable[[Home], Iterator[Finding | int]]] = {
    ("run", "runs"): check_runs,
    ("prepared store", "prepared stores"): check_prepared,
    ("corpus", "corpora"): check_corpora,
    ("database of MLflow", "databases of MLflow"): check_tracking,
    ("search", "searches"): check_searches,
    ("report", "reports"): check_reports,
    ("list of analyses", "lists of analyses"): check_notes,
}
"""What is looked at, as one and as many."""


@dataclass(frozen=True)
class Checked:
    """What was found in a home.

    Args:
        home: that was read.
        looked_at: how many things of each kind, which is named as one and as many.
        busy: runs that are being trained now; they are not looked at.
        findings: in the order of the rooms.
        removed: leftovers that were removed.
    """

    home: Home
    looked_at: dict[tuple[str, str], int]
    busy: int
    findings: tuple[Finding, ...]
    removed: tuple[Finding, ...] = ()


def check_home(home: Home) -> Checked:
    """Read everything in a home.

    What another process works on right now is left out: its files are not finished.

    Raises:
        StoreError: there is no such folder.
    """
    if not home.root.is_dir():
        raise StoreError("there is no home here", where=str(home.root), next_step="Name one with --home")
    findings: list[Finding] = []
    counts: dict[tuple[str, str], int] = {}
    busy = 0
    for room, look in _ROOMS.items():
        counts[room] = 0
        try:
            for found in look(home):
                if isinstance(found, Finding):
                    findings.append(found)
                else:
                    counts[room] += 1
                    busy += found
        except OSError as problem:
            findings.append(of_system(problem, home.root))
    return Checked(home, counts, busy, tuple(findings))


def mend(checked: Checked) -> Checked:
    """Remove the leftovers among the findings, and nothing else.

    Raises:
        OSError: the system does not allow it.
    """
    gone = tuple(one for one in checked.findings if one.kind == "leftover")
    for one in gone:
        remove(one.where)
    rest = tuple(one for one in checked.findings if one.kind != "leftover")
    return replace(checked, findings=rest, removed=gone)
