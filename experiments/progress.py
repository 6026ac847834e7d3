"""Progress for the user: bars on a terminal, plain lines when piped."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from experiments.planning.remaining import Remaining
from experiments.planning.stages import PREPARE, REPORT, SYNC, Stage
from experiments.terminal import behind, safe
from mmcore import events
from mmcore.language import later, say
from mmcore.measures import Metric
from mmcore.record import Record
from mmcore.scores import value_of
from reports.numbers import about, counted

HEARTBEAT = 60.0
"""A piped command that has printed nothing for this many seconds prints its progress."""

Level = Literal["quiet", "usual", "verbose"]
"""How much a command says while it works."""

WARNING = "warning: "
"""What a remark begins with that even a quiet command makes."""

_UNDER_WAY = {
    PREPARE: later("preparing the corpus"),
    REPORT: later("writing the report"),
    SYNC: later("bringing MLflow up to date"),
}
"""Stages without jobs of a user's, in words."""


class Display(Protocol):
    """Shows how a study gets on; see :class:`Screen` and :class:`Silent`."""

    def expect(self, stages: Sequence[Stage]) -> None:
        """What the command is still to do, all stages of it; replaces what was expected before."""
        ...

    def begin(self, stage: str) -> None:
        """A stage begins, by its name."""
        ...

    def say(self, text: str) -> None:
        """A remark."""
        ...

    def headline(self, text: str) -> None:
        """How the whole stands, in a few words that replace the last ones, e.g. the best score so far."""
        ...

    def started(self, name: str, group: str = "") -> None:
        """A job begins or is resumed; ``group`` as in its stage's parts."""
        ...

    def event(self, name: str, event: events.Event) -> None:
        """A running job tells something."""
        ...

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None:
        """A job is over; ``outcome`` in a few words."""
        ...


class Silent:
    """Shows nothing: for use from Python."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def expect(self, stages: Sequence[Stage]) -> None: ...

    def begin(self, stage: str) -> None: ...

    def say(self, text: str) -> None: ...

    def headline(self, text: str) -> None: ...

    def started(self, name: str, group: str = "") -> None: ...

    def event(self, name: str, event: events.Event) -> None: ...

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None: ...


class Screen:
    """Progress on standard error, so that standard output stays clean for results.

    On a terminal: one bar for the whole command (done, running, failed, time left) and one for each running job.
    Elsewhere: a line for each finished job, and one each minute in which nothing else was said.

    Args:
        clock: seconds; another one for tests.
        level: quiet prints only warnings and failures; verbose also prints a line for each stage, epoch and job.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, level: Level = "usual") -> None:
        self._level = level
        self._console = Console(file=behind(sys.stderr), highlight=False, force_jupyter=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal or level == "quiet",
        )
        self._clock = clock
        self._whole: TaskID | None = None
        self._bars: dict[str, TaskID] = {}
        self._remaining = Remaining(clock)
        self._headline = ""
        self._said = clock()
        self._stage = ""
        self._stage_began = clock()
        # The clock's thread asks how far the command is while the driver's goes on.
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticking: threading.Thread | None = None

    def __enter__(self) -> Screen:
        self._progress.start()
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._ticking is not None:
            self._ticking.join(timeout=2)
        self._progress.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """None of its threads runs meanwhile; the bars come back afterwards."""
        if self._ticking is None:
            yield
            return
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            self._over.clear()
            self.__enter__()

    def expect(self, stages: Sequence[Stage]) -> None:
        """What the command is still to do, all stages of it."""
        with self._lock:
            self._remaining.expect(stages)
            self._refresh()

    def begin(self, stage: str) -> None:
        """A stage begins."""
        with self._lock:
            self._remaining.begin(stage)
            self._stage, self._stage_began = stage, self._clock()
            self._headline = say(_UNDER_WAY[REPORT]) if stage == REPORT else ""
            if self._level == "verbose":
                jobs, name = self._remaining.total - self._remaining.done, say(_UNDER_WAY.get(stage, stage))
                standing = self._remaining.standing()
                self._print(
                    say(
                        "stage {stage}: {jobs} ahead, {standing}",
                        stage=name,
                        jobs=counted(jobs, "job"),
                        standing=standing,
                    )
                    if jobs
                    else say("stage {stage}", stage=name)
                )
            self._refresh()

    def say(self, text: str) -> None:
        """A remark, above the bars."""
        with self._lock:
            if text.startswith(WARNING):
                self._print(remark(text))
            elif self._level != "quiet":
                self._print(text)

    def _print(self, text: str) -> None:
        self._said = self._clock()
        self._console.print(safe(text), markup=False, soft_wrap=True)

    def headline(self, text: str) -> None:
        """How the whole stands, beside its bar."""
        with self._lock:
            self._headline = safe(text)
            self._refresh()

    def started(self, name: str, group: str = "") -> None:
        """A job begins or is resumed."""
        with self._lock:
            self._forget(name)
            self._bars[name] = self._progress.add_task(f"  {safe(name)}", total=None, note=say("starting"))
            self._remaining.started(name, group)
            self._refresh()

    def event(self, name: str, event: events.Event) -> None:
        """A running job tells something."""
        with self._lock:
            match event:
                case events.Progress(epoch, epochs, step, steps):
                    self._remaining.share(name, (epoch - 1 + step / max(1, steps)) / epochs)
                    done = (epoch - 1) * steps + step
                    self._move(name, total=epochs * steps, completed=done, note=say("epoch {epoch}", epoch=epoch))
                case events.EpochDone(epoch, epochs, row):
                    if epochs:
                        self._remaining.share(name, epoch / epochs)
                    column = chosen_column(row)
                    if self._level == "verbose":
                        self._print(f"{name}: {epoch_text(epoch, epochs, row)}")
                    if column in row:
                        score = f"{column.replace('/', ' ')} {row[column]:.3f}"
                        self._move(name, note=safe(say("epoch {epoch}, {score}", epoch=epoch, score=score)))
                case events.Note(text):
                    self.say(f"{name}: {text}")
            self._refresh()

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None:
        """A job is over."""
        with self._lock:
            self._forget(name)
            self._remaining.finished(name, group, failed)
            if failed or (self._level != "quiet" and (self._level == "verbose" or not self._console.is_terminal)):
                total = self._remaining.total
                self._print(f"[{self._remaining.done:>{len(str(total))}}/{total}] {name}: {outcome}")
            self._refresh()

    def heartbeat(self) -> None:
        """Say how far the command is, where nothing was said for :data:`HEARTBEAT` seconds and it is no terminal."""
        with self._lock:
            now = self._clock()
            if self._console.is_terminal or self._level == "quiet" or now - self._said < HEARTBEAT:
                return
            total = self._remaining.total
            if total:
                self._print(
                    say(
                        "{done} of {total} done, {standing}",
                        done=self._remaining.done,
                        total=total,
                        standing=self._remaining.standing(),
                    )
                )
            elif self._stage in _UNDER_WAY:
                stage, taken = say(_UNDER_WAY[self._stage]), about(now - self._stage_began)
                self._print(say("{stage} for {time} so far", stage=stage, time=taken))

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            self.heartbeat()
            if self._console.is_terminal:
                with self._lock:
                    self._refresh()

    def _move(self, name: str, **changes: object) -> None:
        if name in self._bars:
            self._progress.update(self._bars[name], **changes)  # pyright: ignore[reportArgumentType]

    def _forget(self, name: str) -> None:
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))

    def _refresh(self) -> None:
        total = self._remaining.total
        if not total:
            return
        if self._whole is None:
            self._whole = self._progress.add_task(say("study"), total=total, note="")
        words = say(", ").join(filter(None, (self._headline, self._remaining.standing())))
        self._progress.update(self._whole, total=total, completed=self._remaining.done, note=words)


