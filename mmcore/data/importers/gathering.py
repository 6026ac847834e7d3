"""Writes samples as a corpus, one after another, and keeps account of what they hold.

Tables of modalities are written as samples come, so that memory holds one sample. Labels are small and stay until all
are known: their kind is a matter of the whole corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers.labels import Target, as_names, target_of
from mmcore.data.importers.sample import Imported, Sample, Stream, clean, folder_name, side_of, some
from mmcore.data.sources.folder import check_item_name
from mmcore.data.sources.writing import write_items, write_table, write_yaml
from mmcore.data.sources.written import WrittenClock, WrittenCorpus, WrittenFeature
from mmcore.errors import CorpusError
from mmcore.language import sentence, sentence_of

LABELS = "labels"
TIMES = ("time", "start", "end")
EMBEDDINGS = ("text", "glove", "bert", "embed", "clip", "word", "roberta", "language")
WIDE = 50
"""Columns from which on a modality of such a name is taken as an embedding."""
NAME_BYTES = 200
"""A file's name may have 255 bytes on most systems, with its suffix."""
LONG_TEXT = 80
"""Characters above which a cell is text to read and no condition."""


@dataclass
class _Facts:
    """What is known of a modality so far."""

    folder: str
    width: int
    first: str
    items: int = 0
    rows: list[int] = field(default_factory=list)
    infinite: int = 0
    empty: int = 0


