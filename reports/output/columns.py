"""Tables for a terminal: columns that line up, without frames, so that they can be read in a pipe as well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDEST = 100_000
"""Characters of a line at most: a table is never wrapped, whatever the terminal's width."""


def table(header: Sequence[object], rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> str:
    """Columns two spaces apart.

    Args:
        header, rows: cells, shown by ``str``.
        left: columns that are aligned to the left, by their place; the others, numbers as a rule, to the right.

    Example:
        >>> print(table(["arm", "n"], [["a", 10], ["long", 2]]))
        arm    n
        a     10
        long   2
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    for place in range(len(header)):
        grid.add_column(justify="left" if place in left else "right", no_wrap=True)
    # One cell a column, of many lines: five times as quick as a cell for each value.
    grid.add_row(*(Text("\n".join(map(str, column))) for column in zip(header, *rows, strict=True)))
    # In a notebook rich would show what it prints as well.
    console = Console(file=StringIO(), width=_WIDEST, color_system=None, force_jupyter=False)
    with console.capture() as printed:
        console.print(grid)
    return "\n".join(line.rstrip() for line in printed.get().splitlines())
