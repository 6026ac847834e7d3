"""Rules that make arms: data in, arms out."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Literal

from mmcore.frozen import Frozen


class ModalityLattice(Frozen):
    """Every non-empty subset of the corpus's modalities, whatever their names; the full set is the base itself."""

    kind: Literal["modality_lattice"] = "modality_lattice"


Design = ModalityLattice


def arms_of(design: Design, modalities: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Arm names and overrides, largest subsets first.

    Args:
        design: the rule.
        modalities: the corpus's modalities in its order.

    Example:
        >>> arms_of(ModalityLattice(), ("audio", "track"))
        {'audio+track': {}, 'audio': {'model.modalities': ['audio']}, 'track': {'model.modalities': ['track']}}
    """
    arms: dict[str, dict[str, Any]] = {}
    for size in range(len(modalities), 0, -1):
        for subset in combinations(modalities, size):
            arms["+".join(subset)] = {} if size == len(modalities) else {"model.modalities": list(subset)}
    return arms


def neighbours(subsets: dict[str, frozenset[str]]) -> tuple[tuple[str, str], ...]:
    """Comparisons along the edges of the lattice: each subset against those with one modality less (what does that
    modality add?), and the single modalities among themselves (which is worth most?).

    Args:
        subsets: arm name to the modalities it reads, in the order of the arms.
    """
    pairs = [
        (larger, smaller)
        for larger, has in subsets.items()
        for smaller, had in subsets.items()
        if had < has and len(has) == len(had) + 1
    ]
    single = [name for name, has in subsets.items() if len(has) == 1]
    return (*pairs, *combinations(single, 2))
