"""The kind of each column: continuous, binary, categorical, embedding, or none that a model should read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mmcore.data.guess.facts import Column, Facts, Range
from mmcore.data.guess.words import CLASSES, CODES, EMBEDDINGS, LABELS, SENTINELS, tokens
from mmcore.language import later, sentence
from mmcore.schema import Kind

PLAIN_TEXT = later("free text; a model reads numbers")
"""Why a column of texts is left out."""
MOST_CLASSES = 50
"""Class names above which text is no class."""
MOST_CODES = 20
"""Whole numbers above which a column is no class, whatever its name."""
WIDE = 64
"""Numbered columns from which a vector of like columns is an embedding."""
_ALIKE = 10.0
"""Ratio of the standard deviations of an embedding's columns, 90 % against 10 %."""
_ORDERED = (
    ("no", "yes"), ("false", "true"), ("off", "on"), ("absent", "present"), ("negative", "positive"), ("neg", "pos"),
    ("low", "high"), ("silence", "speech"), ("non-speech", "speech"), ("control", "patient"), ("low", "medium", "high"),
    ("negative", "neutral", "positive"), ("neg", "neu", "pos"),
)  # fmt: skip
"""Names of classes that have an order; code 0 first."""


@dataclass(frozen=True)
class ColumnGuess:
    """One column, or a range of them.

    Args:
        name: as corpus.yaml writes it.
        kind: None where it is left out.
        reason: why, a short sentence without a full stop.
        labels: class names in the order of codes; None where the cells are numbers.
        classes: their number; None for other kinds.
        missing_values: numbers in it that seem to stand for no value.
        doubt: what the reader should look at; None where nothing is open.
    """

    name: str
    kind: Kind | None
    reason: str
    labels: tuple[str, ...] | None = None
    classes: int | None = None
    missing_values: tuple[float, ...] = ()
    doubt: str | None = None
    width: int = 1


def guess_columns(frame: pd.DataFrame, role: Literal["feature", "target"] = "feature") -> list[ColumnGuess]:
    """The kinds of a single table's columns.

    Args:
        frame: rows of one item.
        role: whole numbers from 0 in a target are classes more often than in a feature.

    Returns:
        One guess a column or range, in the order of the columns; an empty table has no kinds.
    """
    facts = Facts()
    facts.add(frame)
    return guess_all(facts, role)


def guess_all(facts: Facts, role: Literal["feature", "target"], skip: Sequence[str] = ()) -> list[ColumnGuess]:
    """The kinds of a stream's columns, in the order of its first table.

    Args:
        skip: columns with another duty, such as times.
    """
    guesses: list[tuple[int, ColumnGuess]] = []
    order = {name: at for names in facts.shapes for at, name in enumerate(names)}
    for name, column in facts.columns.items():
        if name not in skip:
            guesses.append((order[name], guess_column(name, column, role)))
    for block in facts.ranges:
        if not set(block.columns) & set(skip):
            guesses.append((order[block.columns[0]], guess_range(block)))
    return [guess for _, guess in sorted(guesses, key=lambda pair: pair[0])]


def guess_column(name: str, column: Column, role: Literal["feature", "target"] = "feature") -> ColumnGuess:
    """The kind of one column, from its name and what it holds."""
    if not column.known:
        return ColumnGuess(name, None, sentence("it is empty"))
    if column.boolean:
        return ColumnGuess(name, "binary", sentence("true and false"))
    if not column.numeric:
        return _text(name, column)
    if column.odd:
        shown = ", ".join(repr(cell) for cell in column.odd)
        return ColumnGuess(
            name,
            None,
            sentence("{n} of its cells are not numbers ({shown})", n=column.known - column.numbers, shown=shown),
            doubt=sentence(
                "'{name}' holds numbers and {shown}. Empty these cells in the raw files to have it read",
                name=name,
                shown=shown,
            ),
        )
    if column.constant:
        return ColumnGuess(name, None, sentence("it is always {low:g}", low=column.low))
    words = tokens(name)
    missing = tuple(v for v in SENTINELS if v in (column.low, column.high) and _far(column, v))
    values = sorted(map(float, column.values)) if column.values is not None and column.whole else None
    if values is not None:
        values = [value for value in values if value not in missing]
    if values == [0.0, 1.0]:
        return ColumnGuess(name, "binary", sentence("0 and 1"), missing_values=missing)
    if (column.counts_up and column.rows > column_few(column)) or (words and words[-1] in CODES and column.whole):
        return ColumnGuess(name, None, sentence("it numbers rows or names things and measures nothing"))
    said = set(words) & CLASSES or (role == "target" and set(words) & LABELS)
    if values is not None and said and 2 <= len(values) <= MOST_CODES:
        if values == [float(code) for code in range(len(values))]:
            reason = sentence(
                "whole numbers 0 to {last}, and '{name}' sounds like classes", last=len(values) - 1, name=name
            )
            return ColumnGuess(name, "categorical", reason, classes=len(values), missing_values=missing)
        if role == "feature" and values[0] >= 0:
            reason = sentence("{n} different whole numbers, and '{name}' sounds like classes", n=len(values), name=name)
            return ColumnGuess(name, "categorical", reason, missing_values=missing)
        if role == "target":
            return ColumnGuess(
                name,
                "continuous",
                sentence("{n} whole numbers from {low:g} to {high:g}", n=len(values), low=values[0], high=values[-1]),
                missing_values=missing,
                doubt=sentence(
                    "'{name}' holds whole numbers {listed}: read as amounts. If they are classes, write "
                    "kind: categorical, labels: [{quoted}] in corpus.yaml",
                    name=name,
                    listed=_listed(values),
                    quoted=_quoted(values),
                ),
            )
    low = min((v for v in values), default=column.low) if values else column.low
    if values is None:
        reason = sentence("numbers from {low:.4g} to {high:.4g}", low=low, high=column.high)
    else:
        span = {"n": len(values), "low": low, "high": column.high}
        reason = sentence("{n} different whole numbers from {low:.4g} to {high:.4g}", **span)
    return ColumnGuess(name, "continuous", reason, missing_values=missing)


