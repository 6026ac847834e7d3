"""Whether a study can be trained at all: what cannot is refused by the plan as by the run, in the same words."""

from __future__ import annotations

from experiments.corpora import items_of
from experiments.planning.memory import refuse_too_large
from experiments.planning.request import AnyRequest, trains_itself
from mmcore.data.splits import draw_split
from mmcore.task import check_packages, check_precision


def refuse_impossible(request: AnyRequest) -> None:
    """Refuse a study whose arms lack a package, whose corpus cannot be split, or whose models exceed the memory.

    Training code of the user's own is not looked at.

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
