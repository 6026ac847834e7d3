"""The work of a study's runs on its corpus: item lengths, and the sides of each repeat's split. Writes nothing."""

from __future__ import annotations

from functools import cached_property
from statistics import fmean
from typing import Any

from experiments.corpora import CorpusPlace, items_of
from experiments.home import Home
from experiments.planning.work import Sides, Work, work_of
from mmcore.config import DataConfig, RunConfig, SplitConfig
from mmcore.data.lengths import counted_steps
from mmcore.data.prepared import read_index, store_path
from mmcore.data.sources.folder import Item
from mmcore.data.sources.simulated import simulated_items
from mmcore.data.splits import draw_split
from mmcore.errors import CorpusError, SplitError
from mmcore.schema import CorpusSchema

LOOKED_AT = 300
"""Tables whose length is looked up; longer corpora are taken to go on like that."""


class Worksheet:
    """Counts the work of runs.

    Args:
        place, schema: the corpus.
        content: its content key; None while a simulated corpus is not made.
        home: its prepared store, if there is one, gives the items' lengths.
    """

    def __init__(self, place: CorpusPlace, schema: CorpusSchema, content: str | None, home: Home) -> None:
        self.schema = schema
        self._place, self._content, self._home = place, content, home
        self._steps: list[int] | None = None
        self._sides: dict[tuple[SplitConfig, int], Sides] = {}
        self._work: dict[tuple[Any, ...], Work] = {}

    def work(self, config: RunConfig) -> Work:
        """The work of a run from its start."""
        sides = self._sides_of(config)
        key = (config.model, config.training, config.data, config.loss.weighting, config.evaluation.test, id(sides))
        if key not in self._work:
            self._work[key] = work_of(config, self.schema, sides)
        return self._work[key]

    def steps(self, data: DataConfig) -> list[int]:
        """Steps of each item, in the order of ``items.csv``."""
        if self._steps is None:
            self._steps = self._prepared_steps(data) or self._counted_steps()
        return self._steps

    def prepared(self, data: DataConfig) -> bool:
        """Whether the corpus is aligned already."""
        return self._prepared_steps(data) is not None

    def numbers(self, data: DataConfig) -> int:
        """Numbers of the whole corpus: steps times columns."""
        return sum(self.steps(data)) * sum(len(modality.columns) for modality in self.schema.modalities.values())

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        return items_of(self._place)

    def _sides_of(self, config: RunConfig) -> Sides:
        key = (config.split, config.repeat)
        if key not in self._sides:
            steps = self.steps(config.data)
            try:
                split = draw_split(self._items, config.split, config.repeat)
            except SplitError:
                # Plan and run refuse such a corpus; a status or a report still needs some number.
                self._sides[key] = Sides(steps, steps, steps)
            else:
                self._sides[key] = Sides(
                    *([steps[index] for index in side] for side in (split.train, split.validation, split.test))
                )
        return self._sides[key]

    def _prepared_steps(self, data: DataConfig) -> list[int] | None:
        """Exact lengths, where the store is there."""
        if self._content is None:
            return None
        try:
            index = read_index(store_path(self._content, data, self._place.stores(self._home)))
            by_name = {item.name: item.steps for item in index.items}
            return [by_name[item.name] for item in self._items]
        except (OSError, CorpusError, KeyError):
            return None

    def _counted_steps(self) -> list[int]:
        """By the rows or times of the tables that give the grid."""
        if not self._place.exists:
            return list(simulated_items(*self._place.simulated).values()) if self._place.simulated else []
        looked_at = [item.name for item in self._items[:LOOKED_AT]]
        found = counted_steps(self._place.folder, self.schema, looked_at)
        known = [steps for steps in found.values() if steps]
        if not known:
            raise CorpusError(
                "no item has a table that gives its length",
                next_step="Check the names of its files against items.csv",
                where=str(self._place.folder),
            )
        usual = round(fmean(known))
        return [found.get(item.name, usual) for item in self._items]
