"""What records of a study leave behind once they are read: runs without their rows, and long tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from mmcore.errors import RecordError
from mmcore.record import Record, Run
from mmcore.rows import Rows, rows_of
from mmcore.scores import NaiveClasses
from reports.records.long import LongTables
from reports.records.mixable import Targets, check_mixable
from reports.records.shared import SharedParts
from studies.resolved import AnyStudy


class Collected:
    """Records come one by one in the order of arms and repeats, and are forgotten.

    Args:
        study: whose records they are.
    """

    def __init__(self, study: AnyStudy) -> None:
        # Not the study itself: what was collected is sent from one process to another.
        self._name, self._numbers = study.name, study.numbers
        self._order = {arm.name: i for i, arm in enumerate(study.arms)}
        self._shared, self._targets = SharedParts(), Targets()
        self.runs: list[Run] = []
        self.long = LongTables()
        self.naive_classes: dict[int, tuple[NaiveClasses, ...]] = {}

    @property
    def refused(self) -> bool:
        """Whether two records of a repeat were scored on different things."""
        return bool(self._targets.refused)

    def add(self, run: Run, rows: Rows) -> None:
        """Take over a record.

        Raises:
            RecordError: it belongs to no run of the study.
        """
        if run.arm not in self._order or run.repeat not in self._numbers:
            first, last = self._numbers[0], self._numbers[-1]
            raise RecordError(
                f"a record belongs to no run of study '{self._name}'",
                expected=f"one of the arms {', '.join(self._order)} and a repeat from {first} to {last}",
                found=run.name,
                where=run.fingerprint,
            )
        known = self._shared.run_of(run)
        self.runs.append(known)
        self._targets.add(known, rows.items)
        self.long.add(known, rows)
        if run.done and rows.naive_classes:
            # Arms of a repeat share their training items, so the first record with them is enough.
            self.naive_classes.setdefault(run.repeat, rows.naive_classes)

    def add_all(self, records: Iterable[Record]) -> Collected:
        """Take over records; a sequence of them may have any order.

        Raises:
            RecordError: as :meth:`add`.
        """
        for record in self._sorted(records) if isinstance(records, Sequence) else records:
            self.add(record.run, rows_of(record))
        return self

    def _sorted(self, records: Sequence[Record]) -> list[Record]:
        return sorted(records, key=lambda r: (self._order.get(r.arm, -1), r.repeat))

    def join(self, later: Collected) -> None:
        """Take over what was collected of records that come after these."""
        assert not later.refused
        self.runs += map(self._shared.run_of, later.runs)
        self._targets.join(later._targets)
        self.long.join(later.long)
        for repeat, classes in later.naive_classes.items():
            self.naive_classes.setdefault(repeat, classes)

    def check(self) -> None:
        """Refuse two records of one run, and records that cannot stand side by side.

        Raises:
            RecordError: names two of them.
        """
        for one, two in pairwise(self.runs):
            assert (self._order[one.arm], one.repeat) <= (self._order[two.arm], two.repeat)
            if one.name == two.name:
                raise RecordError(f"two records claim to be {one.name}", next_step="Keep the right one")
        # A run that failed before its corpus was opened says nothing that could disagree.
        check_mixable([run for run in self.runs if run.corpus.content], self._targets)
