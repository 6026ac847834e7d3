"""What an arm predicts for an item, as arrays: how likely each track is active, its asset, and its transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.timelines.model import LeftOut
from experiments.timelines.table import PARAMETERS
from mmcore.errors import CorpusError, StudyError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from experiments.predictions import Predictions
    from mmcore.columns import Parameter
    from mmcore.predicting import Member
    from mmcore.schema import CorpusSchema

ACTIVE, ASSET = PARAMETERS[:2]


@dataclass(frozen=True)
class Forecast:
    """Predictions for one item. S steps, K tracks; NaN where nothing is predicted.

    Args:
        time_S: seconds at which each step begins. step: seconds of a step.
        active_SK: probability that a track is active. spread_SK: its standard deviation over models; NaN for one.
        asset_SK: code of the asset, 0 where the corpus has none.
        values: by name of the transform's parameter, (S, K), in original units.
        assets: names of the codes. left_out: parameters that have no place on a timeline.
    """

    item: str
    time_S: np.ndarray
    step: float
    active_SK: np.ndarray
    spread_SK: np.ndarray
    asset_SK: np.ndarray
    values: dict[str, np.ndarray]
    assets: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def never_moved(members: Sequence[Member], schema: CorpusSchema) -> dict[str, float]:
    """The parameters of the transform that never varied in any training item of these models, with their value.

    Real edits hardly ever rotate. What a model predicts there is noise around the one value that it has seen.
    """
    found: dict[str, float] = {}
    for at, one in enumerate(schema.targets.parameters):
        means = {float(member.normaliser.target_mean_P[at]) for member in members}
        # A deviation of 1 stands for none: see Normaliser.
        still = all(float(member.normaliser.target_deviation_P[at]) == 1.0 for member in members)
        if one.kind == "continuous" and one.name in PARAMETERS and still and len(means) == 1:
            found[one.name] = means.pop()
    return found


def forecast_of(
    predictions: Predictions, schema: CorpusSchema, item: str | None, still: Mapping[str, float] | None = None
) -> Forecast:
    """The predictions for an item.

    Args:
        schema: of the corpus that the arm was trained on. item: its name; None: the only one.
        still: parameters that stand still whatever is predicted, see :func:`never_moved`.

    Raises:
        StudyError: the targets are no tracks of an edit.
        CorpusError: no such item, or several and none is named.
    """
    active = _check(schema)
    assert schema.step is not None
    names = list(dict.fromkeys(predictions.values["item"])) if len(predictions.values) else []
    if item is None and len(names) == 1:
        item = names[0]
    if item is None or item not in names:
        raise CorpusError(
            "a timeline is made for one item",
            expected=", ".join(names[:8]) + (" …" if len(names) > 8 else "") or "an item with predictions",
            found="none named" if item is None else f"'{item}'",
            next_step=nearest(item, names) if item and names else "Name it: --item NAME",
        )
    values = _where(predictions.values, "item", item)
    classes = _where(_where(predictions.probabilities, "item", item), "parameter", ACTIVE)
    shown = _where(classes, "class", _on(active))
    step_N = values["step"].to_numpy(int)
    first, last = int(step_N.min()), int(step_N.max())
    grid = _Grid(first, last - first + 1, schema.targets.tracks)
    time_S = grid.times(values)
    known = {one.name: one for one in schema.targets.parameters}
    asset_SK = np.zeros((grid.steps, grid.tracks), int)
    assets: tuple[str, ...] = ("asset_0",)
    if ASSET in known:
        found_SK = grid.of(_where(values, "parameter", ASSET), "value")
        asset_SK = np.nan_to_num(found_SK).astype(int)
        assets = tuple(known[ASSET].labels or (f"asset_{code}" for code in range(known[ASSET].outputs)))
    transform = {name: grid.of(_where(values, "parameter", name), "value") for name in PARAMETERS[2:] if name in known}
    for name, value in (still or {}).items():
        transform[name] = np.full((grid.steps, grid.tracks), value)
    unknown = [name for name in known if name not in PARAMETERS]
    return Forecast(
        item=item,
        time_S=time_S,
        step=schema.step,
        active_SK=grid.of(shown, "probability"),
        spread_SK=grid.of(shown, "spread"),
        asset_SK=asset_SK,
        values=transform,
        assets=assets,
        left_out=tuple(LeftOut(f"parameter '{name}': it has no place on a timeline") for name in unknown),
    )


def _check(schema: CorpusSchema) -> Parameter:
    active = next((one for one in schema.targets.parameters if one.name == ACTIVE), None)
    if active is None or active.kind != "binary":
        raise StudyError(
            "a timeline needs targets that say when a track is active",
            expected=f"a binary parameter '{ACTIVE}', and any of {', '.join(PARAMETERS[1:])}",
            found=", ".join(one.name for one in schema.targets.parameters),
            next_step="Name a study of an editing corpus",
        )
    if schema.step is None or schema.targets.scope != "step":
        raise StudyError(
            "a timeline needs predictions at times in seconds",
            expected="a corpus whose 'step' is a number of seconds, with targets for every step",
            found="one target for an item" if schema.targets.scope != "step" else "rows without times",
        )
    return active


def _where(frame: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return frame.loc[frame[column] == value]


def _on(parameter: Parameter) -> str:
    """Name of the class that means true."""
    return parameter.labels[1] if parameter.labels else "1"


@dataclass(frozen=True)
class _Grid:
    """Steps that follow one another, and tracks."""

    first: int
    steps: int
    tracks: int

    def of(self, rows: pd.DataFrame, column: str) -> np.ndarray:
        found_SK = np.full((self.steps, self.tracks), np.nan)
        found_SK[rows["step"].to_numpy(int) - self.first, rows["track"].to_numpy(int)] = rows[column].to_numpy(float)
        return found_SK

    def times(self, rows: pd.DataFrame) -> np.ndarray:
        """Seconds of every step; those that are missing follow from their neighbours."""
        known = rows.drop_duplicates("step").sort_values("step")
        at_N, time_N = known["step"].to_numpy(int) - self.first, known["time"].to_numpy(float)
        return np.interp(np.arange(self.steps), at_N, time_N)


def seen(parts: Sequence[tuple[float, float]]) -> float:
    """Seconds that intervals cover together."""
    total, until = 0.0, -np.inf
    for begin, end in sorted(parts):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return float(total)
