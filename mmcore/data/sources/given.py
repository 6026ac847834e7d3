"""What a user hands over in Python: tables with what is known about them, and the faults found in them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from mmcore.errors import CorpusError, nearest
from mmcore.schema import Kind, Resample

MOST_NAMED = 5
"""Names that a message suggests where there are many."""
MOST_FAULTS = 10
"""Faults that one message lists; the rest are counted."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Described:
    """What the cells of a table do not say: how its columns and times are to be read.

    Args:
        columns: names of an array's F columns; for frames the columns to use. None: ``NAME_0`` … for arrays, all
            columns for frames.
        sampling_rate: rows per second of tables without times, a number, a fraction or text such as ``"30000/1001"``;
            row i is at i / sampling_rate seconds.
        time, start, end: names of the columns with times, and with the first and last moment of segments.
        kinds: one kind for all columns, or column to kind; overrides the kinds that follow from types, see
            :func:`mmcore.data.sources.frame_kinds.kind_of`.
        labels: column to its class names. Of a column of codes, name i is that of code i.
        units: column to its unit, as shown in reports.
        resample: one for all columns, or column to it: how several rows a step become one.
        rate, offset: seconds of the item are time × rate + offset; 0.001 for times in milliseconds.
        missing_values: numbers that stand for no value, such as -99999.
    """

    columns: Sequence[str] | None = None
    sampling_rate: float | Fraction | str | None = None
    time: str = "time"
    start: str = "start"
    end: str = "end"
    kinds: Kind | Mapping[str, Kind] | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    resample: Resample | Mapping[str, Resample] | None = None
    rate: float | str | None = None
    offset: float = 0.0
    missing_values: Sequence[float] = ()


@dataclass(frozen=True, eq=False)
class ModalityData(_Described):
    """The tables of one modality, with what cannot be read off them.

    A plain mapping of item to table means the same as ``ModalityData(mapping)``.

    Args:
        tables: item to table, or one frame with a column (or index level) ``item``. A table is a pandas frame, or an
            array of shape (T, F) or (T,), one row a time. An item that is not there, or is None, lacks the modality.
        storage: number type in the prepared store; float16 halves wide streams.
        columns, sampling_rate, time, start, end, kinds, labels, units, resample, rate, offset, missing_values: see
            :class:`_Described`; by keyword only.
    """

    tables: Any
    storage: Literal["float32", "float16"] = "float32"


@dataclass(frozen=True, eq=False)
class TargetData(_Described):
    """The targets, with what cannot be read off them.

    Args:
        tables: for one target per item a frame or series with one row per item, or item to value; for targets over
            time item to table, as in :class:`ModalityData`.
        name: of the folder that holds them.
        components: column to the loss component that it adds to; None: each column is its own.
        when: column to a binary column; the first counts only where the second is true.
        columns, sampling_rate, time, start, end, kinds, labels, units, resample, rate, offset, missing_values: see
            :class:`_Described`; by keyword only.
    """

    tables: Any
    name: str = "targets"
    components: Mapping[str, str] = field(default_factory=dict)
    when: Mapping[str, str] = field(default_factory=dict)


Data = ModalityData | TargetData


def plain(name: Any) -> str:
    """A name as text in one spelling: 3 and 3.0 are ``3``, letters with accents are composed (NFC); "" for no value.

    Example:
        >>> plain(3.0), plain(None), plain(float("nan")), plain("é")
        ('3', '', '', 'é')
    """
    if name is None or name != name or str(name) == "<NA>":
        return ""
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    return unicodedata.normalize("NFC", str(name))


def place(name: str, item: str | None = None) -> str:
    """Where a fault is, for messages."""
    return f"'{name}'" if item is None else f"'{name}', item '{item}'"


def suggest(name: str, choices: Sequence[str]) -> str:
    """As :func:`mmcore.errors.nearest`, with no more than the five closest of many choices.

    Example:
        >>> suggest("talk_7", [f"talk_{n:02d}" for n in range(40)])
        "Did you mean 'talk_37'? Valid: talk_37, talk_27, talk_17, talk_07, talk_39, … (40)"
    """
    if len(choices) <= MOST_NAMED:
        return nearest(name, list(choices))
    close = difflib.get_close_matches(name, choices, n=MOST_NAMED, cutoff=0.0)
    return f"{nearest(name, close)}, … ({len(choices)})"


class Faults:
    """Collects all faults for one message. Equal faults of several items are reported once."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], CorpusError] = {}
        self._more: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._first)

    def add(
        self,
        rule: str,
        *,
        name: str = "",
        item: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        next_step: str | None = None,
    ) -> None:
        """Keep a fault.

        Args:
            rule: the broken rule; the same words for every item, so that items can be counted.
            name: of the modality or target. item: whose table.
        """
        key = (rule, name)
        if key in self._first:
            self._more[key] = self._more.get(key, 0) + 1
            return
        where = place(name, item) if name else (f"item '{item}'" if item is not None else None)
        self._first[key] = CorpusError(rule, expected=expected, found=found, next_step=next_step, where=where)

    def stop(self) -> None:
        """Raise what has been found, if anything.

        Raises:
            CorpusError: the fault, or a numbered list of all.
        """
        if not self._first:
            return
        for key, more in self._more.items():
            error = self._first[key]
            found = f"{error.found}, " if error.found else ""
            self._first[key] = CorpusError(
                error.rule,
                expected=error.expected,
                found=f"{found}and the same {more} more time{'s' if more > 1 else ''}",
                next_step=error.next_step,
                where=error.where,
            )
        errors = list(self._first.values())
        if len(errors) == 1:
            raise errors[0]
        lines = [f"  {n}. {error.message}" for n, error in enumerate(errors[:MOST_FAULTS], start=1)]
        if len(errors) > MOST_FAULTS:
            lines.append(f"  and {len(errors) - MOST_FAULTS} more")
        raise CorpusError("\n".join([f"{len(errors)} faults in these tables", *lines]))
