"""Predictions as tidy frames, and as files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmcore.atomic import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from mmcore.columns import Parameter
    from mmcore.data.prepared import PreparedItem
    from mmcore.predicting import ItemPrediction, Member
    from mmcore.schema import CorpusSchema


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
        items = self.values["item"].nunique()
        return f"<predictions for {items} items by {self.models} models: {len(self.values)} values>"

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
    from mmcore.data.gridding import grid_times
    from mmcore.data.prepare import prepare
    from mmcore.data.sources.folder import FolderSource
    from mmcore.predicting import check_same_schema, predict_items

    source = FolderSource(folder, targets=False)
    check_same_schema(trained, source.schema, members[0].model.modalities, str(folder / "corpus.yaml"))
    config = members[0].config.data
    values, probabilities = _Rows(), _Rows()
    with tempfile.TemporaryDirectory(prefix="mmstudy-prepared-") as cache:
        prepared = prepare(folder, config, Path(cache), targets=False)
        for found in predict_items(members, prepared):
            name = prepared.items[found.item].name
            place: dict[str, object] = {}
            if prepared.schema.targets.scope == "step":
                time_S = grid_times(source, name, config)
                found, place = _placed(found, prepared.items[found.item], time_S, prepared.schema.step)
            _add(values, probabilities, found, prepared.schema, {"item": name, **place})
        del prepared
    return Predictions(values.frame(), probabilities.frame(), len(members))


class _Rows:
    """Columns of a tidy frame, gathered block by block."""

    def __init__(self) -> None:
        self._blocks: list[pd.DataFrame] = []

    def add(self, place: Mapping[str, object], **columns: object) -> None:
        import pandas as pd

        self._blocks.append(pd.DataFrame({**place, **columns}))

    def frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.concat(self._blocks, ignore_index=True) if self._blocks else pd.DataFrame()


def _add(
    values: _Rows, probabilities: _Rows, found: ItemPrediction, schema: CorpusSchema, place: dict[str, object]
) -> None:
    """The rows of an item. S steps, K tracks, C classes."""
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
            values.add(
                where,
                value=code_S.astype(float) if classes else mean_SC[:, 0],
                label=[classes[code] if classes else None for code in code_S],
                spread=np.take_along_axis(spread_SC, code_S[:, None], 1)[:, 0],
                counts=counts_SK[:, track],
            )
            for code, label in enumerate(classes):
                spread_S = spread_SC[:, code]
                probabilities.add(where, **{"class": label}, probability=mean_SC[:, code], spread=spread_S)


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
