"""One run: its record if there is one, else train (or resume) and write the record."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from experiments.environment import environment
from experiments.records import LOCK, RECORD, record_if_whole, record_or_aside, write_record
from experiments.restore import restored
from mmcore.atomic import FULL, disk_full, room_in
from mmcore.config import EvaluationConfig, ForeignConfig, RunConfig
from mmcore.data.prepared import Prepared
from mmcore.errors import CheckpointError, MMStudyError, PartError
from mmcore.events import Note, OnEvent
from mmcore.facts import CorpusFacts, Environment, Failure, SplitFacts
from mmcore.fingerprint import NUMERICS, training_fingerprint
from mmcore.fingerprint import fingerprint as fingerprint_of
from mmcore.language import say
from mmcore.own_code import frames_of
from mmcore.record import Record

if TYPE_CHECKING:
    from mmcore.packing.member import Steps

CHECKPOINTS = "checkpoints"
ERROR = "error.txt"
"""The traceback of a run that failed."""


def trial(
    config: RunConfig,
    workdir: Path,
    prepared: Callable[[], Prepared],
    *,
    study: str,
    arm: str,
    fingerprint: str,
    on_event: OnEvent,
    unpacked: str | None = None,
) -> Record:
    """The record of a run, which is trained only if it has no record yet.

    A lock on the run's folder keeps two studies from training the same run at the same time: the second waits and uses
    the record of the first. The lock ends with its process, so a killed worker leaves no lock behind.

    A run with unusual testing (``config.evaluation``) shares its training with other runs. This training is a separate
    run in a neighbouring folder, and is done first if it is missing. If it failed, this run fails too. A run that may
    not read test items uses the training of a run that did, if there is one; otherwise it is trained by itself.

    Args:
        config: the run.
        workdir: its folder, named by the fingerprint, among those of other runs.
        prepared: opens the prepared store, only called when there is something to train.
        study, arm: which study and arm requested the run first, for the record.
        fingerprint: the run's identity.
        on_event: receives progress.
        unpacked: why it is trained alone though runs were to be packed, for the record.

    Returns:
        The record; status ``failed`` with the reason if training diverged or raised.

    Raises:
        MMStudyError: the run cannot be done as it was asked; nothing is recorded.
    """
    about = {"study": study, "arm": arm, "fingerprint": fingerprint, "unpacked": unpacked}
    with alone(workdir, on_event):
        steps = trial_in_steps(config, workdir, prepared, on_event=on_event, **about)
        try:
            member = next(steps)
        except StopIteration as done:
            return done.value
        # Heavy, and imported by now.
        from mmcore.packing.member import concluded

        try:
            member.train()
        except BaseException as error:
            return concluded(steps, error)
        return concluded(steps)


def trial_in_steps(
    config: RunConfig,
    workdir: Path,
    prepared: Callable[[], Prepared],
    *,
    study: str,
    arm: str,
    fingerprint: str,
    on_event: OnEvent,
    unpacked: str | None = None,
) -> Steps:
    """The same as :func:`trial`, but the caller holds the run's lock, and trains the model: see
    :func:`mmcore.run.run_in_steps`. What ends the training is thrown in, and recorded or raised as there.
    """
    record = record_or_aside(workdir, lambda text: on_event(Note(text)))
    if record is not None and record.is_final:
        _remove_torn(workdir)
        return record
    started = datetime.now(UTC)
    clock = time.perf_counter()
    try:
        shared = _shared(config, workdir, prepared, study, arm, on_event)
        result = yield from _train(config, workdir, prepared, on_event, shared, fingerprint)
    except PartError as error:
        result = failed_record(config, fingerprint, type(error).__name__, error.message, _since(clock))
    except MMStudyError:
        # The run cannot be done as it was asked (a device that is not there, a split that cannot be drawn): that is
        # for the user to mend, and no result to keep.
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            # No fault of the run's: it goes on from its last checkpoint once there is room.
            raise disk_full(error, workdir) from error
        frames = frames_of(error)
        if isinstance(error, SystemExit) and not frames:
            raise
        with contextlib.suppress(OSError):
            (workdir / ERROR).write_text(_traceback(error, frames), encoding="utf-8")
        message = f"it called exit({error.code})" if isinstance(error, SystemExit) else str(error) or repr(error)
        result = failed_record(config, fingerprint, type(error).__name__, message, _since(clock), frames=frames)
    assert result.fingerprint == fingerprint, (result.fingerprint, fingerprint)
    about = replace(environment(), device=config.device, threads=config.threads or 1)
    if unpacked is not None and result.hardware.packed is None:
        result = replace(result, hardware=replace(result.hardware, unpacked=unpacked))
    # Before the record: a process that is killed after that leaves nothing, for no command comes back to tidy up.
    # Whatever goes wrong here (a full disk, a file that a person holds) only leaves more.
    with contextlib.suppress(Exception):
        tidy(workdir, done=result.done)
    with room_in(workdir):
        return write_result(result, workdir, study, arm, started, about)


@contextlib.contextmanager
def alone(workdir: Path, on_event: OnEvent) -> Iterator[None]:
    """The lock on a run's folder, which is made if need be; waits while another process has it."""
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_event(Note(say("another process works on this run; waiting for it")))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _since(clock: float) -> float:
    return time.perf_counter() - clock


def _traceback(error: BaseException, frames: tuple[str, ...]) -> str:
    """The user's own frames where the error arose in a class of the user's; else the whole traceback."""
    if not frames:
        return "".join(traceback.format_exception(error))
    return "\n".join([*frames, f"{type(error).__name__}: {error}", ""])


