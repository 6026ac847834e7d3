"""The readers of bytes, each with good files to begin from, and what is held of them whatever the bytes are."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from experiments.home import Home
from experiments.portable.archive import Enclosed, opened, write_archive
from experiments.portable.manifest import FORMAT, Manifest, Requested
from experiments.records import RECORD, read_history, read_record
from experiments.tuning.ownership import costs, trials_of
from experiments.tuning.storage import find_study, open_storage
from experiments.tuning.travel import lost_trials
from mmcore.data.guess.raw import read_raw
from mmcore.data.importers.stored import open_arrays
from mmcore.data.sources.pickles import read_pickle
from mmcore.data.sources.tables import read_table
from mmcore.errors import MMStudyError, StudyError
from mmcore.yamlfile import read_yaml

CPU_SECONDS = 5.0
"""A reader that computes for longer hangs."""
MEMORY_MIB = 2048
"""Of the whole process; the libraries alone take 600."""


class Broken(Exception):
    """A reader did what none may do: it raised another error than ours, or took too long."""


@dataclass(frozen=True)
class Reader:
    """One reader.

    Args:
        name: on the command line.
        file: name of the file that it reads, in a folder of its own.
        good: files that it accepts.
        read: reads the file in a folder; raises MMStudyError where it is no good.
    """

    name: str
    file: str
    good: Callable[[], list[bytes]]
    read: Callable[[Path], object]

    def try_out(self, data: bytes, folder: Path) -> bool:
        """Whether the reader accepts these bytes.

        Raises:
            Broken: it did what none may do.
        """
        (folder / self.file).write_bytes(data)
        began = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.read(folder)
        except MMStudyError:
            accepted = False
        except Exception as error:
            raise Broken(f"{self.name}: {type(error).__name__}: {error}"[:300]) from error
        else:
            accepted = True
        if (taken := time.process_time() - began) > CPU_SECONDS:
            raise Broken(f"{self.name}: {taken:.0f} s of CPU time for {len(data)} bytes")
        return accepted


# Good files ----------------------------------------------------------------------------------------------------------
def _yaml() -> list[bytes]:
    return [
        b"question: Does it help?\nbase: &b {model.width: 8, x: [1, 2.5, null, 'on']}\narms: {a: {}, b: *b}\n",
        b"format: 1\nmodalities:\n  audio: {features: [{name: 'clip_{0..511}', kind: embedding}]}\n# end\n",
        b"a: |\n  text\nb: >-\n  more\nc: ! x\nd: !!str 3\n<<: {e: 010}\n",
    ]


def _csv() -> list[bytes]:
    return [b"time,x,kind\n0,1.5,a\n0.1,,b\n0.2,nan,a\n", b'"time","x","kind"\r\n0,"1e-3",b\r\n', b"time,x,kind\n"]


def _arrays() -> list[np.ndarray]:
    return [
        np.arange(6.0).reshape(2, 3),
        np.array([1, 2], np.int8),
        np.array(["a", "bc"]),
        np.zeros((0, 2)),
        np.array(1),
    ]


def _npy() -> list[bytes]:
    files = []
    for array in _arrays():
        out = io.BytesIO()
        np.save(out, array)
        files.append(out.getvalue())
    return files


def _npz() -> list[bytes]:
    files = []
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, x=np.arange(6.0).reshape(2, 3), y=np.array([1, 2], np.int8))
        files.append(out.getvalue())
    return files


def _pickle() -> list[bytes]:
    content = {"train": {"text": np.arange(6.0).reshape(2, 3), "id": ["a", b"b", ("c", 1, None)], "y": np.float64(2)}}
    return [pickle.dumps(content, protocol=protocol) for protocol in range(6)]


def _record() -> list[bytes]:
    with zipfile.ZipFile(Path(__file__).parents[2] / "tests" / "data" / "home_of_format_1.zip") as files:
        names = [name for name in files.namelist() if name.endswith(RECORD)]
        return [files.read(names[0]), files.read(names[0])[:7000]]


def _history() -> list[bytes]:
    return [b'[{"epoch": 1, "train/loss": 0.5, "validation/skill": null}]', b"[]"]


def _journal() -> list[bytes]:
    path = Path("search") / "s.journal"
    with _in_scratch() as folder:
        (folder / path).parent.mkdir()
        storage = JournalStorage(JournalFileBackend(str(folder / path)))
        study = optuna.create_study(storage=storage, study_name="s/a", directions=["maximize"])
        study.set_user_attr("mmstudy", {"space": {}})
        for _ in range(2):
            trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
            trial.set_user_attr("rank", trial.number)
            trial.set_user_attr("process", {"host": "h", "pid": 1, "created": 1.0})
            trial.report(0.5, 1)
            study.tell(trial, 0.5)
        study.ask()
        return [(folder / path).read_bytes()]


def _archive() -> list[bytes]:
    asked = Requested(None, None, "2", None, None, {"training.epochs": 1})
    manifest = Manifest(FORMAT, "0.1.0", "level", "../level.yaml", asked, None, (), (), ())
    with _in_scratch() as folder:
        write_archive(folder / "a.zip", manifest, [Enclosed("study.yaml", b"question: Why?\n")])
        return [(folder / "a.zip").read_bytes()]


def _feather() -> list[bytes]:
    files = []
    for compression in ("uncompressed", "lz4", "zstd"):
        out = io.BytesIO()
        frame = pd.DataFrame({"time": np.arange(40) / 10, "x": np.arange(40.0), "kind": ["a", "b"] * 20})
        frame.to_feather(out, compression=compression)
        files.append(out.getvalue())
    return files


@contextlib.contextmanager
def _in_scratch() -> Iterator[Path]:
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="mmstudy-good-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


# Reading -------------------------------------------------------------------------------------------------------------
def _read_npz(folder: Path) -> None:
    read_raw(folder / "a.npz")
    for array in open_arrays(folder / "a.npz").values():
        list(array.items())


def _read_table(folder: Path) -> None:
    (path,) = folder.glob("a.*")
    read_table(path, ["x"], ["time"])
    read_table(path, ["kind", "x"], labels={"kind": ("a", "b")})


def _read_journal(folder: Path) -> None:
    lost_trials(folder / "search" / "s.journal")
    with open_storage(Home(folder), "s", None) as storage:
        study = find_study(storage, "s/a")
        if study is not None:
            json.dumps(study.user_attrs)
            costs(trials_of(study))


def _read_archive(folder: Path) -> None:
    place = folder / "unpacked"
    shutil.rmtree(place, ignore_errors=True)
    with opened(folder / "a.zip") as archive:
        archive.unpack(place)


READERS = {
    one.name: one
    for one in (
        Reader("yaml", "a.yaml", _yaml, lambda folder: read_yaml(folder / "a.yaml", StudyError)),
        Reader("csv", "a.csv", _csv, _read_table),
        Reader("feather", "a.feather", _feather, _read_table),
        Reader("npy", "a.npy", _npy, lambda folder: read_raw(folder / "a.npy")),
        Reader("npz", "a.npz", _npz, _read_npz),
        Reader("pickle", "a.pkl", _pickle, lambda folder: read_pickle(folder / "a.pkl")),
        Reader("record", RECORD, _record, read_record),
        Reader("history", "history.json", _history, read_history),
        Reader("journal", "search/s.journal", _journal, _read_journal),
        Reader("archive", "a.zip", _archive, _read_archive),
    )
}
FOUND = Path(__file__).parent / "found"
"""Cases that broke a reader once, a folder for each reader."""


def found(reader: Reader) -> list[bytes]:
    """The cases that broke a reader once."""
    return [path.read_bytes() for path in sorted((FOUND / reader.name).glob("*"))]
