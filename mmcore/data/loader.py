"""From the prepared store to batches of windows.

At window position t, grid step s, horizon h and content look-ahead L:

    task         target's modality   other modalities   target   previous   positions
    forecast     s                   s + L              s + h    s          s with s + h in the item
    reconstruct  s                   s                  s        s − 1      all
    label        s                   s                  s        none       all (scope item: the item's one target)

Nothing else of the item enters a window, so no position can know what lies later than this table says. A modality of
``prepared.placebos`` is read in the same way from another item; targets and previous values stay the item's own.

B batch, T steps, M modalities, K tracks, P parameters, F raw features, I items, N grid steps of all items, W windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from mmcore.batch import Batch
from mmcore.config import DataConfig, Forecast, Reconstruct, Task
from mmcore.data.augmentation import Augmenter
from mmcore.data.normalisation import SCALED, Normaliser
from mmcore.data.prepared import Prepared
from mmcore.data.resident import Kept, room_on, sent
from mmcore.data.windows import window_of
from mmcore.errors import ConfigError, nearest


class Loader:
    """Windows of some items, read lazily: memory does not grow with the corpus.

    Each item is cut into windows of :func:`mmcore.data.windows.window_of` steps, ``stride`` apart; the last one is
    shorter and padded. A window never reaches across a gap of the reference above ``max_gap``. An item too short for a
    single position has no window.

    Args:
        prepared: the store.
        normaliser: fitted on the training items.
        config: window and clip.
        task: decides what is read when, see the table above.
        modalities: names of those to read, in schema order.
        items: indices of the items to read; no other item's rows are touched.
        batch: windows per batch; the last batch may be smaller.
        stride: steps between the starts of windows; None: the window, no overlap.
        read_I: counts, by item of the corpus, the windows that were read; None: they are not counted.
        scored: whether batches have targets, and only positions whose target lies in the item. False: to predict,
            every step of an item is a position, and no target is read.

    Raises:
        ConfigError: an unknown modality, or none.
    """

    def __init__(
        self,
        prepared: Prepared,
        normaliser: Normaliser,
        config: DataConfig,
        task: Task,
        modalities: Sequence[str],
        items: Sequence[int],
        batch: int,
        stride: int | None = None,
        read_I: np.ndarray | None = None,
        scored: bool = True,
    ) -> None:
        for name in modalities:
            if name not in prepared.schema.modalities:
                raise ConfigError(
                    f"modality '{name}' is not in the corpus", next_step=nearest(name, list(prepared.schema.modalities))
                )
        if not modalities:
            raise ConfigError("a loader must read at least one modality")
        self.prepared, self.batch, self.clip = prepared, batch, config.clip
        self.window = window_of(config, prepared)
        self.modalities = tuple(modalities)
        self.read_I = read_I
        targets = prepared.schema.targets
        self.per_item = targets.scope == "item"
        self.ahead = task.horizon if isinstance(task, Forecast) else 0
        self.scored, self.withheld = scored, self.ahead if scored else 0
        lookahead = task.lookahead if isinstance(task, Forecast) else 0
        self.shifts = {name: 0 if name == targets.from_ else lookahead for name in self.modalities}
        self.previous_shift = 0 if isinstance(task, Forecast) else -1 if isinstance(task, Reconstruct) else None
        # Plain views of the maps: numpy's memmap class costs more per slice than the slice itself.
        self.values_NF = {name: np.asarray(prepared.values[name]) for name in self.modalities}
        self.present_NM, self.target_NKP = np.asarray(prepared.present), np.asarray(prepared.target)
        self.columns = {name: list(prepared.schema.modalities).index(name) for name in self.modalities}
        self.scaling = {name: _Scaling(prepared, normaliser, name) for name in self.modalities}
        self.target_mean_P, self.target_deviation_P = normaliser.target_mean_P, normaliser.target_deviation_P
        self.table_W4 = _windows(prepared, items, self.withheld, self.window, stride or self.window)
        self.device: torch.device | None = None
        self.kept: Kept | None = None

    @property
    def windows(self) -> int:
        """Number of windows."""
        return len(self.table_W4)

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.windows // self.batch)

    def batches(self, order: np.ndarray | None = None, augment: Augmenter | None = None) -> Iterator[Batch]:
        """One batch after the other.

        Args:
            order: window indices; None: in sequence, item by item.
            augment: changes the windows, for training; None: as they are.

        Returns:
            Batches of ``window`` steps each. Values are (x − mean) / standard deviation, limited to ± clip; binary
            columns and embeddings as they are; 0 where NaN, absent or padded.
        """
        order = np.arange(self.windows) if order is None else np.asarray(order)
        parts = (order[at : at + self.batch] for at in range(0, len(order), self.batch))
        if self.kept is not None and augment is None:
            for windows_B in parts:
                self._count(windows_B)
                yield self.kept.pick(windows_B)
            return
        made = (self._counted(windows_B, augment) for windows_B in parts)
        yield from made if self.device is None else sent(made, self.device)

    def keep(self, device: torch.device | None = None, room: int | None = None, pinned: bool = False) -> Loader:
        """Itself, for passes that repeat: batches come on a device, from windows that are made once where they fit.

        Windows that are augmented, or too many to keep, are made anew in each pass; for a device other than the CPU a
        thread does so one batch ahead. Batches have the same bits all the same.

        Args:
            device: of the batches; None: the CPU.
            room: bytes that the windows may take; None: see :func:`mmcore.data.resident.room_on`.
            pinned: whether batches on the CPU will be copied to a graphics card; those that come in sequence are then
                parts of what is kept, and nothing may write to them.
        """
        place = device or torch.device("cpu")
        self.device = None if place.type == "cpu" else place
        self.kept = None
        if self.windows and self.bytes_of_windows() <= (room_on(place) if room is None else room):
            self.kept = Kept(lambda windows_B: self._assemble(windows_B, None), self.windows, self.batch, place, pinned)
        return self

    def bytes_of_windows(self) -> int:
        """Bytes of all windows together, as batches hold them."""
        targets = self.target_NKP[0].size * (1 if self.per_item else self.window)
        numbers = sum(x_NF.shape[1] for x_NF in self.values_NF.values()) * self.window
        masks = (len(self.modalities) + 1) * self.window
        return self.windows * (4 * numbers + masks + 2 * 5 * targets + 2 * 8)

    def _count(self, windows_B: np.ndarray) -> None:
        if self.read_I is not None:
            np.add.at(self.read_I, self.table_W4[windows_B, 0], 1)

    def _counted(self, windows_B: np.ndarray, augment: Augmenter | None) -> Batch:
        self._count(windows_B)
        return self._assemble(windows_B, augment)

    def _assemble(self, windows_B: np.ndarray, augment: Augmenter | None) -> Batch:
        item_B, low_B, start_B, high_B = self.table_W4[windows_B].T
        B, T = len(windows_B), self.window
        # A position exists while its target step does.
        end_B = high_B - self.withheld
        if augment is None:
            positions_B = np.minimum(T, end_B - start_B)
        else:
            start_B, positions_B = augment.places(windows_B, low_B, start_B, end_B, T)
        # Rows of the store.
        s_BT = start_B[:, None] + np.arange(T)
        valid_BT = np.arange(T) < positions_B[:, None]

        values: dict[str, np.ndarray] = {}
        unknown: dict[str, np.ndarray] = {}
        present_BTM = np.zeros((B, T, len(self.modalities)), bool)
        for m, name in enumerate(self.modalities):
            shift = self.shifts[name]
            x_BTF = np.zeros((B, T, self.values_NF[name].shape[1]), np.float32)
            for b, (first, last) in enumerate(self._spans(start_B, positions_B, high_B, shift)):
                x_BTF[b, : last - first], present_BTM[b, : last - first, m] = self.read(name, item_B[b], first, last)
            unknown[name] = self.scaling[name].apply(x_BTF, present_BTM[:, :, m], self.clip)
            values[name] = x_BTF
        if augment is not None:
            augment.alter(windows_B, positions_B, values, unknown, present_BTM)

        if not self.scored:
            shape = (B, 1 if self.per_item else T, *self.target_NKP.shape[1:])
            target_BTKP = np.full(shape, np.nan, np.float32)
        elif self.per_item:
            target_BTKP = self.target_NKP[item_B][:, None].astype(np.float32)
        else:
            target_BTKP = self._targets(s_BT + self.ahead, valid_BT)
        if self.per_item or self.previous_shift is None:
            previous_BTKP = np.full_like(target_BTKP, np.nan)
        else:
            before_BT = s_BT + self.previous_shift
            previous_BTKP = self._targets(before_BT, valid_BT & (before_BT >= low_B[:, None]))
        target, target_valid = self._normalised(target_BTKP)
        previous, previous_valid = self._normalised(previous_BTKP)
        offsets = np.array([self.prepared.items[i].offset for i in item_B])
        return Batch(
            values={name: torch.from_numpy(x_BTF) for name, x_BTF in values.items()},
            present_BTM=torch.from_numpy(present_BTM),
            valid_BT=torch.from_numpy(valid_BT),
            target_BTKP=target,
            target_valid_BTKP=target_valid,
            previous_BTKP=previous,
            previous_valid_BTKP=previous_valid,
            item_B=torch.from_numpy(item_B.copy()),
            start_B=torch.from_numpy(start_B - offsets),
        )

    def read(self, name: str, item: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """What windows of an item read of a modality at rows ``first`` … ``last`` − 1, before normalisation.

        Returns:
            Values (S, F), NaN where not usable, and where they are present (S,); a placebo's are another item's.
        """
        placebo = self.prepared.placebos.get(name)
        rows = slice(first, last) if placebo is None else placebo.rows(item, first, last)
        return self.values_NF[name][rows], self.present_NM[rows, self.columns[name]]

    def _spans(
        self, start_B: np.ndarray, positions_B: np.ndarray, high_B: np.ndarray, shift: int
    ) -> Iterator[tuple[int, int]]:
        """The rows that a modality fills a window from, one slice per window: slices of a map are the fastest read.

        Positions are only as many as there are targets for; content beyond the stretch's end is absent.
        """
        for start, positions, high in zip(start_B.tolist(), positions_B.tolist(), high_B.tolist(), strict=True):
            first = start + shift
            yield first, max(first, min(first + positions, high))

    def _targets(self, rows_BT: np.ndarray, usable_BT: np.ndarray) -> np.ndarray:
        target_BTKP = self.target_NKP[np.where(usable_BT, rows_BT, 0)]
        target_BTKP[~usable_BT] = np.nan
        return target_BTKP

    def _normalised(self, raw_BTKP: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        valid_BTKP = ~np.isnan(raw_BTKP)
        scaled_BTKP = (raw_BTKP - self.target_mean_P) / self.target_deviation_P
        return torch.from_numpy(np.where(valid_BTKP, scaled_BTKP, np.float32(0))), torch.from_numpy(valid_BTKP)


class _Scaling:
    """What happens to a modality's values on their way into a batch; embeddings are not touched needlessly."""

    def __init__(self, prepared: Prepared, normaliser: Normaliser, name: str) -> None:
        kinds = prepared.schema.modalities[name].kinds
        self.runs: list[tuple[slice, np.ndarray, np.ndarray]] = []
        first = 0
        for at in range(1, len(kinds) + 1):
            if at == len(kinds) or (kinds[at] in SCALED) != (kinds[first] in SCALED):
                if kinds[first] in SCALED:
                    run = slice(first, at)
                    self.runs.append((run, normaliser.mean[name][run], normaliser.deviation[name][run]))
                first = at

    def apply(self, x_BTF: np.ndarray, present_BT: np.ndarray, clip: float) -> np.ndarray:
        """Scale in place, zero where NaN or absent; where it was NaN."""
        for run, mean, deviation in self.runs:
            part_BTF = x_BTF[:, :, run]
            part_BTF -= mean
            part_BTF /= deviation
            np.clip(part_BTF, -clip, clip, out=part_BTF)
        unknown_BTF = np.isnan(x_BTF)
        np.copyto(x_BTF, 0.0, where=unknown_BTF)
        x_BTF[~present_BT] = 0.0
        return unknown_BTF


def _windows(prepared: Prepared, items: Sequence[int], ahead: int, window: int, stride: int) -> np.ndarray:
    """(W, 4): item, first row of the stretch, first row of the window, row after the stretch's last."""
    table: list[tuple[int, int, int, int]] = []
    for index in items:
        item = prepared.items[index]
        edges = [0, *item.breaks, item.steps]
        for low, high in pairwise(edges):
            positions = high - low - ahead
            if positions < 1:
                continue
            # Up to the window that reaches the end; with a stride above the window, up to the last start.
            count = min(1 + max(0, -(-(positions - window) // stride)), -(-positions // stride))
            base = item.offset + low
            table.extend((index, base, base + n * stride, item.offset + high) for n in range(count))
    return np.array(table, np.int64).reshape(-1, 4)
