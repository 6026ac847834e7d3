"""Lines of a terminal: wrapped and padded by the columns that letters take; a Japanese letter takes two."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import cache

from rich.cells import cell_len

_NEVER_FIRST = frozenset("、。，．・：；？！」』）】］〉》”’ーっゃゅょぁぃぅぇぉッャュョァィゥェォ々〜…)]},.;:!?")
"""Letters that begin no line: they stand behind the last column of the line before."""
_PIECE = re.compile(r"\s+|[!-~]+|.", re.DOTALL)
"""What is not broken: a word of Latin letters, a path, a command. Behind any other letter a line may end."""


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most ``width`` columns; a word that is longer has a line for itself, and is not broken.

    Args:
        text: one paragraph; line breaks in it count as spaces.
        first, rest: what the first line and the lines after it begin with.

    Returns:
        [] for an empty text.

    Example:
        >>> wrapped("one two three", 9, rest="  ")
        ['one two', '  three']
        >>> wrapped("判定できない。", 8)
        ['判定でき', 'ない。']
    """
    if text.isascii() or not _wide(text):
        # As before there were other languages, to the letter.
        return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                             break_on_hyphens=False)  # fmt: skip
    return list(_broken(" ".join(text.split()), width, first, rest))


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """The lines of :func:`wrapped` as one text."""
    return "\n".join(wrapped(text, width, first, rest))


def padded(text: str, width: int) -> str:
    """A text with spaces behind it up to a width in columns; a longer one stays whole.

    Example:
        >>> padded("判定", 6) + "|"
        '判定  |'
    """
    return text + " " * (width - cell_len(text))


@cache
def _wide(text: str) -> bool:
    return cell_len(text) > len(text)


def _broken(text: str, width: int, first: str, rest: str) -> Iterator[str]:
    start, line, used = first, "", cell_len(first)
    for piece in _PIECE.findall(text):
        size = cell_len(piece)
        if line and used + size > width and piece not in _NEVER_FIRST:
            yield (start + line).rstrip()
            start, line, used = rest, "", cell_len(rest)
        if line or not piece.isspace():
            line, used = line + piece, used + size
    if line:
        yield (start + line).rstrip()
