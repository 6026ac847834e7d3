"""``mmstudy status``: how far a study is, once or until it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.data import Format
from experiments.cli.options import (
    CorpusOption,
    Device,
    FormatOption,
    MatchOption,
    PresetOption,
    RepeatsOption,
    SetOption,
    StudyArgument,
    options_of,
)
from mmcore.errors import StudyError

if TYPE_CHECKING:
    from experiments.home import Home
    from experiments.planning.plan import AnyPlan

EVERY = 2.0
"""Seconds between two looks at a study."""
SHARE = 0.1
"""Of the time at most that is spent on looking: a study of thousands of runs takes longer to look at."""


def status(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until the study is done; Ctrl-C ends the watching, not the study.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Show the progress of each arm: runs done, running, to resume, failed, to do."""
    from experiments.cli.plan_view import plan_json
    from experiments.cli.text import status_text
    from experiments.opening import open_request
    from experiments.planning.plan import plan as planned

    home: Home = context.obj
    options = options_of(corpus, preset, repeats, None, match, set_, None, Device.cpu)

    def look() -> AnyPlan:
        return planned(open_request(study, home, options), home)

    if watch:
        if format is Format.json:
            raise StudyError("--watch shows text", found="--format json", next_step="Leave out one of them")
        try:
            watching(look, lambda found: status_text(found, home))
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    elif format is Format.json:
        typer.echo(json.dumps(plan_json(look()), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(status_text(look(), home))


def watching(
    look: Callable[[], AnyPlan],
    text_of: Callable[[AnyPlan], str],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Show a study until it is done: on a terminal in one place, elsewhere whenever it has changed.

    Args:
        look: the study as it stands now. text_of: in words.
        sleep, clock: in seconds; others for tests.
    """
    import sys

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from experiments.terminal import behind, safe

    console = Console(file=behind(sys.stdout), highlight=False, force_jupyter=False)
    shown = ""
    with Live(console=console, auto_refresh=False) if console.is_terminal else _Lines() as live:
        while True:
            began = clock()
            found = look()
            if (text := text_of(found)) != shown:
                shown = text
                live.update(Text(safe(text)), refresh=True)
            if is_over(found):
                return
            sleep(max(EVERY, (clock() - began) / SHARE))


def is_over(found: AnyPlan) -> bool:
    """Whether a study has nothing left to search or to train; what failed is over until a command tries it again."""
    return not found.request.tunes and all(
        run.failed_before or run.state not in ("to do", "resume", "running") for run in found.runs
    )


class _Lines:
    """In place of a live display: each state below the last one, apart by a line."""

    def __init__(self) -> None:
        self._first = True

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, text: object, refresh: bool) -> None:
        typer.echo(f"{'' if self._first else chr(10)}{text}")
        self._first = False
