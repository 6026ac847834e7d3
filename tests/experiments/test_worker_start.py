"""How worker processes are started: with an allocator that suits training, which changes no result."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest
import torch

from experiments.launchers import start
from experiments.launchers.slurm import node
from experiments.launchers.start import (
    FOREIGN,
    MEMORY_VARIABLES,
    PRELOAD,
    allocator,
    worker_command,
    worker_environment,
)
from mmcore.config import build_config
from mmcore.run import run
from mmcore.training.threads import with_threads

ROOT = Path(start.__file__).resolve().parents[2]

ours = pytest.mark.skipif(
    not (sys.platform == "linux" and platform.machine() == "x86_64"), reason="the package tbb is for Linux on x86-64"
)

TRAINING = """
import sys
from pathlib import Path
from tests.experiments.test_worker_start import trained
print(trained(*map(Path, sys.argv[1:])))
"""


def trained(corpus: Path, folder: Path) -> str:
    """Digests of what a short training leaves, and whether this process has the allocator of workers."""
    settings = {
        "corpus": str(corpus),
        "data": {"window": 12},
        "model": {"width": 64, "layers": 1, "heads": 2},
        "training": {"epochs": 2, "batch": 4},
    }
    with with_threads(1):
        run(build_config(settings), folder)
    weights = torch.load(folder / "checkpoints" / "best.pt", weights_only=False)["model"]
    digests = [
        hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights.values())).hexdigest(),
        hashlib.sha256((folder / "items.csv").read_bytes()).hexdigest(),
    ]
    return " ".join([*digests, str("tbbmalloc_proxy" in Path("/proc/self/maps").read_text())])


@pytest.fixture(autouse=True)
def no_preload(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(PRELOAD, raising=False)
    allocator.cache_clear()
    yield
    allocator.cache_clear()


@ours
def test_training_with_the_allocator_of_workers_gives_the_same_bits(tiny_corpus: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", TRAINING, str(tiny_corpus), str(tmp_path / "with")]
    done = subprocess.run(
        words, env=worker_environment(os.environ), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    without = trained(tiny_corpus, tmp_path / "without")
    assert without.endswith("False")
    assert done.stdout.strip() == without.replace("False", "True")


@ours
def test_the_loader_takes_the_allocator_of_a_worker_without_a_word() -> None:
    code = "print('tbbmalloc_proxy' in open('/proc/self/maps').read())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=worker_environment(os.environ), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


WORKER = """
import os, subprocess, sys
from experiments.launchers import worker
child = "import os; print(os.environ.get('LD_PRELOAD'), 'tbbmalloc' in open('/proc/self/maps').read())"
worker._listen = lambda *_: None
worker._training = lambda: (None, None)
worker._serve = lambda *_: print('tbbmalloc' in open('/proc/self/maps').read(), subprocess.check_output(
    [sys.executable, '-c', child], text=True), file=sys.stderr)
worker.main()
"""


@ours
@pytest.mark.parametrize(("own", "said"), [(None, "True None False"), ("", "False  False")])
def test_programs_that_a_worker_starts_have_the_memory_that_they_have_everywhere(
    own: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the user's may call a program for other processors, whose loader would complain in every line."""
    if own is not None:
        monkeypatch.setenv(PRELOAD, own)
    environment = worker_environment(os.environ)
    done = subprocess.run(
        [sys.executable, "-c", WORKER], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.strip()) == (0, said)


@ours
@pytest.mark.parametrize("own", ["", "/usr/lib/libtcmalloc_minimal.so.4"])
def test_what_the_user_preloads_is_kept(own: str) -> None:
    assert worker_environment({PRELOAD: own})[PRELOAD] == own
    assert PRELOAD in worker_environment({})


def test_foreign_training_code_has_the_memory_that_it_has_everywhere() -> None:
    found = worker_environment({"HOME": "/root"}, foreign=True)
    assert found == {"HOME": "/root", "PYTHONUNBUFFERED": "1"}


class Installed:
    """What the package ``tbb`` says that it has installed under a folder."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.files: list[PurePosixPath] | None = [PurePosixPath(name) for name in names]
        self._folder = folder

    def locate_file(self, file: PurePosixPath) -> Path:
        return self._folder / file


BOTH = ("libtbbmalloc.so.2", "libtbbmalloc_proxy.so.2")


@pytest.mark.parametrize(
    ("folder", "listed", "there", "found"),
    [
        ("lib", BOTH, BOTH, BOTH),
        ("lib", BOTH[::-1], BOTH, BOTH),
        ("my lib", BOTH, BOTH, ()),
        ("a:b", BOTH, BOTH, ()),
        ("lib", BOTH[:1], BOTH, ()),
        ("lib", BOTH, BOTH[:1], ()),
        ("lib", (), BOTH, ()),
    ],
)
def test_an_allocator_that_the_loader_could_not_take_is_left_out(
    folder: str,
    listed: tuple[str, ...],
    there: tuple[str, ...],
    found: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / folder).mkdir()
    for name in there:
        (tmp_path / folder / name).touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(start.metadata, "distribution", lambda _: Installed(tmp_path / folder, listed))
    assert allocator() == tuple(str(tmp_path / folder / name) for name in found)
    assert worker_environment({}).get(PRELOAD) == (":".join(allocator()) if found else None)


def test_a_machine_without_the_allocator_trains_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Installed:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(start.metadata, "distribution", missing)
    assert allocator() == ()
    assert worker_environment({}) == {**MEMORY_VARIABLES, "PYTHONUNBUFFERED": "1"}
    allocator.cache_clear()
    unlisted = Installed(Path("/nowhere"), ())
    unlisted.files = None
    monkeypatch.setattr(start.metadata, "distribution", lambda _: unlisted)
    assert allocator() == ()
    for system in ("darwin", "win32"):
        allocator.cache_clear()
        monkeypatch.setattr(sys, "platform", system)
        assert allocator() == ()


@pytest.mark.parametrize("words", [[], [FOREIGN]])
def test_a_node_of_slurm_starts_its_worker_as_this_machine_does(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    class Process:
        def __init__(self, command: list[str], env: dict[str, str], **_: object) -> None:
            started.append((command, env))

    class Ended(Exception):
        """Enough was seen."""

    def serve(self: object) -> int:
        raise Ended

    monkeypatch.setattr(node.subprocess, "Popen", Process)
    monkeypatch.setattr(node._Node, "serve", serve)
    with pytest.raises(Ended):
        node.main([str(tmp_path), "60", *words, "0"])
    assert started == [(worker_command(*words), worker_environment(os.environ, foreign=bool(words)))]
