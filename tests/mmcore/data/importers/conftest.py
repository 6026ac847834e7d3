"""What tests of importers share: a corpus as it reaches the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[Path], Prepared]:
    """Prepare a corpus, as a run would."""
    return lambda folder: prepare(folder, DataConfig(), tmp_path / "cache")


@pytest.fixture
def of_item() -> Callable[[Prepared, str, str], np.ndarray]:
    """The steps of one item in one modality, NaN where it is absent."""

    def read(store: Prepared, item: str, modality: str) -> np.ndarray:
        start = 0
        for one in store.items:
            if one.name == item:
                rows = slice(start, start + one.steps)
                place = list(store.schema.modalities).index(modality)
                values: Any = np.array(store.values[modality][rows], np.float32)
                values[~np.asarray(store.present[rows, place])] = np.nan
                return values
            start += one.steps
        raise AssertionError(item)

    return read
