"""Checkpoints on disk: written whole or not at all, read without unpickling code.

A folder holds ``last.pt`` (everything that training needs to go on), ``best.pt`` (the weights that will be scored) and,
on request, ``epoch_NNNN.pt`` (weights).
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from mmcore.atomic import write_atomically
from mmcore.errors import CheckpointError


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
        content = torch.load(path, map_location=device, weights_only=True)
        found = content["fingerprint"]
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UnreadableCheckpoint(
            "a checkpoint must be a whole file of tensors and plain values",
            found=f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else 'no detail'}",
            next_step=f"Delete {path.parent}; the run then starts again",
            where=str(path),
        ) from error
    if found != fingerprint:
        raise CheckpointError(
            "a checkpoint must belong to the run that reads it",
            expected=f"fingerprint {fingerprint}",
            found=str(found),
            next_step="Give the run a folder of its own, or delete the checkpoints that another config left there",
            where=str(path),
        )
    missing = [part for part in needs if part not in content]
    if missing:
        raise UnreadableCheckpoint(
            "a checkpoint must hold all that training goes on from",
            found=f"none of {', '.join(missing)}; another version of this program may have left it",
            next_step=f"Delete {path.parent}; the run then starts again",
            where=str(path),
        )
    return content
