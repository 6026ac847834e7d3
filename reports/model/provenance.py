"""Where a report's numbers come from, as its JSON says it: by it two reports can be compared without records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.facts import Drawn


@dataclass(frozen=True)
class CorpusRead:
    """The corpus; None where no run opened it."""

    name: str | None
    content: str | None
    path: str | None
    task: str | None
    leaky: bool | None
    missing: Mapping[str, int] | None


@dataclass(frozen=True)
class RepeatSplit:
    """What a repeat was trained and tested on.

    Args:
        targets: a digest of the tested items and of how many targets of each component were scored.
        naive_loss: the naive losses on them added up, which also follow what stood on the training side.
    """

    repeat: int
    train_groups: int
    test_groups: int
    items: int
    targets: str
    naive_loss: float


@dataclass(frozen=True)
class Splits:
    """The split of every repeat that has a finished run.

    All arms of a repeat share it, which was checked when their records were mixed.
    """

    drawn: Drawn
    repeats: tuple[RepeatSplit, ...]


@dataclass(frozen=True)
class MadeWith:
    """What the runs were made with: every distinct answer, without what is not known."""

    commit: tuple[str, ...]
    dirty: tuple[bool, ...]
    python: tuple[str, ...]
    torch: tuple[str, ...]
    platform: tuple[str, ...]
    device: tuple[str, ...]
    threads: tuple[int, ...]
    numerics: tuple[int, ...]
    packages: tuple[Mapping[str, str | None], ...]


@dataclass(frozen=True)
class RunName:
    """One run and its identity."""

    arm: str
    repeat: int
    fingerprint: str
    status: str
    reused_from: str | None


@dataclass(frozen=True)
class Provenance:
    """How a report came about, and all of its runs.

    Args:
        command, rebuild, home, study_file, corpus_path, mmstudy, commit, dirty: see
            :class:`reports.records.frame.Origin`.
        changes: made on the command line. match: how sizes of arms were matched.
        configs: each arm's config without defaults.
    """

    command: str | None
    rebuild: str | None
    home: str | None
    study_file: str | None
    corpus_path: str | None
    mmstudy: str | None
    commit: str | None
    dirty: bool | None
    preset: str | None
    changes: Mapping[str, object]
    match: Mapping[str, object] | None
    corpus: CorpusRead
    splits: Splits
    environment: MadeWith
    configs: Mapping[str, Mapping[str, Any]]
    runs: tuple[RunName, ...]