class Gathering:
    """A corpus in the making.

    Args:
        partial: an empty folder; see :func:`mmcore.data.sources.writing.new_corpus`.
        where: the source, for messages.
    """

    def __init__(self, partial: Path, where: str) -> None:
        self._partial, self._where = partial, where
        self._facts: dict[str, _Facts] = {}
        self._labels: dict[str, Mapping[str, np.ndarray]] = {}
        self._rows: list[tuple[str, str, str | None, Mapping[str, str]]] = []
        self._taken: set[str] = set()
        self._renamed: list[str] = []
        self._bare: list[str] = []
        self.left_out: Counter[str] = Counter()
        """Reason to how often; importers add to it."""

    def add(self, sample: Sample) -> None:
        """Write a sample's modalities.

        Raises:
            CorpusError: an odd side, or a modality whose number of columns differs from that of earlier items.
        """
        side = None if sample.side is None else side_of(sample.side, self._where)
        streams = {name: stream for name, stream in sample.streams.items() if len(stream.values_TF)}
        if not streams:
            self._bare.append(sample.name)
            return
        name = self._name(sample.name)
        for modality, stream in streams.items():
            self._write(name, modality, stream, sample.name)
        self._labels[name] = sample.labels
        self._rows.append((name, sample.group or name, side, sample.conditions))

    def _name(self, wanted: str) -> str:
        """A name that can name a file, and that no other item has, be it in capitals."""
        name = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in wanted.strip())
        name = name.encode("utf-8", "replace")[:NAME_BYTES].decode("utf-8", "ignore").strip()
        if check_item_name(name) != "ok":
            name = "item"
        base, count = name, 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{base}~{count}"
        self._taken.add(name.casefold())
        if name != wanted:
            self._renamed.append(wanted)
        return name

    def _write(self, item: str, modality: str, stream: Stream, shown: str) -> None:
        values_TF = np.asarray(stream.values_TF)
        if values_TF.ndim != 2 or values_TF.dtype.kind not in "fiub" or not values_TF.shape[1]:
            raise CorpusError(
                f"modality '{modality}' must hold numbers (rows, columns)",
                found=f"{values_TF.dtype} of shape {values_TF.shape} for item '{shown}'",
                where=self._where,
            )
        facts = self._facts.get(modality)
        if facts is None:
            folder = folder_name(modality)
            if folder.casefold() in {one.folder.casefold() for one in self._facts.values()} | {LABELS}:
                folder += f"_{len(self._facts) + 1}"
            facts = self._facts[modality] = _Facts(folder, values_TF.shape[1], shown)
        if values_TF.shape[1] != facts.width:
            raise CorpusError(
                f"modality '{modality}' must have the same columns in every item",
                expected=f"{facts.width} columns, as item '{facts.first}' has",
                found=f"{values_TF.shape[1]} for item '{shown}'",
                next_step="Convert the files again, or leave that item out",
                where=self._where,
            )
        with np.errstate(over="ignore"):
            values_TF = values_TF.astype(np.float32)
        infinite = int(np.isinf(values_TF).sum())
        if infinite:
            values_TF = np.where(np.isinf(values_TF), np.float32(np.nan), values_TF)
        facts.items += 1
        facts.rows.append(len(values_TF))
        facts.infinite += infinite
        facts.empty += int(np.isnan(values_TF).sum()) - infinite
        # Columns that lie together are ten times faster to hand over.
        columns_FT = np.ascontiguousarray(values_TF.T)
        columns = {f"{facts.folder}_{at}": columns_FT[at] for at in range(facts.width)}
        write_table(self._partial / facts.folder / f"{item}.parquet", {**stream.times, **columns})

    def finish(
        self,
        folder: Path,
        name: str,
        targets: Sequence[str],
        *,
        scope: str,
        step: float | None,
        clocks: Mapping[str, WrittenClock] | None = None,
        label_clock: WrittenClock | None = None,
        reference: str | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
        guessed: Sequence[str] = (),
    ) -> Imported:
        """Write labels, items.csv and corpus.yaml, and report what was done.

        Args:
            folder: where the corpus will lie.
            name: of the corpus.
            targets: columns of the labels that are predicted; the others stay in the tables.
            scope: ``item`` or ``step``.
            step: seconds per step; None where rows are steps.
            clocks: keys of time of corpus.yaml by modality; the same for the labels in ``label_clock``.
            reference: the modality whose times are the grid.
            classes: names of codes by column of the labels.
            guessed: further assumptions to report.

        Raises:
            CorpusError: no item at all, or labels that cannot be predicted, see :func:`target_of`.
        """
        if not self._rows:
            reasons = "; ".join(f"{count} × {reason}" for reason, count in self.left_out.items())
            raise CorpusError(
                "an import needs at least one item that has a modality and a label",
                found=reasons or "none",
                next_step="Check that these are the files that you mean, and that --target names the labels",
                where=self._where,
            )
        classes = classes or {}
        kinds = self._kinds(classes, targets)
        for item, columns in self._labels.items():
            written = {
                column: _cells(values, kinds.get(column), classes.get(column)) for column, values in columns.items()
            }
            write_table(self._partial / LABELS / f"{item}.parquet", written)
        self._write_items()
        chosen = [kinds[target] for target in targets]
        schema: WrittenCorpus = {
            "format": 1,
            "name": name,
            "step": step,
            "reference": self._facts[reference].folder if reference in self._facts else None,
            "modalities": {
                facts.folder: {**(clocks or {}).get(modality, {}), "features": [_feature(modality, facts)]}
                for modality, facts in self._facts.items()
            },
            "targets": {
                "from": LABELS,
                "scope": scope,
                **(label_clock or {}),
                "parameters": [one.parameter for one in chosen],
            },
        }
        notes = [*guessed, *(one.note for one in chosen), *self._embedding_notes()]
        write_yaml(self._partial / "corpus.yaml", schema)
        self._comment(notes)
        return Imported(folder, tuple(self._wrote(targets)), tuple(self._left_out()), tuple(notes))

    def _comment(self, notes: Sequence[str]) -> None:
        """Begin corpus.yaml with what was assumed, where it is corrected."""
        path = self._partial / "corpus.yaml"
        lines = ["# The files do not say this; correct it below where it is wrong:", *(f"# - {note}" for note in notes)]
        path.write_bytes("".join(f"{' '.join(line.split())}\n" for line in lines).encode() + path.read_bytes())

    def _kinds(self, classes: Mapping[str, Sequence[str]], targets: Sequence[str]) -> dict[str, Target]:
        """The parameter that each column of labels could be; the targets must be fit for one."""
        names = dict.fromkeys(column for columns in self._labels.values() for column in columns if column not in TIMES)
        kinds: dict[str, Target] = {}
        for column in names:
            values = [columns[column] for columns in self._labels.values() if column in columns]
            try:
                kinds[column] = target_of(column, values, classes.get(column), self._where)
            except CorpusError:
                if column in targets:
                    raise
        return kinds

    def _write_items(self) -> None:
        header = list(dict.fromkeys(column for *_, conditions in self._rows for column in conditions))
        names = {column: column if column not in ("item", "group", "split") else f"{column}_" for column in header}
        sided = {side for _, _, side, _ in self._rows}
        crossing = self._crossing()
        split = {"train", "test"} <= sided and None not in sided and not crossing
        if crossing:
            self.left_out[
                sentence(
                    "the published split: groups lie on two of its sides ({groups}), so a model could know test items "
                    "by their group; it stays in items.csv as published_split, and splits are drawn by group",
                    groups=some(crossing),
                )
            ] = 1
        elif sided != {None} and not split:
            there = ", ".join(sorted(side for side in sided if side)) or "none"
            self.left_out[
                sentence("the published split: it has no train and test for every item (it has {sides})", sides=there)
            ] = 1
        kept = "split" if split else "published_split"
        sides = [] if sided == {None} else [kept]
        rows = [
            [item, group, *([side or ""] if sides else []), *(conditions.get(column, "") for column in header)]
            for item, group, side, conditions in self._rows
        ]
        columns = [clean(column) for column in ("item", "group", *sides, *(names[column] for column in header))]
        write_items(self._partial, columns, [[clean(cell) for cell in row] for row in rows])

    def _crossing(self) -> list[str]:
        sides: dict[str, set[str]] = {}
        for _, group, side, _ in self._rows:
            if side is not None:
                sides.setdefault(group, set()).add(side)
        return [group for group, where in sides.items() if len(where) > 1]

    # What is reported -------------------------------------------------------------------------------------------------
    def _wrote(self, targets: Sequence[str]) -> list[str]:
        groups = len({group for _, group, _, _ in self._rows})
        sides = Counter(side for _, _, side, _ in self._rows if side is not None)
        split = ", ".join(f"{count} {side}" for side, count in sides.items())
        counts = {"items": len(self._rows), "groups": groups}
        lines: list[str] = [
            sentence("{items} items in {groups} groups ({split})", split=split, **counts)
            if split
            else sentence("{items} items in {groups} groups", **counts)
        ]
        for modality, facts in self._facts.items():
            lines.append(_wrote_modality(modality, facts, len(self._rows) - facts.items))
        others = [column for columns in list(self._labels.values())[:1] for column in columns]
        others = [column for column in others if column not in targets and column not in TIMES]
        labels = sentence("labels: {names}", names=", ".join(targets))
        more = ", ".join(others)
        lines.append(sentence("{labels}; also in the table: {names}", labels=labels, names=more) if others else labels)
        return lines

    def _left_out(self) -> list[str]:
        lines = [
            reason if count == 1 else sentence("{count} × {reason}", count=count, reason=reason)
            for reason, count in self.left_out.items()
        ]
        if self._bare:
            lines.append(
                sentence_of(
                    len(self._bare),
                    "1 item without a row in any modality: {names}",
                    "{n} items without a row in any modality: {names}",
                    names=some(self._bare),
                )
            )
        if self._renamed:
            lines.append(
                sentence(
                    "{n} names that cannot name a file, or differ in capitals alone, were changed: {names}",
                    n=len(self._renamed),
                    names=some(self._renamed),
                )
            )
        return lines

    def _embedding_notes(self) -> list[str]:
        wide = [facts.folder for modality, facts in self._facts.items() if _is_embedding(modality, facts)]
        return [sentence("{names}: kind embedding, by name and width", names=", ".join(wide))] if wide else []


