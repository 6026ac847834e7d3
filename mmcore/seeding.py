"""Every random draw is a function of (repeat, purpose, epoch, index); there is no global generator.

So order and augmentation do not depend on the number of workers, and a resumed run draws what an
uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(repeat: int, purpose: str, epoch: int = 0, index: int = 0) -> int:
    """A 63-bit seed for one draw.

    Args:
        repeat: the repeat, 0 … R−1; equal for all arms, which is what pairs them.
        purpose: what is drawn, e.g. ``"split"``, ``"initialisation/encoder.0.weight"``, ``"order"``, ``"dropout"``.
        epoch: counted from 1; 0 for what is drawn once a run.
        index: step or sample within the epoch.

    Example:
        >>> seed_of(0, "order", 1) == seed_of(0, "order", 1) != seed_of(0, "order", 2)
        True
    """
    text = f"{repeat}|{purpose}|{epoch}|{index}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(repeat: int, purpose: str, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """A numpy generator for one draw; see :func:`seed_of` for the arguments."""
    return np.random.default_rng(seed_of(repeat, purpose, epoch, index))
