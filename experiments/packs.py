"""Which runs of a study are trained as one batch. Imports no torch.

Packs are made of the repeats of one arm. A pack is one job of one worker; it changes no result but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from experiments.launchers.cards import cards, room_on
from experiments.launchers.engine import Engine, LocalEngine
from experiments.planning.request import AnyRequest, PlannedRun, trains_itself
from mmcore.config import RunConfig
from mmcore.language import say, sentence
from mmcore.packing.allowed import why_alone

Size: TypeAlias = int | Literal["auto"] | None
"""``--pack``: how many runs are trained together at most; auto: as many as a graphics card holds; None: not asked."""

MOST = 64
"""Members of a pack under ``auto``: more do not fill a card better."""


@dataclass(frozen=True)
class Packed:
    """Runs that one worker does as one job.

    Args:
        why_alone: why a run is by itself though runs were to be packed, for its record; None: they were not, or it is
            one of several.
    """

    runs: tuple[PlannedRun[RunConfig], ...]
    why_alone: str | None = None


@dataclass(frozen=True)
class Packing:
    """How many runs go together.

    Args:
        most: members of a pack. why_not: why nothing is packed though it was asked for; None: it may be, or was not.
    """

    most: int = 1
    why_not: str | None = None


def packing_of(size: Size, engine: Engine, device: str, needed: Callable[[], float]) -> Packing:
    """What ``--pack`` comes to on this machine.

    Args:
        needed: bytes that the largest run takes at least.
    """
    if size is None or size == 1:
        return Packing()
    if not isinstance(engine, LocalEngine):
        return Packing(why_not=sentence("runs are packed on this machine alone, not by {kind}", kind=engine.kind))
    if size != "auto":
        return Packing(size)
    there = cards() if device in ("cuda", "auto") else ()
    if not there:
        return Packing(why_not=sentence("without a graphics card a pack is no faster"))
    return Packing(max(1, min(MOST, *(room_on(card, needed()) for card in there))))


def packing_note(request: AnyRequest) -> str | None:
    """What a user must hear who asked for packs of what is never packed; None where there is nothing to say."""
    if request.options.pack in (None, 1):
        return None
    if not trains_itself(request):
        return say("runs of your own training code are trained one by one: only mmstudy's own models are packed")
    if request.tunes:
        return say("the trials of the search are trained one by one: each may be pruned at any epoch")
    return None


def packs_of(runs: Sequence[PlannedRun[RunConfig]], packing: Packing, asked: bool) -> list[Packed]:
    """The runs as jobs: repeats of an arm together, in packs of about equal size, in the order of their first run.

    Args:
        asked: whether ``--pack`` was given.
    """
    by_arm: dict[str, list[PlannedRun[RunConfig]]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    packs: list[Packed] = []
    for arm in by_arm.values():
        why = packing.why_not or why_alone(arm[0].config)
        if packing.most < 2 or why is not None:
            packs += [Packed((run,), why if asked and run.config.trains else None) for run in arm]
            continue
        count = -(-len(arm) // packing.most)
        for n in range(count):
            part = arm[n * len(arm) // count : (n + 1) * len(arm) // count]
            packs.append(Packed(tuple(part), ONLY if len(part) == 1 else None))
    place = {run.fingerprint: at for at, run in enumerate(runs)}
    return sorted(packs, key=lambda pack: min(place[run.fingerprint] for run in pack.runs))


ONLY = sentence("no other repeat of its arm is to be trained")
