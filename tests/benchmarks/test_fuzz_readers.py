"""Readers of bytes raise errors of ours and nothing else, whatever the bytes are."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz_readers.__main__ import NAMES
from benchmarks.fuzz_readers.chance import spoiled
from benchmarks.fuzz_readers.readers import FOUND, READERS, Broken, Reader, found
from mmcore.errors import StudyError

CASES = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "search").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_spoiled_files_are_accepted_or_refused(folder: Path, name: str) -> None:
    reader, rng = READERS[name], random.Random(0)
    good = reader.good()
    assert reader.try_out(good[0], folder), "what it begins from is good"
    accepted = [reader.try_out(spoiled(good, rng), folder) for _ in range(CASES)]
    assert not all(accepted) or name == "history", "some cases must be refused, or they try nothing"


@pytest.mark.parametrize("name", NAMES)
def test_what_broke_a_reader_once_does_so_no_more(folder: Path, name: str) -> None:
    for data in found(READERS[name]):
        READERS[name].try_out(data, folder)


def test_every_reader_is_known() -> None:
    assert tuple(READERS) == NAMES
    assert {path.name for path in FOUND.iterdir() if path.is_dir()} <= {*NAMES}


def test_the_judge_knows_what_breaks_a_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(error: Exception | None) -> Reader:
        def read(place: Path) -> None:
            if error is not None:
                raise error

        return Reader("x", "x", list, read)

    assert reader(None).try_out(b"", folder)
    assert not reader(StudyError("no")).try_out(b"", folder)
    with pytest.raises(Broken, match="KeyError"):
        reader(KeyError("x")).try_out(b"", folder)
    monkeypatch.setattr("benchmarks.fuzz_readers.readers.CPU_SECONDS", -1.0)
    with pytest.raises(Broken, match="s of CPU time"):
        reader(None).try_out(b"", folder)


@pytest.mark.simulation
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the extra fuzz (atheris) is not installed")
def test_the_guided_fuzzer_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz_readers", "--seconds", "1", "--keep", str(tmp_path), "history"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout
    assert "history" in done.stdout
    assert "held" in done.stdout
