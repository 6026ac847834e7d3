"""Whether the head of a Ray cluster answers, and what is said when it does not. Imports no Ray."""

from __future__ import annotations

import socket
import time

from mmcore.errors import LaunchError


def knock(address: str) -> None:
    """See that something listens there; Ray itself would wait for minutes.

    Args:
        address: ``HOST:PORT``.

    Raises:
        LaunchError: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise LaunchError(
            "no Ray cluster answers at this address",
            where=address,
            found=error.strerror or str(error),
            next_step="Start its head with ray start --head --port=6379, and name that port",
        ) from None


def is_lost(address: str, within: float) -> bool:
    """Whether a head ceases to answer within so many seconds. Ray may end the bridge just before its head is gone."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            knock(address)
        except LaunchError:
            return True
        time.sleep(0.1)
    return False


def lost_head(address: str, found: str) -> LaunchError:
    """The error for a head that no longer answers.

    Args:
        found: how it was noticed.
    """
    return LaunchError(
        "the head of the Ray cluster does not answer any more",
        where=address,
        found=found,
        next_step="Start the cluster again, then repeat the command: runs go on from their last checkpoint",
    )
