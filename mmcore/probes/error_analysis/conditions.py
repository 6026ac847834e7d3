"""Conditions under which errors are counted apart: what the corpus shows at the step that is predicted.

They follow from the corpus alone, never from an arm: every arm of a repeat is divided in the same way.

B batch, T steps, M modalities, K tracks, S steps of an item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmcore.batch import Batch
from mmcore.config import Forecast
from mmcore.probes.events import edit_events
from mmcore.probes.item_conditions import item_conditions
from mmcore.trained import Trained

MOST_FEATURES = 12
"""At most this many features become conditions; a longer table would be of no use."""
UNKNOWN = -1
"""Code of a step that belongs to no group: the feature is absent or unknown there."""


@dataclass(frozen=True)
class Condition:
    """A division of the steps into groups.

    Args:
        name: as shown. groups: names; the first is the one that others are held against.
        of_items: an item is in one group as a whole.
    """

    name: str
    groups: tuple[str, ...]
    of_items: bool = False


class Conditions:
    """The conditions of a corpus, and to which group each target belongs.

    Binary features of every modality but the targets' own (yes, no), categorical ones (0, above 0), edit events, the
    number of active tracks, the third of the item, whether a modality is there, and the columns of items.csv. Only what
    the corpus has.

    Args:
        trained: a finished run. columns: of items.csv, see :func:`mmcore.probes.item_conditions.item_conditions`.

    Raises:
        ConfigError: a column that items.csv does not have.
    """

    def __init__(self, trained: Trained, columns: Sequence[str] | None = None) -> None:
        self.trained, self.prepared = trained, trained.prepared
        schema, targets = trained.schema, trained.targets
        self.ahead = trained.task.horizon if isinstance(trained.task, Forecast) else 0
        self.offset_I = np.array([item.offset for item in self.prepared.items])
        self.steps_I = np.array([item.steps for item in self.prepared.items])
        by_row: list[tuple[Condition, Callable[[np.ndarray], np.ndarray]]] = []
        names = [column for modality in schema.modalities.values() for column in modality.columns]
        for name, modality in schema.modalities.items():
            if name == targets.from_:
                continue
            for at, (column, kind) in enumerate(zip(modality.columns, modality.kinds, strict=True)):
                if kind in ("binary", "categorical") and len(by_row) < MOST_FEATURES:
                    title = column if names.count(column) == 1 else f"{name}: {column}"
                    groups = ("no", "yes") if kind == "binary" else ("0", "above 0")
                    by_row.append((Condition(title, groups), _feature(self.prepared.values[name], at)))
        for m, name in enumerate(schema.modalities):
            if name != targets.from_:
                by_row.append((Condition(name, ("present", "absent")), _absence(self.prepared.present, m)))
        self.by_row = by_row
        gated = [p.when for p in targets.parameters if p.when is not None]
        parameters = [p.name for p in targets.parameters]
        self.gate = parameters.index(gated[0]) if gated and targets.tracks > 1 and targets.scope == "step" else None
        self.by_step: list[Condition] = []
        if targets.scope == "step":
            self.by_step += [
                Condition("edit", ("no", "yes")),
                Condition("third of the item", ("first", "middle", "last")),
            ]
        if self.gate is not None:
            self.by_step.append(Condition(f"tracks {gated[0]}", ("up to half", "none", "more than half")))
        taken = {condition.name for condition, _ in by_row} | {condition.name for condition in self.by_step}
        self.by_item: list[tuple[Condition, np.ndarray]] = []
        for one in item_conditions(self.prepared.items, columns):
            title = f"items.csv: {one.column}" if one.column in taken else one.column
            self.by_item.append((Condition(title, one.groups, of_items=True), one.code_I))

    @property
    def all(self) -> tuple[Condition, ...]:
        """Every condition, in the order of the codes."""
        of_items = (condition for condition, _ in self.by_item)
        return (*(condition for condition, _ in self.by_row), *self.by_step, *of_items)

    def code_of_items(self, condition: Condition) -> np.ndarray:
        """The group of each item of the corpus, (I,), of a condition that items have as a whole."""
        return next(code_I for one, code_I in self.by_item if one == condition)

    def codes(self, batch: Batch) -> list[np.ndarray]:
        """For each condition the group of each target, (B, T): an index into its groups, or :data:`UNKNOWN`.

        Args:
            batch: windows as the loader made them; for targets of whole items one row an item, T = 1.
        """
        if self.trained.targets.scope == "item":
            own = [code_I[batch.item_B.numpy()][:, None] for _, code_I in self.by_item]
            return [*(self._by_item(batch, code_of) for _, code_of in self.by_row), *own]
        item_B1 = batch.item_B.numpy()[:, None]
        step_BT = batch.start_B.numpy()[:, None] + np.arange(batch.valid_BT.shape[1]) + self.ahead
        valid_BT = batch.valid_BT.numpy()
        row_BT = self.offset_I[item_B1] + np.where(valid_BT, step_BT, 0)
        found = [code_of(row_BT) for _, code_of in self.by_row]
        found.append(edit_events(batch, self.trained.targets, self.trained.task).numpy().astype(np.int64))
        found.append(np.minimum(2, step_BT * 3 // self.steps_I[item_B1]))
        if self.gate is not None:
            found.append(_tracks_on(batch, self.gate))
        found += [np.broadcast_to(code_I[item_B1], valid_BT.shape) for _, code_I in self.by_item]
        return [np.where(valid_BT, code_BT, UNKNOWN) for code_BT in found]

    def _by_item(self, batch: Batch, code_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The group in which an item is for most of its steps; the earlier group where two are equal."""
        found = []
        for item in batch.item_B.tolist():
            code_S = code_of(self.offset_I[item] + np.arange(int(self.steps_I[item])))
            known_S = code_S[code_S != UNKNOWN]
            found.append(int(np.bincount(known_S).argmax()) if len(known_S) else UNKNOWN)
        return np.array(found, np.int64)[:, None]


def _feature(values_NF: np.ndarray, at: int) -> Callable[[np.ndarray], np.ndarray]:
    """Codes of a binary or categorical column by row: above a half or not."""

    def code_of(row: np.ndarray) -> np.ndarray:
        value = np.asarray(values_NF[row, at], np.float32)
        return np.where(np.isnan(value), UNKNOWN, value > 0.5).astype(np.int64)

    return code_of


def _absence(present_NM: np.ndarray, m: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda row: (~np.asarray(present_NM[row, m])).astype(np.int64)


def _tracks_on(batch: Batch, gate: int) -> np.ndarray:
    """0 for up to half of the tracks, 1 for none, 2 for more than half; unknown where no track's state is."""
    known_BTK = batch.target_valid_BTKP[..., gate].numpy()
    on_BT = ((batch.target_BTKP[..., gate].numpy() > 0.5) & known_BTK).sum(-1)
    code_BT = np.where(on_BT == 0, 1, np.where(2 * on_BT > known_BTK.shape[-1], 2, 0))
    return np.where(known_BTK.any(-1), code_BT, UNKNOWN)
