"""A prepared store whose files were torn or changed is never used, and is built again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import BrokenStore, open_prepared
from mmcore.errors import CorpusError

Write = Callable[..., Path]

BROKEN_JSON = [
    "", "[]", "null", "7", '"x"', "{}", '{"format": null}', "[" * 5000, "9" * 5000, '[{"item": 1}]', "[null]",
]  # fmt: skip
WHOLE = [("quality.json", "[]"), ("columns.json", "{}"), ("columns.json", '{"format": null}')]


@pytest.mark.parametrize("text", BROKEN_JSON)
@pytest.mark.parametrize("name", ["index.json", "quality.json", "columns.json"])
def test_a_file_of_the_store_with_another_content_has_it_built_again(
    write_tiny: Write, tmp_path: Path, name: str, text: str
) -> None:
    if (name, text) in WHOLE:
        pytest.skip("a whole file of an earlier version, or one without rows")
    folder, cache = write_tiny(), tmp_path / "cache"
    path = prepare(folder, DataConfig(), cache).path
    (path / name).write_text(text)
    with pytest.raises(BrokenStore, match="not a complete prepared store"):
        open_prepared(path)
    assert prepare(folder, DataConfig(), cache).target.shape == (33, 2, 3)


def _index_with(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    index = json.loads((path / "index.json").read_text())
    change(index)
    (path / "index.json").write_text(json.dumps(index))


CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda index: index["items"][0].update(offset=1),
    lambda index: index["items"][0].update(steps=-1),
    lambda index: index["items"][0].update(has=[]),
    lambda index: index["items"].pop(),
    lambda index: index["shapes"].pop("target"),
    lambda index: index["shapes"].update(present=[1, 1]),
    lambda index: index.update(content=None),
    lambda index: index.pop("items"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_index_that_does_not_hold_together_is_never_used(
    write_tiny: Write, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    path = prepare(write_tiny(), DataConfig(), tmp_path / "cache").path
    _index_with(path, change)
    with pytest.raises(BrokenStore):
        open_prepared(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", np.lib.format.MAGIC_PREFIX])
def test_an_array_that_is_no_array_is_never_used(write_tiny: Write, tmp_path: Path, content: bytes) -> None:
    path = prepare(write_tiny(), DataConfig(), tmp_path / "cache").path
    (path / "present.npy").write_bytes(content)
    with pytest.raises(BrokenStore):
        open_prepared(path)


def test_an_array_of_objects_or_texts_is_never_used(write_tiny: Write, tmp_path: Path) -> None:
    path = prepare(write_tiny(), DataConfig(), tmp_path / "cache").path
    for dtype in (object, "U3"):
        np.save(path / "target.npy", np.full((33, 2, 3), "a", dtype), allow_pickle=True)
        with pytest.raises(BrokenStore):
            open_prepared(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs")
def test_a_fifo_in_a_store_is_refused_at_once(write_tiny: Write, tmp_path: Path) -> None:
    path = prepare(write_tiny(), DataConfig(), tmp_path / "cache").path
    for name in ("present.npy", "index.json"):
        (path / name).unlink()
        os.mkfifo(path / name)
        with pytest.raises(CorpusError, match="a FIFO instead of a file"):
            open_prepared(path)
        os.unlink(path / name)
        (path / name).symlink_to("/dev/zero")
        with pytest.raises(CorpusError, match="a device instead of a file"):
            open_prepared(path)


def test_a_store_that_may_not_be_read_is_neither_called_broken_nor_built_again(
    write_tiny: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    path = prepare(folder, DataConfig(), cache).path

    def refused(file: Path, most: int = 0) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr("mmcore.data.prepared.read_bytes", refused)
    with pytest.raises(CorpusError, match=r"Permission denied.*chmod u\+r") as caught:
        prepare(folder, DataConfig(), cache)
    assert not isinstance(caught.value, BrokenStore)
    assert path.exists()
    assert not [*cache.glob("*.broken-*")]
