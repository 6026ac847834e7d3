"""Files of scores that never end, or that unpack to more than a machine holds."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from experiments.scores import files
from experiments.scores.files import read_file
from mmcore.errors import ScoresError


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.parquet"])
def test_a_fifo_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ScoresError, match="a FIFO instead of a file"):
        read_file(tmp_path / name)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bytes(1_000_000)))
    pd.DataFrame({"x": [0.0] * 10_000}).to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv.gz", "a.parquet"):
        with pytest.raises(ScoresError, match=r"10,000 bytes|2,500 are the limit"):
            read_file(tmp_path / name)
