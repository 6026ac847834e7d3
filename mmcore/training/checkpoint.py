"""Checkpoints on disk: written whole or not at all, read without unpickling code.

A folder holds ``last.pt`` (everything that training needs to go on), ``best.pt`` (the weights that will be scored) and,
on request, ``epoch_NNNN.pt`` (weights).
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from mmcore.atomic import write_atomically
from mmcore.errors import CheckpointError
from mmcore.files import open_file, unopened


class UnreadableCheckpoint(CheckpointError):
    """A checkpoint whose bytes are torn or no checkpoint at all."""


def save_checkpoint(path: Path, content: Mapping[str, object]) -> None:
    """Save tensors and plain values; ``content["fingerprint"]`` names the run."""
    # In memory first: torch hides why a file could not be written, e.g. that the disk is full.
    whole = io.BytesIO()
    torch.save(content, whole)
    write_atomically(path, lambda file: file.write(whole.getbuffer()))


def load_checkpoint(
    path: Path, fingerprint: str, device: torch.device, needs: Collection[str] = ("model",)
) -> dict[str, Any]:
    """Read a checkpoint of this very run.

    Args:
        needs: parts that it must have.

    Raises:
        UnreadableCheckpoint: the file is torn, lacks a part, or holds anything but tensors and plain values.
        CheckpointError: it belongs to another run.
    """
    try:
        open_file(path).close()
    except FileNotFoundError as error:
        raise _unreadable(path, "no such file") from error
    except OSError as error:
        raise unopened(CheckpointError, "a checkpoint", path, error) from None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        found = content["fingerprint"]
    except Exception as error:
        # A torn file fails in whatever part of torch or pickle meets it first.
        said = (str(error).splitlines() or [""])[0][:120]
        raise _unreadable(path, f"{type(error).__name__}: {said}" if said else type(error).__name__) from error
    if found != fingerprint:
        raise CheckpointError(
            "a checkpoint must belong to the run that reads it",
            expected=f"fingerprint {fingerprint}",
            found=str(found),
            next_step="Give the run a folder of its own, or move the checkpoints of the other config away",
            where=str(path),
        )
    missing = [part for part in needs if part not in content]
    if missing:
        raise _unreadable(path, f"none of {', '.join(missing)}; another version of this program may have left it")
    return content


def _unreadable(path: Path, found: str) -> UnreadableCheckpoint:
    return UnreadableCheckpoint(
        "a checkpoint must be a whole file of tensors and plain values, with all that training goes on from",
        found=found,
        next_step=f"Rename {path.parent} and run the same command again: the run then starts again",
        where=str(path),
    )
