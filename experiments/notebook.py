"""Progress in a notebook: one output that is replaced as the study gets on, and a line that stays."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from html import escape
from types import TracebackType
from typing import Any, Protocol

from experiments.planning.remaining import Remaining
from experiments.planning.stages import REPORT, Stage
from experiments.progress import WARNING, Silent, chosen_column, remark
from mmcore import events
from mmcore.language import counted, say
from reports.cards.card import clipped
from reports.numbers import about

EVERY = 0.5
"""Seconds between two updates at least."""
MOST_KEPT = 8
"""Remarks, and running jobs, that are shown; the rest is counted."""


class Output(Protocol):
    """The place of one output in a notebook."""

    def update(self, obj: Any, **kwargs: Any) -> object:
        """Replace what is shown."""
        ...


class NotebookDisplay:
    """Shows how a study gets on in a notebook.

    While it runs: a bar, what is left, each running job. Afterwards: one line, with the warnings and failures.

    Args:
        shown: makes the output from its first contents, and returns its place.
        clock: seconds; another one for tests.
    """

    def __init__(
        self, shown: Callable[[dict[str, str]], Output | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show, self._clock = shown, clock
        self._output: Output | None = None
        self._remaining = Remaining(clock)
        self._headline, self._remark = "", ""
        self._jobs: dict[str, str] = {}
        self._kept: list[str] = []
        self._began = clock()
        self._updated = float("-inf")

    def __enter__(self) -> NotebookDisplay:
        self._refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        done, total = self._remaining.done, self._remaining.total
        took = about(self._clock() - self._began)
        if kind is not None:
            words = say(
                "stopped after {done} of {jobs}, in {took}; the same call resumes",
                done=done,
                jobs=counted(total, "job"),
                took=took,
            )
        else:
            words = (
                say("{done} of {jobs} done in {took}", done=done, jobs=counted(total, "job"), took=took)
                if total
                else say("done in {took}", took=took)
            )
        self._jobs.clear()
        self._put(words, words)

    def expect(self, stages: Sequence[Stage]) -> None:
        """What the command is still to do, all stages of it."""
        self._remaining.expect(stages)
        self._refresh()

    def begin(self, stage: str) -> None:
        """A stage begins."""
        self._remaining.begin(stage)
        self._headline = say("writing the report") if stage == REPORT else ""
        self._refresh()

    def say(self, text: str) -> None:
        """A remark; a warning stays, any other is replaced by the next."""
        if text.startswith(WARNING):
            self._kept.append(remark(text))
        else:
            self._remark = text
        self._refresh()

    def headline(self, text: str) -> None:
        """How the whole stands."""
        self._headline = text
        self._refresh()

    def started(self, name: str, group: str = "") -> None:
        """A job begins or is resumed."""
        self._jobs[name] = say("starting")
        self._remaining.started(name, group)
        self._refresh()

    def event(self, name: str, event: events.Event) -> None:
        """A running job tells something."""
        match event:
            case events.Progress(epoch, epochs, step, steps):
                self._remaining.share(name, (epoch - 1 + step / max(1, steps)) / epochs)
                self._jobs[name] = say("epoch {epoch} of {epochs}", epoch=epoch, epochs=epochs)
            case events.EpochDone(epoch, epochs, row):
                self._remaining.share(name, epoch / epochs)
                column = chosen_column(row)
                score = f"{column.replace('/', ' ')} {row[column]:.3f}" if column in row else ""
                stands = say("epoch {epoch} of {epochs}", epoch=epoch, epochs=epochs)
                self._jobs[name] = say(", ").join(filter(None, (stands, score)))
            case events.Note(text):
                self._remark = f"{name}: {text}"
        self._refresh()

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None:
        """A job is over; a failure stays."""
        self._jobs.pop(name, None)
        self._remaining.finished(name, group, failed)
        if failed:
            self._kept.append(f"{name}: {outcome}")
        self._refresh()

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._updated < EVERY:
            return
        self._updated = now
        done, total = self._remaining.done, self._remaining.total
        words = [
            self._headline,
            say(
                "{done} of {jobs} done, {standing}",
                done=done,
                jobs=counted(total, "job"),
                standing=self._remaining.standing(),
            )
            if total
            else say("planning"),
        ]
        text = say(", ").join(word for word in words if word)
        bar = f'<progress max="{max(1, total)}" value="{done}" aria-label="progress"></progress> '
        self._put(text, bar + escape(text))

    def _put(self, text: str, html: str) -> None:
        running = [f"{name}: {state}" for name, state in self._jobs.items()]
        below = [*running[:MOST_KEPT], _more(running, say("and {n} more running", n=len(running) - MOST_KEPT))]
        if self._jobs and self._remark:
            below.append(self._remark)
        kept = [*self._kept[-MOST_KEPT:], _more(self._kept, say("and {n} more earlier", n=len(self._kept) - MOST_KEPT))]
        lines = [clipped(line, 300) for line in (*below, *kept) if line]
        small = "".join(f'<br><span style="font-size:0.9em">{escape(line)}</span>' for line in lines)
        data = {"text/plain": "\n".join([text, *lines]), "text/html": f'<div class="mmstudy">{html}{small}</div>'}
        if self._output is None:
            self._output = self._show(data)
        else:
            self._output.update(data, raw=True)


def _more(things: Sequence[str], text: str) -> str:
    """The text that counts what is not shown; empty where all is shown."""
    return text if len(things) > MOST_KEPT else ""


def usual_display() -> NotebookDisplay | Silent:
    """What shows progress where the caller names nothing: in a notebook a bar, elsewhere nothing."""
    return NotebookDisplay(_show) if in_notebook() else Silent()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _show(data: dict[str, str]) -> Output | None:
    from IPython.display import display

    return display(data, raw=True, display_id=True)
