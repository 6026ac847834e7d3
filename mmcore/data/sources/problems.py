"""One set of rules for two readers: a run stops at the first fault of a corpus, ``data check`` lists them all.

Code that finds a fault calls ``tell`` and continues with the rest; the default ``tell`` raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mmcore.errors import CorpusError

Tell = Callable[[CorpusError], None]
Cell = TypeVar("Cell")


def stop(error: CorpusError) -> None:
    """Raise the first fault.

    Raises:
        CorpusError: always.
    """
    raise error


_MOST = 20


def different(cells: Iterable[tuple[int, Cell]]) -> Iterator[tuple[int, Cell]]:
    """The first row of each different cell, at most 20: a misspelling that is in every row is one fault.

    Args:
        cells: rows and what stands there.
    """
    seen: set[str] = set()
    for row, cell in cells:
        if str(cell) not in seen:
            seen.add(str(cell))
            yield row, cell
        if len(seen) == _MOST:
            return
