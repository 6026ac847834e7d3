"""Whether a study can be trained at all: what cannot is refused by the plan as by the run, in the same words."""

from __future__ import annotations

from experiments.corpora import items_of
from experiments.foreign.there import Missing, missing_of
from experiments.launchers.engine import LocalEngine
from experiments.planning.memory import refuse_too_large
from experiments.planning.plan import AnyPlan
from experiments.planning.request import OPEN, AnyRequest, has_runner, trains_itself
from mmcore.data.splits import draw_split
from mmcore.errors import StudyError
from mmcore.language import say
from mmcore.task import check_packages, check_precision
from studies.study import read_study


def refuse_impossible(request: AnyRequest) -> None:
    """Refuse a study whose arms lack a package, whose corpus cannot be split, or whose models exceed the memory.

    Of training code of the user's own, :func:`refuse_missing` looks at what is to be run.

    Raises:
        ConfigError: an arm needs a package that is not installed, or a precision that the device cannot compute in.
        SplitError: a side of the split would be empty, or the split column of items.csv contradicts itself.
        StudyError: an arm does not fit into the memory of this machine.
        CorpusError: ``items.csv`` breaks the format.
    """
    if not trains_itself(request):
        return
    items = items_of(request.place)
    for arm in request.study.arms:
        check_packages(arm.config)
        check_precision(arm.config.training.precision, request.options.device)
    # Whether sides would be empty depends on the shares and the groups, not on the repeat.
    for split in {arm.config.split: None for arm in request.study.arms}:
        draw_split(items, split, request.study.first_repeat)
    refuse_too_large(request)


def refuse_missing(todo: AnyPlan) -> None:
    """Refuse to train with training code that is not there; a study without anything left to train needs none.

    Raises:
        StudyError: there is no such program, script or function.
    """
    missing = _missing(todo.request) if todo.request.tunes or todo.count(*OPEN) else None
    if missing is None or (missing.here and not _trains_here(todo.request)):
        return
    where = read_study(todo.request.file)[1].where(("runner",))
    raise StudyError(missing.rule, found=missing.found, where=where, next_step=missing.next_step)


def missing_elsewhere(todo: AnyPlan) -> tuple[str, ...]:
    """What a plan warns of where other machines train: a program that this one does not have."""
    if _trains_here(todo.request) or not (todo.request.tunes or todo.count(*OPEN)):
        return ()
    missing = _missing(todo.request)
    if missing is None or not missing.here:
        return ()
    return (
        say(
            "{missing} on this machine ({found}): runs fail on every other machine that lacks it, too",
            missing=missing.rule,
            found=missing.found,
        ),
    )


def _trains_here(request: AnyRequest) -> bool:
    return isinstance(request.options.engine, LocalEngine)


def _missing(request: AnyRequest) -> Missing | None:
    if not has_runner(request):
        return None
    arms = {arm.name: arm.config.settings for arm in request.study.arms}
    return missing_of(request.training.runner, request.training.source, arms)
