"""Which runs of a plan are trained as one batch, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from experiments.planning.packs import Packed, packing_note
from experiments.planning.plan import AnyPlan
from experiments.planning.request import AnyConfig, PlannedRun
from mmcore.language import say, shown
from reports.numbers import counted

MOST = 12
"""Packs that are listed; JSON has all of them."""


def packs_text(plan: AnyPlan) -> list[str]:
    """The packs with their runs, and why others are trained one by one; [] where ``--pack`` was not given."""
    if plan.request.options.pack is None:
        return []
    note = packing_note(plan.request)
    lines = [] if note is None else [note]
    packs = [pack for pack in plan.packs if len(pack.runs) > 1]
    alone = [pack for pack in plan.packs if len(pack.runs) == 1 and pack.why_alone is not None]
    if packs:
        runs = counted(sum(len(pack.runs) for pack in packs), "run")
        lines.append(say("{runs} as {packs}, each one batch:", runs=runs, packs=counted(len(packs), "pack")))
        lines += [f"  {_members(pack.runs)}" for pack in packs[:MOST]]
        if len(packs) > MOST:
            lines.append("  " + say("and {n} more, which --format json lists", n=len(packs) - MOST))
    lines += [
        say("one by one, {members}: {why}", members=_members(_runs(same)), why=shown(why or ""))
        for why, same in _by_reason(alone)
    ]
    if packs and plan.request.options.device != "cpu":
        lines.append(say("times are those of runs one by one, as long as no pack of these arms has finished here"))
    return lines


def _by_reason(alone: Sequence[Packed]) -> list[tuple[str | None, list[Packed]]]:
    found: dict[str | None, list[Packed]] = {}
    for pack in alone:
        found.setdefault(pack.why_alone, []).append(pack)
    return [*found.items()]


def _runs(packs: Iterable[Packed]) -> list[PlannedRun[AnyConfig]]:
    return [run for pack in packs for run in pack.runs]


def _members(runs: Sequence[PlannedRun[AnyConfig]]) -> str:
    """Arms with their repeats.

    Example:
        "equal, heavy r0 to r2; light r0, r2"
    """
    repeats: dict[str, list[int]] = {}
    for run in runs:
        repeats.setdefault(run.arm, []).append(run.repeat)
    arms: dict[tuple[int, ...], list[str]] = {}
    for arm, numbers in repeats.items():
        arms.setdefault(tuple(sorted(numbers)), []).append(arm)
    parts = [f"{say(', ').join(names)} {_ranges(numbers)}" for numbers, names in arms.items()]
    return say("; ").join(parts)


def _ranges(numbers: Sequence[int]) -> str:
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        of = [number for _, number in run]
        parts.append(f"r{of[0]}" if len(of) == 1 else say("r{first} to r{last}", first=of[0], last=of[-1]))
    return say(", ").join(parts)
