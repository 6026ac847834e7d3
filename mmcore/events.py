"""Messages of a run in progress: small and plain, safe to send between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Where training stands; sent a few times a second at most.

    Args:
        epoch: the epoch under way, from 1.
        epochs: the number of epochs planned.
        step: optimiser steps done in this epoch.
        steps: optimiser steps an epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch is finished and its checkpoint is on disk.

    Args:
        epoch: from 1.
        epochs: the number of epochs planned; 0 where only the training code knows.
        row: the epoch's line of the history, flat: ``{"epoch": 1, "train/loss": …, "validation/skill": …}``.
    """

    epoch: int
    epochs: int
    row: dict[str, float]


@dataclass(frozen=True)
class Note:
    """A remark that a user should see, e.g. that a prepared store is being built."""

    text: str


@dataclass(frozen=True)
class Load:
    """How busy the machine is that trains; sent after an epoch, a few times a minute at most.

    Args:
        epoch: the epoch that was finished last.
        load: by MLflow's names of system metrics: ``{"system/cpu_utilization_percentage": 50.0, …}``.
    """

    epoch: int
    load: dict[str, float]


Event = Progress | EpochDone | Note | Load


class OnEvent(Protocol):
    """Receives events; an exception raised here (a stop request, say) ends the run between two steps."""

    def __call__(self, event: Event, /) -> None: ...


def ignore(event: Event, /) -> None:
    """A listener that ignores all events."""
