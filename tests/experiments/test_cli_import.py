"""``mmstudy data import``: what it prints, and the commands of docs/import.md on files made here."""

from __future__ import annotations

import os
import pickle
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from factories.command import mmstudy

from experiments.home import Home

h5py = pytest.importorskip("h5py")
DOCS = Path(__file__).parents[2] / "docs" / "import.md"
SHARDS = Path(__file__).parents[1] / "mmcore" / "data" / "importers" / "made_by_datasets"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "mlruns").make()


def part(count: int, first: int, unaligned: bool) -> dict[str, np.ndarray | list[str]]:
    rng = np.random.default_rng(first)
    rows = {"text": 10, "audio": 50 if unaligned else 10, "vision": 30 if unaligned else 10}
    return {
        **{name: rng.normal(size=(count, rows[name], 4)).astype(np.float32) for name in rows},
        "id": [f"video{(first + at) // 2}$_$0{at}" for at in range(count)],
        "regression_labels": rng.normal(size=count),
        "classification_labels": np.arange(count) % 3,
        "annotations": [("Negative", "Neutral", "Positive")[at % 3] for at in range(count)],
        "labels": rng.normal(size=(count, 1, 1)),
    }


def make_files(folder: Path) -> None:
    """The files that the page's commands name."""
    (folder / "mosi").mkdir()
    for name, rows, width in (("labels", 3, 1), ("COVAREP", 300, 4), ("glove_vectors", 10, 6)):
        with h5py.File(folder / "mosi" / f"{name}.csd", "w") as file:
            for at, video in enumerate(("abc", "xyz")):
                entry = file.create_group(f"{name}/data/{video}")
                rng = np.random.default_rng(at)
                first = np.arange(rows) * 3 / rows
                entry["features"] = rng.normal(size=(rows, width))
                entry["intervals"] = np.stack([first, first + 3 / rows], axis=1)
    for name, unaligned in (("aligned_50.pkl", False), ("unaligned_50.pkl", True), ("mosi_data.pkl", False)):
        sides = {"train": part(8, 0, unaligned), "valid": part(4, 8, unaligned), "test": part(4, 12, unaligned)}
        (folder / name).write_bytes(pickle.dumps(sides))
    os.symlink(SHARDS / "saved", folder / "emotions")
    os.symlink(SHARDS / "parquet", folder / "emotions_parquet")
    rng = np.random.default_rng(0)
    audio, face, y = rng.normal(size=(12, 8, 3)), rng.normal(size=(12, 8, 2)), np.arange(12) % 2
    np.savez(folder / "data.npz", audio=audio, face=face, y=y, groups=np.arange(12) // 2)
    (folder / "arrays").mkdir()
    for name, array in {"audio": audio, "face": face, "mood": y, "speaker": np.arange(12) // 2}.items():
        np.save(folder / "arrays" / f"{name}.npy", array)


def test_every_command_of_the_page_works(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    commands = [line for line in "".join(blocks).replace("\\\n", " ").splitlines() if line.startswith("mmstudy data")]
    kinds = set()
    for command in commands:
        done = mmstudy(home, *shlex.split(command, comments=True)[1:])
        assert done.returncode == 0, (command, done.stderr)
        if " import " in command:
            kinds.add(command.split()[3])
            assert "next: mmstudy data inspect" in done.stdout
            folder = re.search(r"--out (\S+)", command)
            assert folder is not None
            inspected = mmstudy(home, "data", "inspect", folder[1])
            assert inspected.returncode == 0, inspected.stderr
    assert kinds == {"csd", "mmsa", "mult", "datasets", "numpy"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["numpy", "nowhere.npz", "--out", "corpus"], "must be there"),
        (["numpy", "data.npz"], "--out DIR"),
        (["numpy", "data.npz", "--out", "corpus", "--sampling-rate", "audio"], "MODALITY=HZ"),
        (["numpy", "data.npz", "--out", "mosi"], "written into a new folder"),
        (["csd", "data.npz", "mosi", "--out", "corpus"], "cannot be read as a computational sequence"),
        (["mmsa", "data.npz", "--out", "corpus"], "not a complete pickle"),
        (["mult", "mosi", "--out", "corpus"], "cannot be read"),
        (["datasets", "data.npz", "--out", "corpus"], "cannot be read"),
        (["numpy", "mosi_data.pkl", "--out", "corpus"], "cannot be read"),
        (["numpy", "data.npz", "arrays", "--out", "corpus"], "one path"),
        (["smartwatch", "corpus", "--target", "y"], "takes none of --target"),
    ],
)
def test_bad_input_is_told_without_a_traceback(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = mmstudy(home, "data", "import", *words)
    assert done.returncode != 0
    assert told in " ".join((done.stderr + done.stdout).replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "corpus").exists()