def without_threads(display: Display) -> AbstractContextManager[None]:
    """No thread of a display runs meanwhile, so that the process can be copied."""
    return display.paused() if isinstance(display, Screen) else nullcontext()


def remark(text: str) -> str:
    """A remark as people read it; :data:`WARNING` in front of it is a key until then."""
    if not text.startswith(WARNING):
        return text
    return say("warning: {text}", text=text.removeprefix(WARNING))


def chosen_column(row: Mapping[str, float]) -> str:
    """The column of an epoch's history row by which epochs are chosen, as far as the row tells it.

    Example:
        >>> chosen_column({"validation/loss": 1.0, "validation/skill": 0.1, "validation/f1/active": 0.5})
        'validation/f1/active'
    """
    usual = ("loss", "skill")
    others = [c for c in row if c.startswith("validation/") and c.split("/")[1] not in usual]
    return others[0] if others else "validation/skill"


def epoch_text(epoch: int, epochs: int, row: Mapping[str, float]) -> str:
    """An epoch in a few words; ``epochs`` is 0 where only the training code knows.

    Example:
        >>> epoch_text(2, 5, {"train/loss": 1.5, "validation/skill": 0.25, "seconds": 3.0})
        'epoch 2 of 5: train loss 1.500, validation skill 0.250, 3 s'
    """
    words = [f"{c.replace('/', ' ')} {row[c]:.3f}" for c in ("train/loss", chosen_column(row)) if c in row]
    if "seconds" in row:
        words.append(about(row["seconds"]))
    text = say("epoch {epoch} of {epochs}", epoch=epoch, epochs=epochs) if epochs else say("epoch {epoch}", epoch=epoch)
    return say("{text}: {words}", text=text, words=", ".join(words)) if words else text


def outcome_text(record: Record, metric: Metric) -> str:
    """What a run came to on the study's metric, in a few words."""
    if not record.done:
        return say("failed: {why}", why=record.why)
    value = value_of(metric, record.scores, "test")
    score = (
        say("test {metric} has no value", metric=metric.name)
        if math.isnan(value)
        else say("test {metric} {value:.3f}", metric=metric.name, value=value)
    )
    # Training code of the user's own need not tell of epochs.
    time = about(record.seconds)
    if not record.epochs:
        return say("{score}, {time}", score=score, time=time)
    return say("{score}, {epochs} in {time}", score=score, epochs=counted(record.epochs, "epoch"), time=time)
