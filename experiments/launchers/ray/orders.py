"""What the pool and its bridge to a Ray cluster say to each other: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter

from mmcore.errors import MMStudyError


@dataclass(frozen=True)
class Tree:
    """Files that are read and never written, such as a prepared store; a node keeps them by their content.

    Args:
        folder: where they are on this machine.
        files: their names, relative to the folder.
    """

    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Travel:
    """What goes with a job to a node that does not see this machine's folders.

    Args:
        runs: folders of runs, which come back as the job changes them: the job's own first, then those whose training
            it may share.
        trees: what the job reads.
        work: whether the files of the training code itself come back after each epoch, since it resumes from them.
    """

    runs: tuple[str, ...]
    trees: tuple[Tree, ...]
    work: bool = False


@dataclass(frozen=True)
class Open:
    """The first order: connect.

    Args:
        address: ``HOST:PORT`` of the head, ``auto``, or None for a cluster of this machine alone.
        cores: of the cluster of this machine alone.
        cpus, gpus, memory_gib: of each worker.
        threads, foreign: see :class:`experiments.launchers.local.LocalPool`.
        logs: folder for the logs of workers where nodes see it; empty: each node keeps its own.
        patience: seconds for which the head may be silent.
    """

    address: str | None
    cores: int
    cpus: float
    gpus: float
    memory_gib: float
    threads: int
    foreign: bool
    logs: str
    patience: float
    say: Literal["open"] = field(default="open", kw_only=True)


@dataclass(frozen=True)
class Start:
    """Start a worker; its name is never given again."""

    worker: int
    say: Literal["start"] = field(default="start", kw_only=True)


@dataclass(frozen=True)
class Send:
    """Hand a line to a worker, and before it what the line needs."""

    worker: int
    line: str
    travel: Travel | None = None
    say: Literal["send"] = field(default="send", kw_only=True)


Order = Open | Start | Send
"""What the pool says. The end of its lines ends the bridge and all workers."""


@dataclass(frozen=True)
class Connected:
    """The bridge is connected; ``head`` is where the head of the cluster listens, ``HOST:PORT``."""

    head: str
    say: Literal["connected"] = field(default="connected", kw_only=True)


@dataclass(frozen=True)
class Node:
    """A node of the cluster: its name in messages, and what it has in all."""

    name: str
    cpus: float
    gpus: float
    memory_gib: float


@dataclass(frozen=True)
class Nodes:
    """The nodes that are there now; said when they change."""

    nodes: tuple[Node, ...]
    say: Literal["nodes"] = field(default="nodes", kw_only=True)


@dataclass(frozen=True)
class Ready:
    """A worker has begun on a node."""

    worker: int
    node: str
    say: Literal["ready"] = field(default="ready", kw_only=True)


@dataclass(frozen=True)
class Said:
    """A line of a worker; the files that belong to it are in the home already."""

    worker: int
    line: str
    say: Literal["said"] = field(default="said", kw_only=True)


@dataclass(frozen=True)
class Dead:
    """A worker has ended; see :class:`experiments.launchers.pool.Death`."""

    worker: int
    exit_code: int | None
    log: str
    last_lines: str
    blames_job: bool
    why: str
    say: Literal["dead"] = field(default="dead", kw_only=True)


@dataclass(frozen=True)
class Problem:
    """Nothing can go on. ``error``: its parts, ``rule, expected, found, next_step, where``."""

    error: dict[str, str | None]
    say: Literal["problem"] = field(default="problem", kw_only=True)

    @classmethod
    def of(cls, error: MMStudyError) -> Problem:
        """The problem that an error is."""
        return cls({name: getattr(error, name) for name in ("rule", "expected", "found", "next_step", "where")})


News = Connected | Nodes | Ready | Said | Dead | Problem
"""What the bridge says."""

_ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="say")])
_NEWS: TypeAdapter[News] = TypeAdapter(Annotated[News, Field(discriminator="say")])

Line = TypeVar("Line", Order, News)


def order_line(order: Order) -> str:
    """One line, newline included."""
    return json.dumps(_ORDER.dump_python(order)) + "\n"


def news_line(news: News) -> str:
    """One line, newline included."""
    return json.dumps(_NEWS.dump_python(news)) + "\n"


def read_order(line: str) -> Order:
    """The order of a line."""
    return _ORDER.validate_python(json.loads(line))


def read_news(line: str) -> News:
    """The news of a line.

    Raises:
        ValueError: the line is no news, e.g. something a library printed.
    """
    return _NEWS.validate_python(json.loads(line))
