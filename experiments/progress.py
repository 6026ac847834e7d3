"""What a user sees while runs go on: bars on a terminal, plain lines when piped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from mmcore import events


class Display(Protocol):
    """Shows how a study gets on; see :class:`Screen` and :class:`Silent`."""

    def begin(self, total: int, left: float) -> None:
        """``total`` runs to do, ``left`` estimated seconds."""
        ...

    def say(self, text: str) -> None:
        """A remark."""
        ...

    def headline(self, text: str) -> None:
        """How the whole stands, in a few words that replace the last ones, e.g. the best score so far."""
        ...

    def started(self, name: str) -> None:
        """A run begins or is resumed."""
        ...

    def event(self, name: str, event: events.Event) -> None:
        """A running run tells something."""
        ...

    def finished(self, name: str, outcome: str, failed: bool) -> None:
        """A run is over; ``outcome`` in a few words."""
        ...


class Silent:
    """Shows nothing: for use from Python."""

    def begin(self, total: int, left: float) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def headline(self, text: str) -> None:
        """Nothing."""

    def started(self, name: str) -> None:
        """Nothing."""

    def event(self, name: str, event: events.Event) -> None:
        """Nothing."""

    def finished(self, name: str, outcome: str, failed: bool) -> None:
        """Nothing."""


class Screen:
    """Progress on standard error, so that standard output stays clean for results.

    On a terminal: one bar for the study (done, running, failed, time left) and one for each running run. Elsewhere:
    a line for each finished run.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._whole: TaskID | None = None
        self._bars: dict[str, TaskID] = {}
        self._shares: dict[str, float] = {}
        self._total = self._done = self._failed = 0
        self._begun = 0.0
        self._guess = 0.0
        self._headline = ""

    def __enter__(self) -> Screen:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, total: int, left: float) -> None:
        """``total`` runs to do, ``left`` estimated seconds."""
        if self._whole is not None:
            self._progress.remove_task(self._whole)
        self._total, self._guess, self._begun = total, left, time.monotonic()
        self._done = self._failed = 0
        self._headline = ""
        self._whole = self._progress.add_task("study", total=total, note="")
        self._refresh()

    def say(self, text: str) -> None:
        """A remark, above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    def headline(self, text: str) -> None:
        """How the whole stands, beside its bar."""
        self._headline = text
        self._refresh()

    def started(self, name: str) -> None:
        """A run begins or is resumed."""
        self._forget(name)
        self._bars[name] = self._progress.add_task(f"  {name}", total=None, note="starting")
        self._shares[name] = 0.0
        # A search with a budget in epochs reaches further than its full trials would, once some are pruned.
        if self._whole is not None and self._done + len(self._bars) > self._total:
            self._total = self._done + len(self._bars)
            self._progress.update(self._whole, total=self._total)
        self._refresh()

    def event(self, name: str, event: events.Event) -> None:
        """A running run tells something."""
        match event:
            case events.Progress(epoch, epochs, step, steps):
                self._shares[name] = (epoch - 1 + step / max(1, steps)) / epochs
                self._move(name, total=epochs * steps, completed=(epoch - 1) * steps + step, note=f"epoch {epoch}")
            case events.EpochDone(epoch, epochs, row):
                self._shares[name] = epoch / epochs
                column = chosen_column(row)
                if column in row:
                    self._move(name, note=f"epoch {epoch}, {column.replace('/', ' ')} {row[column]:.3f}")
            case events.Note(text):
                self.say(f"{name}: {text}")
        self._refresh()

    def finished(self, name: str, outcome: str, failed: bool) -> None:
        """A run is over."""
        self._forget(name)
        self._done += 1
        self._failed += failed
        width = len(str(self._total))
        if failed or not self._console.is_terminal:
            self.say(f"[{self._done:>{width}}/{self._total}] {name}: {outcome}")
        self._refresh()

    def _move(self, name: str, **changes: object) -> None:
        if name in self._bars:
            self._progress.update(self._bars[name], **changes)  # pyright: ignore[reportArgumentType]

    def _forget(self, name: str) -> None:
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
            self._shares.pop(name)

    def _refresh(self) -> None:
        if self._whole is None:
            return
        words = f"{self._headline}, " if self._headline else ""
        words += f"{len(self._bars)} running"
        if self._failed:
            words += f", {self._failed} failed"
        left = self._left()
        if left is not None and self._done < self._total:
            words += f", about {duration(left)} left"
        self._progress.update(self._whole, completed=self._done, note=words)

    def _left(self) -> float | None:
        spent = time.monotonic() - self._begun
        share = (self._done + sum(self._shares.values())) / max(1, self._total)
        if share <= 0:
            return max(0.0, self._guess - spent) or None
        measured = spent / share * (1 - share)
        # Trust the measurement more as it grows; the first runs include start-up.
        return share * measured + (1 - share) * (measured + max(0.0, self._guess - spent)) / 2


def chosen_column(row: Mapping[str, float]) -> str:
    """The column of an epoch's history row by which epochs are chosen, as far as the row tells it.

    Example:
        >>> chosen_column({"validation/loss": 1.0, "validation/skill": 0.1, "validation/f1/active": 0.5})
        'validation/f1/active'
    """
    usual = ("loss", "skill")
    others = [c for c in row if c.startswith("validation/") and c.split("/")[1] not in usual]
    return others[0] if others else "validation/skill"


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(42), duration(150), duration(4000)
        ('42 s', '2 min 30 s', '1 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