def _wrote_modality(modality: str, facts: _Facts, absent: int) -> str:
    folder = (
        facts.folder if facts.folder == modality else sentence("{name} (was '{old}')", name=facts.folder, old=modality)
    )
    low, middle, high = min(facts.rows), int(np.median(facts.rows)), max(facts.rows)
    counts = {"name": folder, "n": facts.width, "low": low, "high": high, "middle": middle}
    if low == high:
        text = (
            sentence("{name}: {n} columns, {low} rows in every item", **counts)
            if facts.width > 1
            else sentence("{name}: {n} column, {low} rows in every item", **counts)
        )
    elif facts.width > 1:
        text = sentence("{name}: {n} columns, {low} to {high} rows an item (median {middle})", **counts)
    else:
        text = sentence("{name}: {n} column, {low} to {high} rows an item (median {middle})", **counts)
    if absent:
        text = sentence_of(absent, "{text}, absent in 1 item", "{text}, absent in {n} items", text=text)
    if facts.infinite:
        text = sentence_of(
            facts.infinite,
            "{text}, 1 infinite cell written as empty",
            "{text}, {n} infinite cells written as empty",
            text=text,
        )
    return (
        sentence_of(facts.empty, "{text}, 1 empty cell", "{text}, {n} empty cells", text=text) if facts.empty else text
    )


def _is_embedding(modality: str, facts: _Facts) -> bool:
    return facts.width >= WIDE and any(word in modality.lower() for word in EMBEDDINGS)


def _feature(modality: str, facts: _Facts) -> WrittenFeature:
    name = f"{facts.folder}_0" if facts.width == 1 else f"{facts.folder}_{{0..{facts.width - 1}}}"
    return {"name": name, "kind": "embedding"} if _is_embedding(modality, facts) else {"name": name}


def _cells(values: np.ndarray, kind: Target | None, classes: Sequence[str] | None) -> Any:
    """A column of labels as it is written: names of classes as text, everything else as it came."""
    values = np.asarray(values).reshape(-1)
    if kind is not None and kind.as_text:
        import pyarrow as pa

        return pa.array(as_names(values, classes), pa.string())
    if values.dtype.kind == "f":
        # Half precision and foreign byte orders are no types of Parquet tables.
        values = values.astype(np.float32 if values.dtype.itemsize == 2 else values.dtype.newbyteorder("="))
        return np.where(np.isinf(values), np.nan, values)
    return values.astype(values.dtype.newbyteorder("="))