def column_few(column: Column) -> int:
    """Rows up to which whole numbers that rise by 1 may be values."""
    return 3


def _far(column: Column, value: float) -> bool:
    """Whether a value lies far from all others that the column holds."""
    if column.values is None:
        return abs(value) >= 1e30 or (column.low == value and column.high < abs(value) / 10)
    others = [abs(float(text)) for text in column.values if float(text) != value]
    return bool(others) and max(others) < abs(value) / 10


def _text(name: str, column: Column) -> ColumnGuess:
    values = column.values
    if values is None or (len(values) > 2 and len(values) > 0.5 * column.known) or len(values) > MOST_CLASSES:
        return ColumnGuess(name, None, sentence(PLAIN_TEXT))
    if len(values) == 1:
        return ColumnGuess(name, None, sentence("it is always '{value}'", value=next(iter(values))))
    labels = in_order(list(values))
    rarest = min(values, key=lambda value: values[value])
    few = values[rarest] < 3 and column.known > 20
    doubt = None
    if few:
        doubt = sentence(
            "'{name}': the class '{rarest}' is in {n} of {known} rows. A misspelling?",
            name=name,
            rarest=rarest,
            n=values[rarest],
            known=column.known,
        )
    kind: Kind = "binary" if len(labels) == 2 else "categorical"
    reason = sentence("text with {n} different values", n=len(labels))
    return ColumnGuess(name, kind, reason, labels, None if kind == "binary" else len(labels), doubt=doubt)


def in_order(names: list[str]) -> tuple[str, ...]:
    """Class names in the order of their codes: the usual order of such names, else the alphabet."""
    lower = {name.lower(): name for name in names}
    for usual in _ORDERED:
        if len(lower) == len(names) == len(usual) and set(lower) == set(usual):
            return tuple(lower[name] for name in usual)
    return tuple(sorted(names))


def guess_range(block: Range) -> ColumnGuess:
    """The kind of numbered columns: embedding where they look like one vector, else continuous."""
    rows_TW = block.sample_TW()
    guess = _range_kind(block, rows_TW)
    missing = tuple(v for v in SENTINELS if v in (block.low, block.high))
    return ColumnGuess(block.name, guess[0], guess[1], missing_values=missing, width=block.width)


def _range_kind(block: Range, rows_TW: np.ndarray) -> tuple[Kind, str]:
    if len(rows_TW) and np.isin(rows_TW, (0.0, 1.0)).all() and len(np.unique(rows_TW)) == 2:
        return "binary", sentence("{width} numbered columns of 0 and 1", width=block.width)
    lengths_T = np.linalg.norm(rows_TW, axis=1)
    lengths_T = lengths_T[lengths_T > 0]
    if len(lengths_T) and block.width >= 8 and np.ptp(lengths_T) < 0.02 * np.median(lengths_T):
        return "embedding", sentence("{width} numbered columns that make a vector of one length", width=block.width)
    if set(tokens(block.prefix)) & EMBEDDINGS and block.width >= 8:
        return "embedding", sentence(
            "{width} numbered columns, and '{prefix}' sounds like a vector", width=block.width, prefix=block.prefix
        )
    if block.width >= WIDE and len(rows_TW) > 1:
        spread_W = rows_TW.std(axis=0)
        low, high = np.quantile(spread_W, [0.1, 0.9])
        if low > 0 and high / low < _ALIKE:
            return "embedding", sentence("{width} numbered columns that vary alike", width=block.width)
    return "continuous", sentence("{width} numbered columns of numbers", width=block.width)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:8]) + (", …" if len(values) > 8 else "")


def _quoted(values: Sequence[float]) -> str:
    return ", ".join(f'"{value:g}"' for value in values)
