"""Predictions as tidy frames, and as files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from mmcore.atomic import write_atomically
from mmcore.language import number_of

if TYPE_CHECKING:
    import pandas as pd

    from mmcore.columns import Parameter
    from mmcore.data.prepared import PreparedItem
    from mmcore.predicting import ItemPrediction, Member
    from mmcore.schema import CorpusSchema


Table = Literal["values", "probabilities"]
GROUP = 200_000
"""Rows of a group of a Parquet file that is written as predictions come."""


@dataclass(frozen=True, repr=False)
class Predictions:
    """What an arm predicts for new items.

    Args:
        values: a row for each item, step, track and parameter: ``item, step, time, track, parameter, value, label,
            spread, counts``. ``step`` is the step that the prediction is about, counted from 0, and ``time`` its
            seconds, NaN where rows are steps; both are missing where each item has one target. ``value`` is in the
            original unit; of a class, its code, with its name in ``label``. ``spread`` is the sample standard deviation
            over models, of the value or of the predicted class's probability; NaN for one model. ``counts`` is false
            where the parameter depends on a binary one (``when``) that is predicted to be off.
        probabilities: a row for each class of each parameter with classes: ``item, step, time, track, parameter,
            class, probability, spread``; empty where nothing is a class.
        models: how many models were averaged.
    """

    values: pd.DataFrame
    probabilities: pd.DataFrame
    models: int

    def __repr__(self) -> str:
        items = len(set(self.values["item"]))
        models, values = number_of(self.models, "model"), number_of(len(self.values), "value")
        return f"<predictions for {number_of(items, 'item')} by {models}: {values}>"

    def write(self, folder: Path, format: Literal["csv", "parquet"] = "csv") -> list[Path]:
        """Write ``values`` and, where there are any, ``probabilities``, each in one step.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, frame in (("values", self.values), ("probabilities", self.probabilities)):
            if frame.empty:
                continue
            path = folder / f"{name}.{format}"
            if format == "csv":
                text = frame.to_csv(index=False).encode()
                write_atomically(path, lambda file, text=text: file.write(text))
            else:
                write_atomically(path, lambda file, frame=frame: frame.to_parquet(file, index=False))
            written.append(path)
        return written


def frames_of(members: Sequence[Member], trained: CorpusSchema, folder: Path) -> Predictions:
    """Predict for the corpus in a folder. Its prepared store is a temporary one.

    Args:
        members: models of one arm. trained: the schema of the corpus that they were trained on.

    Raises:
        CorpusError: the corpus breaks its format, is not like that of the training, or no item has a step.
    """
    import pandas as pd

    kept: dict[Table, list[pd.DataFrame]] = {"values": [], "probabilities": []}
    for name, block in blocks_of(members, trained, folder):
        kept[name].append(block)
    values, probabilities = (
        pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame() for blocks in kept.values()
    )
    return Predictions(values, probabilities, len(members))


@dataclass(frozen=True)
class Written:
    """Predictions as files: which, for how many items, how many values, and of how many models."""

    paths: tuple[Path, ...]
    items: int
    values: int
    models: int


def write_blocks(
    members: Sequence[Member], trained: CorpusSchema, new: Path, folder: Path, format: Literal["csv", "parquet"]
) -> Written:
    """Predict for a corpus and write the rows as they come, so that memory grows with the longest item alone.

    The files have the rows of :meth:`Predictions.write`, each is written in one step.

    Raises:
        CorpusError: as :func:`frames_of`. OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = any(one.kind != "continuous" for one in trained.targets.parameters)
    names: tuple[Table, ...] = ("values", "probabilities") if classes else ("values",)
    paths = tuple(folder / f"{name}.{format}" for name in names)
    items: set[str] = set()
    rows = 0

    def write(files: Mapping[Table, IO[bytes]]) -> None:
        nonlocal rows
        sinks = {name: _Csv(file) if format == "csv" else _Parquet(file) for name, file in files.items()}
        for name, block in blocks_of(members, trained, new):
            sinks[name].write(block)
            if name == "values":
                rows += len(block)
                items.add(str(block["item"].iloc[0]))
        for sink in sinks.values():
            sink.close()

    def both(file: IO[bytes]) -> None:
        if classes:
            write_atomically(paths[1], lambda other: write({"values": file, "probabilities": other}))
        else:
            write({"values": file})

    write_atomically(paths[0], both)
    return Written(paths, len(items), rows, len(members))


class _Csv:
    """A file of comma-separated values, written block by block."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._begun = file, False

    def write(self, block: pd.DataFrame) -> None:
        self._file.write(block.to_csv(index=False, header=not self._begun).encode())
        self._begun = True

    def close(self) -> None:
        """All is written."""


