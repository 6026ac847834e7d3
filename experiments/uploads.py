"""The files of a run that the tracking store keeps as artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_RECORD = ("record.json", "config.json", "history.json", "normalisation.json", "items.csv", "error.txt", "output.log")


def files_of(workdir: Path) -> list[tuple[Path, str]]:
    """What is there of a run's files, each with its folder among the artifacts."""
    files = [(workdir / name, "") for name in _RECORD] + [(workdir / "checkpoints" / "best.pt", "checkpoints")]
    return [(path, folder) for path, folder in files if path.exists()]


def digest_of(files: Iterable[tuple[Path, str]]) -> str:
    """Of names and contents."""
    digest = hashlib.blake2b(digest_size=16)
    for path, _ in files:
        digest.update(path.name.encode() + hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def remove_leftovers(uri: str) -> None:
    """Remove what killed uploads left half-written, where artifacts are files of this machine.

    MLflow writes each file beside its place first, under this name. The caller knows that nobody uploads there.

    Args:
        uri: of a run's artifacts.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        for torn in Path(url2pathname(parts.path)).rglob(".artifact.uploading.*"):
            torn.unlink(missing_ok=True)