@dataclass(frozen=True)
class _Shared:
    """The run whose training another one shares."""

    folder: Path
    record: Record


def _shared(
    config: RunConfig, workdir: Path, prepared: Callable[[], Prepared], study: str, arm: str, on_event: OnEvent
) -> _Shared | None:
    """The run with the training of this one, trained now if it is missing; None: the run trains itself."""
    if config.trains and config.evaluation.test:
        return None
    name = training_fingerprint(config, prepared().content)
    folder = workdir.parent / name
    if not config.evaluation.test:
        # What a tested run has trained serves; but to train one now would read the test items.
        record = record_if_whole(folder)
        if record is not None and record.done:
            return _Shared(folder, record)
        if config.trains:
            return None
        name = fingerprint_of(_plain(config), prepared().content)
        folder = workdir.parent / name
    record = trial(_plain(config), folder, prepared, study=study, arm=arm, fingerprint=name, on_event=on_event)
    return _Shared(folder, record)


def shares_with(config: RunConfig, content: str) -> tuple[str, ...]:
    """Fingerprints of the runs whose training :func:`trial` may use for this one, or do for it; () where it trains by
    itself in any case.

    Args:
        content: key of the corpus.
    """
    if config.trains and config.evaluation.test:
        return ()
    names = [training_fingerprint(config, content)]
    if not config.evaluation.test and not config.trains:
        names.append(fingerprint_of(_plain(config), content))
    return tuple(names)


def _plain(config: RunConfig) -> RunConfig:
    """The run that trains for one with unusual testing."""
    return config.model_copy(update={"evaluation": EvaluationConfig(test=config.evaluation.test)})


def _train(
    config: RunConfig,
    workdir: Path,
    prepared: Callable[[], Prepared],
    on_event: OnEvent,
    shared: _Shared | None,
    fingerprint: str,
) -> Steps:
    failure = None if shared is None else shared.record.failure
    if shared is not None and failure is not None:
        message = f"the training that it shares with run {shared.folder.name} failed: {failure.text}"
        # The same kind of error, so that whether it is final follows from the training's.
        return failed_record(config, fingerprint, failure.error, message, 0.0)
    from mmcore.run import run, run_in_steps

    if shared is None:
        return (yield from run_in_steps(config, workdir, on_event, prepared()))
    _tidy_up_after_others(shared.folder)
    folder, trained = shared.folder, shared.record.config
    assert isinstance(trained, RunConfig)

    def score() -> Record:
        return run(config, workdir, on_event, prepared(), folder)

    try:
        return score()
    except CheckpointError:
        with alone(folder, on_event):
            if not restored(trained, folder, prepared, on_event):
                raise
            tidy(folder, done=True)
        return score()


def tidy(workdir: Path, done: bool) -> None:
    """Delete the files of a run that no study needs; the caller holds its lock, and its training is over.

    They are half-written files of killed processes, and the error of an earlier attempt. A finished training keeps its
    last checkpoint, since it may be tested in another way.
    """
    _remove_torn(workdir)
    if done:
        # Of an attempt that failed for a reason that is gone, a full disk say.
        (workdir / ERROR).unlink(missing_ok=True)


def _torn(workdir: Path) -> list[Path]:
    """What killed processes left half-written, under the names that each version has used."""
    checkpoints = workdir / CHECKPOINTS
    names = [(workdir, ".*.tmp"), (workdir, ".*.json.*"), (workdir, f"{RECORD}.*.tmp")]
    return sorted(
        {
            path
            for folder, name in [*names, (checkpoints, ".*.tmp"), (checkpoints, ".*.pt.*")]
            for path in folder.glob(name)
        }
    )


def _remove_torn(workdir: Path) -> None:
    """The caller holds the lock of the run."""
    for path in _torn(workdir):
        with contextlib.suppress(OSError):
            path.unlink()


def _tidy_up_after_others(folder: Path) -> None:
    """Remove what a killed process left in the folder of a finished run, unless another process works there."""
    if _torn(folder):
        with contextlib.suppress(Timeout), FileLock(folder / LOCK, timeout=0):
            _remove_torn(folder)


def write_result(result: Record, workdir: Path, study: str, arm: str, started: datetime, about: Environment) -> Record:
    """Write a run's record and return it, with what its run did not know of."""
    record = replace(
        result,
        study=study,
        arm=arm,
        environment=about,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_record(workdir, record)
    return record


def failed_record(
    config: RunConfig | ForeignConfig,
    fingerprint: str,
    error: str,
    message: str,
    seconds: float,
    repeat: int | None = None,
    frames: tuple[str, ...] = (),
) -> Record:
    """The record of a run that ended without a result.

    Args:
        repeat: number of the repeat, where the config does not say it.
        frames: of the user's code, see :class:`mmcore.facts.Failure`.
    """
    assert repeat is not None or isinstance(config, RunConfig)
    return Record(
        fingerprint=fingerprint,
        config=config,
        repeat=config.repeat if isinstance(config, RunConfig) else repeat or 0,
        status="failed",
        failure=Failure(error, message, frames=frames),
        corpus=CorpusFacts(),
        split=SplitFacts(),
        parameters={},
        flops={},
        epochs=0,
        best_epoch=0,
        stopped_early=False,
        steps=0,
        seconds=seconds,
        numerics=NUMERICS,
        gates={},
        scores=(),
        history=(),
        items=(),
    )
