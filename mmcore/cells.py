"""Cells of the tables that mmstudy exports. No pandas."""

from __future__ import annotations

import math

_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def plain_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe in front where it begins like one.

    Example:
        >>> plain_cell("=1+1"), plain_cell("-0.5"), plain_cell("audio+track")
        ("'=1+1", '-0.5', 'audio+track')
    """
    return "'" + text if text.startswith(_BEGINS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text)) and text == text.strip()
    except ValueError:
        return False
