"""The lengths of a study's items, and the items that its windows cut. Opens the prepared store, and builds it if
needed.

Lengths are needed only if each item has one target: then the default window is the longest item, and a cut item causes
a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.corpora import CorpusPlace, prepared_for
from experiments.home import Home
from mmcore.config import DataConfig
from mmcore.data.prepared import Aligned, read_index, store_path
from mmcore.data.windows import all_stretches, cut_items, cut_text, lengths_of
from mmcore.events import Note, OnEvent
from mmcore.facts import Lengths
from mmcore.language import say
from mmcore.schema import CorpusSchema
from studies.resolved import ResolvedStudy


@dataclass(frozen=True)
class Fit:
    """How a study's windows fit its items.

    Args:
        lengths: of the items.
        window: steps of the reference arm's window.
        cut: items that it cuts.
        warnings: of items that a window of any arm cuts, with what to set.
    """

    lengths: Lengths
    window: int
    cut: int
    warnings: tuple[str, ...]


class Ruler:
    """Measures the items of one corpus.

    Args:
        place, schema: the corpus.
        home: where its prepared store lies, or will.
        on_event: hears that the store must be built first.
    """

    def __init__(self, place: CorpusPlace, schema: CorpusSchema, home: Home, on_event: OnEvent) -> None:
        self._place, self._schema, self._home, self._on_event = place, schema, home, on_event
        self._stores: dict[str, Aligned] = {}

    def lengths(self, config: DataConfig) -> Sequence[int]:
        """Steps that a window may cover, of each item and each of its stretches between gaps."""
        return all_stretches(self._store(config))

    def fit(self, study: ResolvedStudy) -> Fit | None:
        """How a study's windows fit; None where each step has a target, since cutting is harmless there."""
        if self._schema.targets.scope == "step":
            return None
        store = self._store(study.arms[0].config.data)
        window = study.arm(study.reference).config.data.steps
        windows = sorted({arm.config.data.steps for arm in study.arms})
        warnings = [text for text in (cut_text(store, one) for one in windows) if text is not None]
        return Fit(lengths_of(store), window, cut_items(store, range(len(store.items)), window) or 0, tuple(warnings))

    def _store(self, config: DataConfig) -> Aligned:
        content = self._place.content()
        path = store_path(content or "", config, self._place.stores(self._home))
        if path.name not in self._stores:
            if self._place.elsewhere is not None:
                self._stores[path.name] = read_index(path)
                return self._stores[path.name]
            if not path.exists():
                self._on_event(Note(say("preparing the corpus, since windows depend on the lengths of its items")))
            self._stores[path.name] = prepared_for(self._place.folder, config, self._home)
        return self._stores[path.name]
