"""Where a report is written: into the home, or into a folder of the user's."""

from __future__ import annotations

from pathlib import Path

from experiments.home import Home
from mmcore.errors import StoreError
from reports.output.render import PAGE, WRITTEN

ELSEWHERE = "Name a folder for the report: --out DIR"
"""What to do where the home may only be read."""


def place_for(out: Path | None, home: Home, name: str) -> Path:
    """The folder of a report.

    Args:
        out: a folder of the user's; None: the home's own for reports of this name.

    Raises:
        StoreError: the home may only be read; ``out`` is a file, or has figures or tables that are no report's, which
            writing a report would remove.
    """
    if out is None:
        return home.make(ELSEWHERE).report(name)
    folder = out.absolute()
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            "a report is a folder", found="a file", where=str(folder), next_step="Name another folder with --out"
        )
    if not (folder / PAGE).exists():
        for pattern in WRITTEN:
            for path in folder.glob(pattern):
                raise StoreError(
                    "a report is written to a folder without other figures and tables, which it would remove",
                    found=path.relative_to(folder).as_posix(),
                    where=str(folder),
                    next_step="Name a new folder with --out",
                )
    return folder
