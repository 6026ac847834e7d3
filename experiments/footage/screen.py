"""Shows how far an import of footage is: a bar with the time left on a terminal, a line for each file elsewhere."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.footage.listing import Clip
from experiments.footage.messages import Broken, Extracted
from experiments.terminal import behind, safe
from reports.numbers import about


class FootageScreen:
    """Progress on standard error, so that standard output stays clean for results.

    Args:
        seconds: of work: for each file that is still to do its length, once for its sound and once for its pictures.
        files: how many there are.
    """

    def __init__(self, seconds: float, files: int) -> None:
        console = Console(file=behind(sys.stderr), highlight=False, force_jupyter=False)
        self._console, self._files, self._done = console, files, 0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("footage", total=max(seconds, 1e-6), note=f"0/{files} files")

    def __enter__(self) -> FootageScreen:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, seconds: float) -> None:
        """So many more seconds of work are done."""
        self._progress.advance(self._bar, seconds)

    def finished(self, clip: Clip, outcome: Extracted | Broken) -> None:
        """A line for the file, and the count."""
        self._done += 1
        self._progress.update(self._bar, note=f"{self._done}/{self._files} files")
        match outcome:
            case Broken(reason=reason):
                text = f"left out {clip.shown}: {reason}"
            case Extracted(computed=True, seconds=seconds):
                text = f"computed {clip.shown}, {about(seconds)}"
            case _:
                text = f"kept     {clip.shown}, {about(outcome.seconds)}"
        self._console.print(safe(f"{self._done}/{self._files} {text}"), markup=False, soft_wrap=True)
