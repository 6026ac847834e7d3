"""A corpus from Python: opened from a folder, or made from frames and arrays.

    from mmstudy import Corpus

    corpus = Corpus.from_frames(
        items=items, modalities={"audio": audio, "text": text}, targets=mood, step=0.1
    )
    corpus.quality()
    corpus.plot("interview_07")

Either way it is a folder: ``mmstudy run modalities --corpus FOLDER`` reads it, and so does every study in Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from experiments.home import Home
from mmcore.data.sources.arrays import Lengths, Rates
from mmcore.data.sources.folder import FolderSource, content_key
from mmcore.data.sources.given import ModalityData, TargetData, suggest
from mmcore.errors import CorpusError, nearest
from mmcore.names import nfc
from mmcore.schema import Clock, CorpusSchema, expand

if TYPE_CHECKING:
    import pandas as pd

    from mmcore.data.overview import Overview
    from mmcore.data.sources.frames import Draft
    from reports.figures.corpus_item import Drawing, ItemStream

__all__ = ["Corpus", "ModalityData", "TargetData"]

MOST_COUNTED = 500
"""Items up to which a corpus is counted to be shown; :meth:`Corpus.overview` counts any number."""


@dataclass(frozen=True, repr=False)
class Corpus:
    """A corpus folder of format 1, opened to be looked at. Nothing here changes it.

    Args:
        path: the folder; :func:`os.fspath` gives it too, so a corpus goes wherever a folder does.
    """

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Open a folder.

        Raises:
            CorpusError: corpus.yaml or items.csv breaks a rule of the format, with file and line; tables are read
                when they are asked for.
        """
        corpus = cls(Path(path).resolve())
        corpus._source  # noqa: B018 - faults are reported here, not at first use
        return corpus

    @classmethod
    def from_frames(
        cls,
        items: Any = None,
        modalities: Mapping[Any, Any] | None = None,
        targets: Any = None,
        *,
        name: str = "corpus",
        step: float | None = None,
        reference: str | None = None,
        folder: Path | str | None = None,
        home: Path | str | None = None,
    ) -> Corpus:
        """Make a corpus from pandas frames and arrays.

        Times are a column ``time`` (seconds, timedeltas or dates), columns ``start`` and ``end`` of segments, or an
        index of dates, timedeltas, floats or intervals. Dates become seconds since the first date of the item, over
        all of its tables. A table without times has a ``sampling_rate``, or its rows are steps. Kinds follow types, see
        :func:`mmcore.data.sources.frame_kinds.kind_of`, and can be said instead. NaN is no value; an item that is
        missing from a mapping, or is None there, lacks that modality.

        Args:
            items: a frame with a column or index ``item`` and, where wanted, ``group`` (what must never be split
                between train and test), ``split`` (train, validation, test) and conditions that reports use; or a list
                of names; None: every item that has a table.
            modalities: name to tables: item to frame or array, one frame with a column ``item``, or
                :class:`ModalityData` where more is to be said.
            targets: one per item (a frame or series with one row per item, or item to value); over time (item to
                frame); the name of a modality, whose own future is then predicted; or :class:`TargetData`.
            name: of the corpus, for reports.
            step: seconds per step of the model; None: the distance of the targets' times, else of all modalities where
                they have one rate, else rows are steps where nothing has times.
            reference: the modality whose times are the steps; None: regular steps.
            folder: where to write it; None: ``corpora/NAME-KEY`` in the home. KEY follows from the data: the same data
                give the same folder, which is written once.
            home: where everything generated lives; None: ``MMSTUDY_HOME``, else ``./mlruns``.

        Raises:
            CorpusError: what is wrong, all of it in one message, with modality, item and the next step.
        """
        from mmcore.data.sources.frames import draft_corpus

        draft = draft_corpus(
            items, {} if modalities is None else modalities, targets, name=name, step=step, reference=reference
        )
        return cls.open(_place(draft, name, folder, home))

    @classmethod
    def from_arrays(
        cls,
        X: Mapping[Any, Any],
        y: Any,
        *,
        items: Any = None,
        groups: Any = None,
        split: Any = None,
        sampling_rate: Rates = None,
        lengths: Lengths = None,
        target_names: Sequence[str] | None = None,
        name: str = "corpus",
        step: float | None = None,
        folder: Path | str | None = None,
        home: Path | str | None = None,
    ) -> Corpus:
        """Make a corpus from arrays as scikit-learn and PyTorch have them.

        Args:
            X: modality to N items: an array of shape (N, T, F), or a list of N arrays of shape (T_i, F), None where an
                item lacks the modality; or :class:`ModalityData` with one of these as ``tables``. Rows of NaN at the
                end of an item are padding and left out.
            y: one target per item, of shape (N,) or (N, P), numbers or class names; a list of N arrays of shape (T_i,)
                or (T_i, P) or an array (N, T, P) for targets over time; the name of a modality; or
                :class:`TargetData`. Whole numbers 0 … C−1 are classes, as in scikit-learn.
            items: N names, or a frame of N rows with ``item`` and conditions; None: ``item_000`` and so on.
            groups, split: N values each.
            sampling_rate: rows per second, for all modalities or by modality (``y`` for targets over time); None: rows
                are steps.
            lengths: rows of each item, for all modalities or by modality, where padding is not NaN.
            target_names: of the columns of y; None: ``y``, or ``y_0`` and so on.
            name, step, folder, home: see :meth:`from_frames`.

        Raises:
            CorpusError: as :meth:`from_frames`.
        """
        from mmcore.data.sources.arrays import tables_from_arrays
        from mmcore.data.sources.frames import draft_corpus

        frame, modalities, targets = tables_from_arrays(
            X, y, items=items, groups=groups, split=split, sampling_rate=sampling_rate, lengths=lengths,
            target_names=target_names,
        )  # fmt: skip
        return cls.open(_place(draft_corpus(frame, modalities, targets, name=name, step=step), name, folder, home))

    @cached_property
    def _source(self) -> FolderSource:
        return FolderSource(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def schema(self) -> CorpusSchema:
        """The contents of corpus.yaml."""
        return self._source.schema

    @property
    def name(self) -> str:
        """Short name for reports."""
        return self.schema.name

    @property
    def content(self) -> str:
        """The key of its contents: equal for equal files, wherever they are."""
        return content_key(self.path)

    @property
    def items(self) -> pd.DataFrame:
        """One row per item: ``item``, ``group``, ``split`` (None where none is given), then conditions, as text."""
        import pandas as pd

        rows = [{"item": i.name, "group": i.group, "split": i.split, **i.metadata} for i in self._source.items]
        return pd.DataFrame(rows)

    def table(self, item: str, modality: str) -> pd.DataFrame:
        """An item's table of a modality or of the targets, as floats: seconds, and codes for class names.

        Raises:
            CorpusError: no such item or modality, with the nearest one; the item has no such table.
        """
        self._check(item)
        names, modality = self._names(), nfc(modality)
        if modality not in names:
            raise CorpusError(f"corpus '{self.name}' has no modality '{modality}'", next_step=nearest(modality, names))
        return self._source.table(item, modality)

    def overview(self) -> Overview:
        """Items, groups, seconds, modalities and targets, counted; reads every table's times and all targets.

        Raises:
            CorpusError: a table breaks the format.
        """
        return self._overview

    @cached_property
    def _overview(self) -> Overview:
        from mmcore.data.overview import overview_of

        return overview_of(self._source)

    def quality(self, home: Path | str | None = None) -> pd.DataFrame:
        """The quality of the data, one row per modality: see :func:`mmcore.quality.summarise`.

        Args:
            home: the prepared corpus is kept there, and a study in the same home reads it; None: ``MMSTUDY_HOME``,
                else ``./mlruns``.

        Raises:
            CorpusError: a table breaks the format.
        """
        import pandas as pd

        from experiments.corpora import prepared_for
        from mmcore.config import DataConfig
        from mmcore.quality import summarise

        place = Home.choose(None if home is None else Path(home))
        return pd.DataFrame(
            [asdict(line) for line in summarise(prepared_for(self.path, DataConfig(), place).quality)]
        ).set_index("modality")

    def plot(self, item: str, max_gap: float = 5.0) -> Drawing:
        """Draw all streams of an item over time, with what is absent hatched, and its targets below.

        Args:
            item: its name.
            max_gap: seconds between two rows above which a stream is absent, as ``data.max_gap`` of a study.

        Raises:
            CorpusError: no such item, with the nearest one; a table breaks the format.
        """
        from reports.figures.corpus_item import draw_item

        self._check(item)
        return draw_item(
            f"{item} of {self.name}", self._streams(item), seconds=self.schema.step is not None, max_gap=max_gap,
            footer=self._classes_of(item),
        )  # fmt: skip

    def _streams(self, item: str) -> list[ItemStream]:
        from reports.figures.corpus_item import ItemStream

        schema, streams = self.schema, []
        for name in self._names():
            frame = self._source.table(item, name) if self._source.has(item, name) else None
            if name in schema.modalities:
                modality = schema.modalities[name]
                units = {c: f.unit for f in modality.features for c in expand(f.name) if f.unit}
                target = name == schema.targets.from_
                title = f"{name} (target)" if target else name
                streams.append(
                    ItemStream(title, frame, self._times(modality), modality.kinds, modality.labels, units, target)
                )
            elif schema.targets.scope == "step":
                columns = [
                    (column, parameter)
                    for row in schema.target_columns()
                    for column, parameter in zip(row, schema.targets.parameters, strict=True)
                ]
                labels = {column: p.labels for column, p in columns if p.labels}
                units = {column: p.unit for column, p in columns if p.unit}
                streams.append(
                    ItemStream(
                        name, frame, self._times(schema.targets), [p.kind for _, p in columns], labels, units, True
                    )
                )
        return streams

    def _times(self, clock: Clock) -> tuple[str, ...]:
        """The columns of times in what :meth:`table` gives."""
        return () if self.schema.step is None else ("start", "end") if clock.intervals else ("time",)

    def _classes_of(self, item: str) -> str:
        """The targets of scope item, in words."""
        targets = self.schema.targets
        if targets.scope == "step":
            return ""
        if not self._source.has(item, targets.from_):
            return "no target"
        row = self._source.table(item, targets.from_).iloc[0]
        parts = []
        for columns in self.schema.target_columns():
            for column, parameter in zip(columns, targets.parameters, strict=True):
                value = float(row[column])
                name = parameter.labels[int(value)] if parameter.labels and value == value else f"{value:.4g}"
                parts.append(f"{column} = {name}")
        return "target: " + ", ".join(parts)

    def _names(self) -> list[str]:
        """Modalities, then targets in a table of their own."""
        own = [] if self.schema.targets_are_features else [self.schema.targets.from_]
        return [*self.schema.modalities, *own]

    def _check(self, item: str) -> None:
        names = [one.name for one in self._source.items]
        if nfc(item) not in names:
            raise CorpusError(f"corpus '{self.name}' has no item '{item}'", next_step=suggest(item, names))

    def __repr__(self) -> str:
        from experiments.corpus_view import corpus_text, short_text

        try:
            if len(self._source.items) > MOST_COUNTED:
                return short_text(self.path, self.schema, self._source.items)
            return corpus_text(self.path, self.schema, self.overview())
        except CorpusError as error:
            return f"corpus in {self.path}, which cannot be read: {error}"

    def _repr_html_(self) -> str:
        from html import escape

        from experiments.corpus_view import corpus_card
        from reports.cards.html import card_html

        if len(self._source.items) > MOST_COUNTED:
            return f"<pre>{escape(repr(self))}</pre>"
        try:
            return card_html(corpus_card(self.path, self.schema, self.overview()))
        except CorpusError:
            return f"<pre>{escape(repr(self))}</pre>"


def _place(draft: Draft, name: str, folder: Path | str | None, home: Path | str | None) -> Path:
    """Write a corpus where it belongs."""
    from mmcore.data.sources.frames import write_draft

    if folder is not None:
        return write_draft(draft, Path(folder).resolve())
    corpora = Home.choose(None if home is None else Path(home)).make().corpora
    corpora.mkdir(exist_ok=True)
    stem = re.sub(r"[^\w-]+", "-", name).strip("-") or "corpus"
    place = corpora / f"{stem}-{draft.key[:16]}"
    # One process writes it, others that hold the same data wait.
    with FileLock(place.with_suffix(".lock")):
        return write_draft(draft, place)
