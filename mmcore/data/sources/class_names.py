"""Cells that hold names of classes become codes: the position of the name among the column's ``labels``.

Names are compared in NFC, without spaces around them. A number is a code, unless some label is itself a number other
than its own position (classes rated 1 to 5): then a number is the label with that value, and codes are not accepted.
So what a cell means follows from ``corpus.yaml`` alone, never from the other cells of its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmcore.errors import CorpusError, nearest
from mmcore.names import nfc

TRUTH = {"true": 1.0, "false": 0.0}
"""How tables write booleans as text."""
NO_VALUE = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
"""Texts that stand for an empty cell, those of pandas, unless they are labels."""
NO_CLASS = -1
"""Marks a cell that is neither a class nor empty."""


@dataclass(frozen=True)
class ClassNames:
    """The names of one column's classes.

    Args:
        column: for messages. labels: names in the order of codes. missing: numbers that stand for no value.
    """

    column: str
    labels: tuple[str, ...]
    missing: tuple[float, ...] = ()

    @cached_property
    def _code_of_text(self) -> dict[str, int]:
        return {nfc(label.strip()): code for code, label in enumerate(self.labels)}

    @cached_property
    def _code_of_number(self) -> dict[float, int] | None:
        """Codes by the value of labels that are numbers; None where numbers are codes."""
        values = {number: code for code, label in enumerate(self.labels) if (number := number_of(label)) is not None}
        return values if any(number != code for number, code in values.items()) else None

    def of_numbers(self, values_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes of a column of numbers, NaN where a row is no class, and these rows (from 0).

        NaN and ``missing`` become NaN. Where numbers are codes they stay as they are.
        """
        if self._code_of_number is None:
            return values_T, np.empty(0, int)
        found, place_T = np.unique(values_T, return_inverse=True)
        codes = np.array([self._of_number(float(value)) for value in found], np.float64)
        return _checked(codes[place_T] if len(found) else np.empty(0))

    def of_texts(self, found: Sequence[str | None], place_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes of a column of texts, and the bad rows.

        Args:
            found: the different texts; None: an empty cell.
            place_T: index into ``found`` of each row; below 0: an empty cell.
        """
        codes = np.array([*map(self._of_text, found), np.nan], np.float64)
        return _checked(codes[np.where(place_T < 0, len(found), place_T)])

    def error(self, cell: str | float, where: str) -> CorpusError:
        """What is wrong with a cell that is no class."""
        text = cell if isinstance(cell, str) else f"{cell:g}"
        return CorpusError(
            f"column '{self.column}' must hold names of its classes",
            found=repr(text)[:80] if isinstance(cell, str) else text,
            next_step=f"{nearest(text, self.labels)[:300]}. Correct the cell, leave it empty, or add the name to "
            "labels in corpus.yaml",
            where=where,
        )

    def _of_text(self, text: str | None) -> float:
        name = "" if text is None else nfc(text.strip())
        if name in self._code_of_text:
            return float(self._code_of_text[name])
        if name in NO_VALUE:
            return np.nan
        number = number_of(name)
        if number is None:
            return TRUTH.get(name.lower(), NO_CLASS) if len(self.labels) == 2 else NO_CLASS
        return self._of_number(number)

    def _of_number(self, number: float) -> float:
        if np.isnan(number) or np.float32(number) in np.array(self.missing, np.float32):
            return np.nan
        if self._code_of_number is not None:
            return float(self._code_of_number.get(number, NO_CLASS))
        return number if number in range(len(self.labels)) else NO_CLASS


def number_of(text: str) -> float | None:
    """The number that a text is; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def _checked(codes_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wrong_T = codes_T == NO_CLASS
    return np.where(wrong_T, np.nan, codes_T), np.flatnonzero(wrong_T)
