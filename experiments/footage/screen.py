"""Shows how far an import of footage is: a bar with the time left on a terminal, a line for each file elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.footage.listing import Clip
from experiments.footage.messages import Broken, Extracted
from experiments.terminal import behind, safe
from reports.numbers import about


class FootageScreen:
    """Progress on standard error, so that standard output stays clean for results.

    Args:
        clips: the files; their sizes stand for the work that they are.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        console = Console(file=behind(sys.stderr), highlight=False, force_jupyter=False)
        self._console, self._files, self._done = console, len(clips), 0
        self._total = float(sum(clip.size for clip in clips))
        self._shares: dict[str, float] = {}
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
        self._bar = self._progress.add_task("footage", total=self._total, note=f"0/{self._files} files")

    def __enter__(self) -> FootageScreen:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, clip: Clip, share: float) -> None:
        """Another part of a file is done."""
        before = self._shares.get(clip.item, 0.0)
        # A file may be longer than it says.
        self._shares[clip.item] = min(1.0, before + share)
        self._progress.advance(self._bar, (self._shares[clip.item] - before) * clip.size)

    def finished(self, clip: Clip, outcome: Extracted | Broken) -> None:
        """A line for the file, and the count."""
        self._done += 1
        match outcome:
            case Extracted(computed=True, seconds=seconds):
                text = f"computed {clip.shown}, {about(seconds)}"
                self.advance(clip, 1.0)
            case Extracted(seconds=seconds):
                text = f"kept     {clip.shown}, {about(seconds)}"
            case Broken(reason=reason):
                text = f"left out {clip.shown}: {reason}"
        # What took no time says nothing about the time that is left.
        self._total -= clip.size * (1.0 - self._shares.get(clip.item, 0.0))
        self._progress.update(self._bar, total=self._total, note=f"{self._done}/{self._files} files")
        self._console.print(safe(f"{self._done}/{self._files} {text}"), markup=False, soft_wrap=True)