class _Parquet:
    """A Parquet file whose groups of rows have :data:`GROUP` rows or more: many small ones are slow to read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting: list[pd.DataFrame] = []
        self._writer: Any = None

    def write(self, block: pd.DataFrame) -> None:
        self._waiting.append(block)
        if sum(map(len, self._waiting)) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._waiting:
            return
        frame = pd.concat(self._waiting, ignore_index=True)
        self._waiting = []
        # A group without a class has no text from which the type of its labels could be told.
        texts = {"item", "parameter", "label", "class"}
        types = {name: pa.string() if name in texts else pa.from_numpy_dtype(frame[name].dtype) for name in frame}
        table = pa.Table.from_pandas(frame, pa.schema(list(types.items())), preserve_index=False)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()


def blocks_of(members: Sequence[Member], trained: CorpusSchema, folder: Path) -> Iterator[tuple[Table, pd.DataFrame]]:
    """The rows of :func:`frames_of` in their order, block by block: an item's parameter of a track, or its class.

    Raises:
        CorpusError: as :func:`frames_of`.
    """
    from mmcore.data.gridding import grid_times
    from mmcore.data.prepare import prepare
    from mmcore.data.sources.folder import FolderSource
    from mmcore.predicting import check_same_schema, predict_items

    source = FolderSource(folder, targets=False)
    check_same_schema(trained, source.schema, members[0].model.modalities, str(folder / "corpus.yaml"))
    config = members[0].config.data
    with tempfile.TemporaryDirectory(prefix="mmstudy-prepared-") as cache:
        prepared = prepare(folder, config, Path(cache), targets=False)
        for found in predict_items(members, prepared):
            name = prepared.items[found.item].name
            place: dict[str, object] = {}
            if prepared.schema.targets.scope == "step":
                time_S = grid_times(source, name, config)
                found, place = _placed(found, prepared.items[found.item], time_S, prepared.schema.step)
            yield from _blocks(found, prepared.schema, {"item": name, **place})
        del prepared


def _blocks(
    found: ItemPrediction, schema: CorpusSchema, place: dict[str, object]
) -> Iterator[tuple[Table, pd.DataFrame]]:
    """The rows of an item. S steps, K tracks, C classes."""
    import pandas as pd

    parameters = schema.targets.parameters
    spans = {p.name: _span(parameters, at) for at, p in enumerate(parameters)}
    on = {p.name: found.mean_SKO[..., spans[p.name]].argmax(-1) == 1 for p in parameters if p.kind == "binary"}
    S, K, _ = found.mean_SKO.shape
    for parameter in parameters:
        mean_SKC, spread_SKC = found.mean_SKO[..., spans[parameter.name]], found.spread_SKO[..., spans[parameter.name]]
        counts_SK = np.ones((S, K), bool) if parameter.when is None else on[parameter.when]
        classes = _classes(parameter)
        for track in range(K):
            where = {**place, "track": track, "parameter": parameter.name}
            mean_SC, spread_SC = mean_SKC[:, track], spread_SKC[:, track]
            code_S = mean_SC.argmax(-1)
            columns = {
                "value": code_S.astype(float) if classes else mean_SC[:, 0],
                "label": [classes[code] if classes else None for code in code_S],
                "spread": np.take_along_axis(spread_SC, code_S[:, None], 1)[:, 0],
                "counts": counts_SK[:, track],
            }
            yield "values", pd.DataFrame({**where, **columns})
            for code, label in enumerate(classes):
                chances = {"class": label, "probability": mean_SC[:, code], "spread": spread_SC[:, code]}
                yield "probabilities", pd.DataFrame({**where, **chances})


def _span(parameters: Sequence[Parameter], at: int) -> slice:
    """The outputs of a parameter."""
    first = sum(one.outputs for one in parameters[:at])
    return slice(first, first + parameters[at].outputs)


def _classes(parameter: Parameter) -> list[str]:
    """Names of a parameter's classes, by code; [] for a number."""
    if parameter.kind == "continuous":
        return []
    return list(parameter.labels or map(str, range(parameter.outputs)))


def _placed(
    found: ItemPrediction, item: PreparedItem, time_S: np.ndarray | None, step: float | None
) -> tuple[ItemPrediction, dict[str, object]]:
    """The predictions whose step is known, with step and time that each is about.

    Beyond an item's end steps and times go on by ``step``. What is predicted into a gap between two stretches of an
    item has no step, and is left out.
    """
    at_S = np.arange(item.steps)
    step_S = at_S + found.ahead
    # The first step after each step's own stretch.
    edges = np.array([*item.breaks, item.steps])
    end_S = edges[np.searchsorted(edges, at_S, side="right")]
    known_S = (step_S < end_S) | (end_S == item.steps)
    if time_S is None or step is None:
        time_S = np.full(item.steps, np.nan)
    else:
        time_S = np.where(step_S < item.steps, time_S[np.minimum(step_S, item.steps - 1)], time_S + found.ahead * step)
    kept = replace(found, mean_SKO=found.mean_SKO[known_S], spread_SKO=found.spread_SKO[known_S])
    return kept, {"step": step_S[known_S], "time": time_S[known_S]}
