"""``mmstudy data import footage``: from video files to a corpus."""

from __future__ import annotations

from pathlib import Path

import typer

from experiments.home import Home
from experiments.terminal import INTERRUPTED
from mmcore.errors import CorpusError


def import_footage_into(
    folder: Path,
    out: Path | None,
    home: Home,
    features: str,
    timelines: Path | None,
    target: str | None,
    like: Path | None,
    group: str | None,
    workers: int | None,
) -> list[str]:
    """Run the import; the lines that the command prints.

    Args:
        like: a corpus whose targets are to be predicted for this footage. group: ``folder``, or None: every item is a
            group of its own. workers: None: one for each core.

    Raises:
        CorpusError: packages are not installed, a wrong option, and what the import finds.
    """
    from experiments.footage.features import choose
    from experiments.footage.listing import find_clips
    from experiments.footage.store import FootageStore

    if out is None:
        raise CorpusError(
            "an import needs a folder to write to", next_step="Name a new one: --out DIR", where=str(folder)
        )
    if group not in (None, "folder"):
        raise CorpusError(
            "--group of footage names what a split never divides",
            expected="folder: the files of a folder belong together; without --group every file stands alone",
            found=group,
        )
    if like is not None and (timelines is not None or target is not None):
        raise CorpusError(
            "--like takes the targets of another corpus",
            found="--timelines or --target besides",
            next_step="Choose one",
        )
    if timelines is not None and not timelines.is_dir():
        raise CorpusError("--timelines names a folder", found="nothing of that name", where=str(timelines))
    clips = tuple(find_clips(folder))
    chosen = choose(features)
    # Only with the packages of the extra, which the choice has looked for.
    from experiments.footage.importing import Request, import_footage
    from experiments.footage.screen import FootageScreen
    from experiments.launchers.local import cores

    request = Request(
        clips, features, chosen, timelines, target, like, group == "folder", workers or cores()
    )  # fmt: skip
    try:
        return import_footage(folder, out, request, FootageStore(home.footage), FootageScreen).lines()
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        raise typer.Exit(130) from None
