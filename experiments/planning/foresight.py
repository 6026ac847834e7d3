"""The test side of a study before anything is trained, from ``items.csv`` alone."""

from __future__ import annotations

from experiments.corpora import CorpusPlace, items_of
from experiments.planning.request import AnyRequest, trains_itself
from mmcore.config import SplitConfig
from mmcore.data.splits import draw_split
from mmcore.errors import SplitError
from reports.verdicts.prospects import GroupCounts, Prospects, prospects_of


def prospects(request: AnyRequest) -> Prospects:
    """What a study can decide at best: a word before the hours are spent.

    Raises:
        CorpusError: ``items.csv`` breaks the format.
    """
    if not trains_itself(request):
        return prospects_of(request.study, 0, None)
    study = request.study
    metric, targets = study.metric, request.schema.targets
    # As the report repeats its comparisons: for components that the measure has one number for, the metric's own aside.
    measured = {p.component for p in targets.parameters if p.kind in metric.measure.kinds}
    others = [name for name in targets.components if name in measured and name != metric.component]
    if metric.measure.whole is None or (metric.component is None and len(others) == 1):
        others = []
    return prospects_of(study, len(others), side_of(request.place, study.arms[0].config.split, study.first_repeat))


def side_of(place: CorpusPlace, config: SplitConfig, repeat: int) -> GroupCounts | str:
    """How many groups are tested; a text where no split can be drawn.

    Args:
        place: the corpus; a simulated one need not be made.
        config: the study's split.
        repeat: any of the study's: all have equally many test groups.

    Raises:
        CorpusError: ``items.csv`` breaks the format.
    """
    items = items_of(place)
    try:
        split = draw_split(items, config, repeat)
    except SplitError as error:
        return str(error)
    tested = {items[index].group for index in split.test}
    return GroupCounts(split.drawn, len(tested), len({item.group for item in items}))
