"""Which runs of a study are trained as one batch. Imports no torch.

Packs are made of runs of one shape: the repeats of an arm, and arms that differ in nothing but what each member has of
its own. A pack is one job of one worker; it changes no result but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from experiments.launchers.cards import cards, room_on
from experiments.launchers.engine import Engine, LocalEngine, RayEngine, SlurmEngine
from experiments.planning.memory import needed_by
from experiments.planning.request import AnyRequest, PlannedRun, Request, trains_itself
from mmcore.config import RunConfig
from mmcore.language import say, sentence
from mmcore.packing.allowed import shape_of, why_alone

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
    match engine:
        case RayEngine() | SlurmEngine() if size == "auto":
            return Packing(why_not=sentence("what the graphics cards of nodes hold is not known here: give a number"))
        case RayEngine() | SlurmEngine() | LocalEngine():
            pass
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


def packing_for(request: Request) -> Packing:
    """What ``--pack`` comes to for a study on this machine."""
    options = request.options
    return packing_of(options.pack, options.engine, options.device, needed_by(request))


def packs_of(runs: Sequence[PlannedRun[RunConfig]], packing: Packing, asked: bool) -> list[Packed]:
    """The runs as jobs: runs of one shape together, in packs of about equal size, in the order of their first run.

    Whose :func:`mmcore.packing.allowed.shape_of` is equal is of one shape, whatever their arms. In the order of a plan,
    where repeats come before arms, a pack so has the arms of the same repeats: these have equal splits and steps.

    Args:
        asked: whether ``--pack`` was given.
    """
    if packing.most < 2 and not asked:
        return [Packed((run,)) for run in runs]
    packs: list[Packed] = []
    by_shape: dict[str, list[PlannedRun[RunConfig]]] = {}
    about: dict[str, tuple[str | None, str]] = {}
    for run in runs:
        if run.arm not in about:
            # The same for all of its repeats.
            about[run.arm] = packing.why_not or why_alone(run.config), shape_of(run.config)
        why, shape = about[run.arm]
        if packing.most < 2 or why is not None:
            packs.append(Packed((run,), why if run.config.trains else None))
        else:
            by_shape.setdefault(shape, []).append(run)
    for alike in by_shape.values():
        count = -(-len(alike) // packing.most)
        for n in range(count):
            part = alike[n * len(alike) // count : (n + 1) * len(alike) // count]
            packs.append(Packed(tuple(part), ONLY if len(part) == 1 else None))
    place = {(run.arm, run.repeat): at for at, run in enumerate(runs)}
    return sorted(packs, key=lambda pack: min(place[run.arm, run.repeat] for run in pack.runs))


def comes_last(run: PlannedRun[RunConfig]) -> bool:
    """Whether a run only tests another run's model: it is dealt out last, so that no worker waits for that one."""
    return not run.config.trains


ONLY = sentence("no other run that is to be trained has its shape")
