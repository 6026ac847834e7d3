"""Several runs at once: those without a record are trained as one batch, and each writes its own record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock, Timeout

from experiments.execute import trial, trial_in_steps
from experiments.records import LOCK
from mmcore.config import RunConfig
from mmcore.data.prepared import Prepared
from mmcore.errors import MMStudyError
from mmcore.events import Note, OnEvent
from mmcore.language import say, sentence, shown
from mmcore.packing.member import Member, Steps, advanced, concluded
from mmcore.packing.passes import score_together
from mmcore.packing.training import train_packed
from mmcore.record import Record

Ended = TypeVar("Ended")

BUSY = sentence("another process works on this run")
TOO_LARGE = sentence("the pack does not fit into the memory of the device")
ODD = sentence("its model has other shapes than the others of its pack")
LAST = sentence("no other run of its pack was left to train")


@dataclass(frozen=True)
class InPack:
    """A run of a pack; see :func:`experiments.execute.trial`."""

    config: RunConfig
    workdir: Path
    study: str
    arm: str
    fingerprint: str
    on_event: OnEvent


@dataclass(eq=False)
class _Open:
    """A run whose lock this process has, and which is to be trained."""

    run: InPack
    lock: FileLock
    steps: Steps
    member: Member


def trial_pack(runs: Sequence[InPack], prepared: Callable[[], Prepared]) -> Iterator[tuple[str, str | MMStudyError]]:
    """Train the runs as one batch; those for which that cannot be are trained one by one afterwards.

    No run waits for another process while this one holds the lock of another run, so that two commands that pack the
    same runs do not wait for each other. Where the device has too little memory for all of them, each goes on by itself
    from its last checkpoint.

    Args:
        runs: of one :func:`mmcore.packing.allowed.shape_of` on one corpus, none of which
            :func:`mmcore.packing.allowed.why_alone` objects to.

    Yields:
        A run's fingerprint, with the status of its record once it is written; or with why it cannot be done as it was
        asked, or was stopped.
    """
    opened: list[_Open] = []
    afterwards: list[tuple[InPack, str]] = []
    try:
        for run in runs:
            lock = _lock(run.workdir)
            if lock is None:
                afterwards.append((run, BUSY))
                continue
            steps = _steps(run, prepared)
            try:
                opened.append(_Open(run, lock, steps, next(steps)))
            except StopIteration as done:
                lock.release()
                yield run.fingerprint, done.value.status
            except MMStudyError as error:
                lock.release()
                yield run.fingerprint, error
        yield from _together(opened, afterwards)
    finally:
        for one in opened:
            one.steps.close()
            one.lock.release()
    said: set[str] = set()
    for run, why in afterwards:
        if why not in said:
            said.add(why)
            run.on_event(Note(say("trained by itself: {why}", why=shown(why))))
        ended = _ended(lambda run=run, why=why: _by_itself(run, prepared, why))
        yield run.fingerprint, ended.status if isinstance(ended, Record) else ended


def _together(opened: list[_Open], afterwards: list[tuple[InPack, str]]) -> Iterator[tuple[str, str | MMStudyError]]:
    """Train what is open; what must be trained by itself is left to ``afterwards``. Empties the list."""
    like = next((_shapes(one.member) for one in opened), None)
    for one in [one for one in opened if _shapes(one.member) != like]:
        _leave(one, opened, afterwards, ODD)
    if len(opened) == 1:
        _leave(opened[0], opened, afterwards, LAST)
    members = [*opened]

    def over(r: int, ended: Record | MMStudyError) -> tuple[str, str | MMStudyError]:
        one = members[r]
        opened.remove(one)
        one.lock.release()
        return one.run.fingerprint, ended.status if isinstance(ended, Record) else ended

    try:
        for group in train_packed([one.member for one in members]):
            asked: dict[int, Member] = {}
            for r, error in group.items():
                now = _ended(lambda r=r, error=error: advanced(members[r].steps, error))
                if isinstance(now, Member):
                    asked[r] = now
                else:
                    yield over(r, now)
            for r, error in score_together(asked).items():
                yield over(r, _ended(lambda r=r, error=error: concluded(members[r].steps, error)))
    except RuntimeError as error:
        # Of the pack as a whole: what a member's own code raises has ended that member alone.
        large = isinstance(error, torch.OutOfMemoryError)
        said = (str(error).splitlines() or [""])[0]
        why = TOO_LARGE if large else sentence("torch cannot train them as one batch ({error})", error=said)
        for one in [*opened]:
            _leave(one, opened, afterwards, why)


def _leave(one: _Open, opened: list[_Open], afterwards: list[tuple[InPack, str]], why: str) -> None:
    one.steps.close()
    one.lock.release()
    opened.remove(one)
    afterwards.append((one.run, why))


def _shapes(member: Member) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in member.state.model.named_parameters()}


def _steps(run: InPack, prepared: Callable[[], Prepared]) -> Steps:
    return trial_in_steps(
        run.config,
        run.workdir,
        prepared,
        study=run.study,
        arm=run.arm,
        fingerprint=run.fingerprint,
        on_event=run.on_event,
    )


def _by_itself(run: InPack, prepared: Callable[[], Prepared], why: str) -> Record:
    about = {"study": run.study, "arm": run.arm, "fingerprint": run.fingerprint, "unpacked": str(why)}
    return trial(run.config, run.workdir, prepared, on_event=run.on_event, **about)


def _ended(finish: Callable[[], Ended]) -> Ended | MMStudyError:
    try:
        return finish()
    except MMStudyError as error:
        return error


def _lock(workdir: Path) -> FileLock | None:
    """The lock on a run's folder, which is made if need be; None where another process has it."""
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
