"""Earlier looks at a study: reports on some of the same runs, written while another number of repeats was planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from studies.resolved import AnyStudy

Fingerprints: TypeAlias = Mapping[tuple[str, int], str | None]
"""Each run of a study by arm and repeat; None where it is not known yet."""

NOTHING_POSSIBLE = "too few repeats"
"""The verdict where no result could have led to a claim: such a report was no look."""


class _Read(BaseModel):
    """Later versions may say more: what is not known is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StoppingRule(_Read):
    """The looks of a sequential study: at ``least``, then after every ``step`` repeats."""

    least: int
    step: int


class PlannedRepeats(_Read):
    """The repeats that a study planned: how many, the number of the first one, and the rule that adds them, if any."""

    repeats: int
    first_repeat: int = 0
    sequential: StoppingRule | None = None

    @classmethod
    def of(cls, study: AnyStudy) -> PlannedRepeats:
        """Those of a study."""
        rule = study.sequential
        looks = None if rule is None else StoppingRule(least=rule.min, step=rule.step)
        return cls(repeats=study.repeats, first_repeat=study.first_repeat, sequential=looks)

    @property
    def after(self) -> int:
        """The number of the first repeat past them."""
        return self.first_repeat + self.repeats


class LookedAt(_Read):
    """A comparison at a look: its verdict over n repeats; component None: on the metric."""

    arm: str
    reference: str
    component: str | None
    n: NonNegativeInt
    verdict: Annotated[str, Field(pattern=r"^[a-z ]{1,40}$")]


class SeenRun(_Read):
    """A finished run that a look read."""

    arm: str
    repeat: int
    fingerprint: str


class Look(_Read):
    """A report that could have claimed something, and the finished runs that it read."""

    planned: PlannedRepeats
    metric: str
    comparisons: tuple[LookedAt, ...]
    runs: tuple[SeenRun, ...]

    @property
    def key(self) -> tuple[PlannedRepeats, str]:
        """Reports with the same one are a single look: a study in progress, or a report that was written again."""
        return self.planned, self.metric

    def of(self, *arms: str) -> frozenset[tuple[str, str]]:
        """The runs of these arms: each arm with a fingerprint."""
        return frozenset((run.arm, run.fingerprint) for run in self.runs if run.arm in arms)

    def of_arms_as_now(self, now: Fingerprints) -> Look:
        """Without the comparisons of arms that the study no longer has, or that it has changed.

        Args:
            now: the study's runs. A repeat that it does not plan says nothing about an arm.
        """
        arms = {arm for arm, _ in now}
        known = {(run.arm, run.repeat): run.fingerprint for run in self.runs}
        changed = {run[0] for run, name in known.items() if now.get(run) not in (None, name)}
        same = arms - changed
        return self.model_copy(
            update={
                "comparisons": tuple(c for c in self.comparisons if {c.arm, c.reference} <= same),
                "runs": tuple(run for run in self.runs if run.arm in same),
            }
        )


class _Run(SeenRun):
    status: str


class _Provenance(_Read):
    runs: tuple[_Run, ...]


class Written(PlannedRepeats):
    """What a ``report.json`` says about looks: its own, and those before it.

    A note that travels with an exported study (:func:`note_of`) says the second alone.
    """

    study: str
    metric: str
    comparisons: tuple[LookedAt, ...]
    provenance: _Provenance
    earlier_looks: tuple[Look, ...] = ()
    """Missing where there were none, and in reports of earlier versions."""

    @property
    def planned(self) -> PlannedRepeats:
        """The repeats that its study planned."""
        return PlannedRepeats(repeats=self.repeats, first_repeat=self.first_repeat, sequential=self.sequential)

    @property
    def look(self) -> Look:
        """The look that it was; without comparisons where it could not have claimed anything."""
        open_ = tuple(c for c in self.comparisons if c.verdict != NOTHING_POSSIBLE)
        arms = {name for c in open_ for name in (c.arm, c.reference)}
        runs = (run for run in self.provenance.runs if run.status == "done" and run.arm in arms)
        seen = tuple(SeenRun(arm=run.arm, repeat=run.repeat, fingerprint=run.fingerprint) for run in runs)
        return Look(planned=self.planned, metric=self.metric, comparisons=open_, runs=seen)

    @property
    def history(self) -> tuple[Look, ...]:
        """All looks up to its own, in their order."""
        return in_order([self.earlier_looks, (self.look,) if self.look.comparisons else ()])


def note_of(study: AnyStudy, looks: Sequence[Look]) -> Written:
    """The looks that a study's report remembers, without the report."""
    planned = PlannedRepeats.of(study)
    return Written(
        repeats=planned.repeats,
        first_repeat=planned.first_repeat,
        sequential=planned.sequential,
        study=study.name,
        metric=study.metric.name,
        comparisons=(),
        provenance=_Provenance(runs=()),
        earlier_looks=tuple(looks),
    )


def in_order(histories: Iterable[Sequence[Look]]) -> tuple[Look, ...]:
    """One list of looks; each stands where it was first, as it was last."""
    known: dict[tuple[PlannedRepeats, str], Look] = {}
    for look in (look for history in histories for look in history):
        known[look.key] = look
    return tuple(known.values())


def earlier_looks(
    own: Written | None, others: Iterable[Written], study: AnyStudy, now: Fingerprints
) -> tuple[Look, ...]:
    """The looks that a report of a study has to remember, in their order.

    A report that exists with the same planned repeats was there first: what was looked at later had no influence on
    its number of repeats. So it keeps its list, and other reports are read only for a number of repeats that is new.

    Args:
        own: the report that is about to be replaced; its arms may have changed, and may change back. others: further
            reports of the study, of any options; of arms that these change nothing is kept.
        now: the study's runs.
    """
    planned = PlannedRepeats.of(study)
    if own is not None and (own.planned, own.metric) == (planned, study.metric.name):
        return own.earlier_looks
    # A report with a longer list was written later; of two without any, the smaller one was more likely first.
    written = sorted(
        [(one, as_now(one.history, now)) for one in others] + ([] if own is None else [(own, own.history)]),
        key=lambda one: (len(one[0].earlier_looks), one[0].repeats),
    )
    return in_order(history for _, history in written)


def as_now(looks: Iterable[Look], now: Fingerprints) -> tuple[Look, ...]:
    """What looks say of arms that a study still has, as they are now; without those that say nothing."""
    return tuple(kept for look in looks if (kept := look.of_arms_as_now(now)).comparisons)


def before(looks: Sequence[Look], study: AnyStudy, now: Fingerprints) -> tuple[Look, ...]:
    """The looks on the study's metric that were taken before its repeats were first planned as they are now.

    Args:
        now: the study's runs, at least those that are finished.
    """
    planned, metric = PlannedRepeats.of(study), study.metric.name
    found = []
    for look in as_now(looks, now):
        if look.key == (planned, metric):
            break
        if look.metric == metric:
            found.append(look)
    return tuple(found)
