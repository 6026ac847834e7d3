"""Sequential monitoring: the runs that the rule requests now, those it may request later, and the result of a look.

The rule requests runs; when they are trained, it takes a look (:mod:`reports.verdicts.monitoring`). Its decision
depends only on the records, so an interrupted study continues where it stopped, and uses runs of other studies like its
own. This module needs the statistics, so it is imported only for sequential studies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.foreign.facts import judged
from experiments.home import Home
from experiments.planning.request import AnyConfig, AnyRequest, PlannedRun, has_runner
from experiments.records import read_record
from mmcore.language import say
from mmcore.record import Record
from reports.numbers import counted, listing
from reports.records.frame import tidy
from reports.verdicts.monitoring import Monitoring, monitoring_of
from studies.resolved import AnyStudy

Run = tuple[str, int]
"""An arm and a repeat."""


def follow(request: AnyRequest, runs: Sequence[PlannedRun[AnyConfig]], home: Home) -> Monitoring:
    """How far the study is, from the records of its runs; a run without a record has not been trained.

    Args:
        runs: every run that the study could ask for.

    Raises:
        RecordError: records cannot be mixed.
    """
    records: list[Record] = []
    for run in runs:
        record = None if run.fingerprint is None else read_record(home.run(run.fingerprint))
        if record is not None:
            records.append(replace(record, arm=run.arm))
    foreign = None
    if has_runner(request):
        records, foreign = judged(records, request.study, request.training)
    monitoring = monitoring_of(tidy(request.study, records, foreign=foreign))
    assert monitoring is not None
    return monitoring


def may_follow(study: AnyStudy, monitoring: Monitoring) -> frozenset[Run]:
    """The runs that would be added if no further comparison were decided."""
    if monitoring.waiting is None:
        return frozenset()
    arms = {arm for pair in monitoring.open for arm in pair}
    return frozenset((arm, repeat) for arm in arms for repeat in study.numbers) - monitoring.asked


def monitoring_text(monitoring: Monitoring) -> str:
    """The result of a look in one sentence, for the terminal."""
    if not monitoring.taken:
        return say("the rule takes its first look after {n} repeats of every arm", n=monitoring.rule.least)
    look, left = monitoring.taken[-1], len(monitoring.open)
    fresh = [
        say("'{arm}' against '{against}'", arm=arm, against=reference)
        for (arm, reference), one in monitoring.looks.items()
        if one.stopped_at == look
    ]
    decided = say("decided {pairs}", pairs=listing(fresh)) if fresh else say("nothing new is decided")
    still = say("{comparisons} open", comparisons=counted(left, "comparison")) if left else say("none is open")
    arms = list(dict.fromkeys(arm for pair in monitoring.open for arm in pair))
    if monitoring.waiting is not None:
        end = say("going on to {n} with {arms}", n=monitoring.waiting, arms=listing(arms))
    else:
        end = say("{n} repeats are the maximum", n=look) if left else say("the study is over")
    return say("looked at {n} repeats: {decided}, {still}; {end}", n=look, decided=decided, still=still, end=end)
