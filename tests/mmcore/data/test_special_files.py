"""Files that are none, links that lead away, archives that unpack to too much: refused at once, never opened."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from mmcore.config import DataConfig
from mmcore.data.checking import check_corpus
from mmcore.data.guess.raw import read_raw
from mmcore.data.importers.arrow_files import opened
from mmcore.data.importers.csd_file import open_sequence
from mmcore.data.importers.stored import open_arrays
from mmcore.data.lengths import _rows
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import content_key, read_items, read_schema
from mmcore.data.sources.pickles import read_pickle
from mmcore.data.sources.seed_layout import read_sequences
from mmcore.data.sources.smartwatch import read_recordings
from mmcore.data.sources.tables import read_table
from mmcore.errors import CorpusError

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _in_a_second() -> Iterator[None]:
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < 5


@pytest.fixture(params=["fifo", "device"])
def special(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Puts something that never ends in the place of a file."""

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        if request.param == "fifo":
            os.mkfifo(path)
        else:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5)) if os.geteuid() == 0 else path.symlink_to("/dev/zero")

    return put


@pytest.mark.parametrize("name", ["corpus.yaml", "items.csv", "sound/a.csv"])
def test_what_never_ends_is_not_read(
    write_tiny: Write, tmp_path: Path, special: Callable[[Path], None], name: str
) -> None:
    folder = write_tiny()
    path = next(iter(sorted((folder / "sound").iterdir()))) if "/" in name else folder / name
    special(path)
    for read in (lambda: prepare(folder, DataConfig(), tmp_path / "cache"), lambda: content_key(folder)):
        with pytest.raises(CorpusError, match=r"instead of a file|holds a file corpus.yaml|leads out of it"):
            read()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".npz", ".npy", ".jsonl"])
def test_no_reader_of_tables_waits(tmp_path: Path, special: Callable[[Path], None], suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    special(path)
    with pytest.raises(CorpusError, match="instead of a file"):
        read_raw(path)
    if suffix in (".csv", ".parquet", ".feather"):
        with pytest.raises(CorpusError, match="instead of a file"):
            read_table(path, ["x"])


@pytest.mark.parametrize("name", ["corpus.yaml", "items.csv", "sound", "sound/FIRST"])
def test_a_link_out_of_the_corpus_is_refused_and_one_within_is_not(
    write_tiny: Write, tmp_path: Path, name: str
) -> None:
    folder = write_tiny()
    first = sorted((folder / "sound").iterdir())[0]
    path = first if "FIRST" in name else folder / name
    outside = tmp_path / "elsewhere"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(CorpusError, match="a file of a corpus must lie in its folder") as caught:
        prepare(folder, DataConfig(), tmp_path / "cache")
    assert str(path) in caught.value.message
    path.unlink()
    inside = folder / "kept_here"
    outside.rename(inside)
    path.symlink_to(inside)
    assert content_key(folder)
    # The corpus itself may be reached by a link.
    (tmp_path / "link").symlink_to(folder)
    assert content_key(tmp_path / "link") == content_key(folder)


def test_another_file_is_never_quoted(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0:very secret\n")
    for name in ("corpus.yaml", "items.csv"):
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).symlink_to(secret)
        with pytest.raises(CorpusError) as caught:
            read_schema(folder) if name == "corpus.yaml" else read_items(folder / name)
        assert "secret\n" not in caught.value.message
        assert "root:" not in caught.value.message
        (folder / name).unlink()
        (folder / name).write_bytes(kept)
    assert check_corpus(folder) is not None


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_sequences.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sequences.npy", bytes(1000))
    # Only the directory of the archive is changed: what it claims is what counts.
    data = path.read_bytes()
    path.write_bytes(data.replace((1000).to_bytes(4, "little"), (0xF0000000).to_bytes(4, "little")))
    for read in (read_raw, read_sequences):
        with pytest.raises(CorpusError, match="an archive may unpack to at most 64 GiB, and to 200 times its size"):
            read(path)


def test_a_header_that_claims_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 8)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(100))
    with pytest.raises(CorpusError, match="cannot be read"):
        read_raw(path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(path, "a.npy")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_raw(tmp_path / "a.npz")


def test_a_parquet_file_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"time": np.zeros(1000), "x": np.zeros(1000)}), tmp_path / "a.parquet")
    monkeypatch.setattr("mmcore.data.sources.arrow_claims.MOST_CELLS", 1999)
    with pytest.raises(CorpusError, match="at most 1,999 cells; found 1,000 rows of 2 columns"):
        read_table(tmp_path / "a.parquet", ["x"], ["time"])


def test_text_in_another_encoding_knows_its_line(write_tiny: Write, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"item,group\na,g\n\xe9,g\n")
    with pytest.raises(CorpusError, match=r"items\.csv:3: the file must be UTF-8 text; found the byte 0xe9"):
        read_items(tmp_path / "items.csv")
    (tmp_path / "a.csv").write_bytes(b"time,x\n0,1\n1,2\n2,\xff\n")
    with pytest.raises(CorpusError, match=r"a\.csv:4: the file must be UTF-8 text; found the byte 0xff"):
        read_table(tmp_path / "a.csv", ["x"], ["time"])


