"""Confusion of classes item by item, kept sparse: memory grows with the cells that occur, not with items × C × C.

Q counted targets, C classes, U cells that occur.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.scores import Cell

_PENDING = 1 << 16
"""Cells that wait at least before they are merged with the known ones."""


class ItemCells:
    """How often each class was predicted for each true class, by item.

    Args:
        classes: C, the number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._key_U = torch.zeros(0, dtype=torch.int64)
        self._count_U = torch.zeros(0, dtype=torch.int64)
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._waits = 0

    def add(self, item_Q: Tensor, true_Q: Tensor, predicted_Q: Tensor) -> None:
        """Count predictions: the item of each, its true and its predicted class; may be empty."""
        key_Q = (item_Q * self.classes + true_Q) * self.classes + predicted_Q
        key_U, count_U = key_Q.unique(return_counts=True)
        self._waiting.append((key_U, count_U))
        self._waits += len(key_U)
        # Merged only when as many wait as are known: each cell then takes part in few merges.
        if self._waits > max(_PENDING, len(self._key_U)):
            self._merge()

    def of_items(self) -> dict[int, tuple[Cell, ...]]:
        """Item to its non-empty cells, ascending."""
        self._merge()
        C = self.classes
        cells: dict[int, list[Cell]] = {}
        for key, count in zip(self._key_U.tolist(), self._count_U.tolist(), strict=True):
            cells.setdefault(key // (C * C), []).append((key // C % C, key % C, count))
        return {item: tuple(of_item) for item, of_item in cells.items()}

    def _merge(self) -> None:
        parts = [(self._key_U, self._count_U), *self._waiting]
        key, count = (torch.cat(column) for column in zip(*parts, strict=True))
        self._key_U, place = key.unique(return_inverse=True)
        self._count_U = torch.zeros_like(self._key_U).index_add_(0, place, count)
        self._waiting, self._waits = [], 0