def test_nanoseconds_as_whole_numbers_are_read_and_told_of(write_tiny: Write, tmp_path: Path) -> None:
    times = 1_764_000_000_000_000_001 + np.arange(5) * 100_000_000
    pd.DataFrame({"time": times, "x": np.arange(5)}).to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", ["x"], ["time"])
    assert table.time_T is not None
    assert np.allclose(np.diff(table.time_T), 1e8)


def _sequence(path: Path) -> None:
    with open_sequence(path):
        pass


def _batches(path: Path) -> None:
    with opened(path) as (_, batches):
        list(batches)


@pytest.mark.parametrize("read", [read_pickle, read_recordings, _sequence, open_arrays, _batches])
def test_no_importer_waits(tmp_path: Path, special: Callable[[Path], None], read: Callable[[Path], object]) -> None:
    special(tmp_path / "a.file")
    with pytest.raises(CorpusError, match=r"instead of a file|a FIFO|a device"):
        read(tmp_path / "a.file")


def bomb(path: Path, rows: int, *, stream: bool = False, text: bool = False) -> Path:
    """A few kilobytes of a compressed table that come to ``8 * rows`` bytes or more."""
    cells = pa.array(["x" * 4096]).take(pa.array(np.zeros(rows // 512, np.int64))) if text else pa.nulls(0)
    table = pa.table({"x": cells if text else pa.array(np.zeros(rows))})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema, options=options) as out:
        out.write_table(table)
    assert path.stat().st_size < 500_000
    return path


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule at a hundredth of its size, so that a test need not make gigabytes first."""
    monkeypatch.setattr("mmcore.data.sources.arrow_claims.SMALL", 10 << 20)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_arrow_bombs_are_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool, text: bool
) -> None:
    path = bomb(tmp_path / "a.feather", 5_000_000, stream=stream, text=text)
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool().max_memory() or 0
    for read in (read_raw, lambda one: read_table(one, ["x"]), _batches):
        with pytest.raises(CorpusError, match="a table may unpack to") as caught:
            read(path)
        assert str(path) in str(caught.value)
    assert pa.total_allocated_bytes() == before
    assert (pa.default_memory_pool().max_memory() or 0) == pool, "nothing was unpacked"


@pytest.mark.usefixtures("small_limit")
def test_a_batch_that_is_named_a_thousand_times_counts_a_thousand_times(tmp_path: Path) -> None:
    """The footer of a file may name one batch again and again, as overlapping parts of a zip archive do."""
    path = tmp_path / "a.arrow"
    table = pa.table({"x": pa.array(np.zeros(10_000))})
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
        for _ in range(1000):
            out.write_table(table)
    whole = path.read_bytes()
    with pytest.raises(CorpusError, match="a table may unpack to"):
        read_raw(path.rename(tmp_path / "a.feather"))
    assert len(whole) < 500_000


def test_tables_of_numbers_pass_however_they_are_packed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(2000.0), "c": ["a", "b"] * 1000, "d": pd.Categorical(["u", "v"] * 1000)})
    for compression in ("uncompressed", "lz4", "zstd"):
        feather.write_feather(frame, str(tmp_path / "a.feather"), compression=compression)
        assert len(read_raw(tmp_path / "a.feather").frame) == 2000
        assert read_table(tmp_path / "a.feather", ["x"]).values_TF[7, 0] == 7
        assert _rows(tmp_path / "a.feather") == 2000
    frame.iloc[:0].to_feather(tmp_path / "a.feather")
    assert len(read_raw(tmp_path / "a.feather").frame) == 0


@pytest.mark.usefixtures("small_limit")
def test_equal_values_of_a_parquet_file_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array(np.zeros(5_000_000))}), tmp_path / "a.parquet", compression="zstd")
    for read in (read_raw, lambda path: read_table(path, ["x"])):
        with pytest.raises(CorpusError, match="a table may unpack to"):
            read(tmp_path / "a.parquet")


def test_offsets_out_of_their_buffer_are_refused_and_end_no_process(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    feather.write_feather(pd.DataFrame({"kind": ["a", "b"] * 20}), str(path), compression="uncompressed")
    whole, offsets = path.read_bytes(), [np.arange(41, dtype=f"<i{size}").tobytes() for size in (4, 8)]
    (at, known) = next((whole.index(one), one) for one in offsets if one in whole)
    size = len(known) // 41
    forged = known[:-size] + (2**30).to_bytes(size, "little")
    path.write_bytes(whole[:at] + forged + whole[at + len(known) :])
    for read in (read_raw, lambda one: read_table(one, ["kind"], labels={"kind": ("a", "b")}), _batches):
        with pytest.raises(CorpusError):
            read(path)


def test_an_array_in_the_place_of_an_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3.0))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(CorpusError, match="in place of an archive"):
        read_raw(tmp_path / "a.npz")
    with pytest.raises(CorpusError, match="in place of an archive"):
        read_sequences(tmp_path / "a.npz")
    with pytest.raises(CorpusError, match="zip"):
        open_arrays(tmp_path / "a.npz")
