"""What is predicted, guessed from the labels of all items: a number, one of two, or one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmcore.data.importers.sample import clean
from mmcore.data.sources.written import WrittenParameter
from mmcore.errors import CorpusError, nearest
from mmcore.language import sentence

MOST_CLASSES = 50
"""Distinct values of whole numbers or of text above which they are no classes."""


@dataclass(frozen=True)
class Target:
    """A parameter of corpus.yaml, and how its column has to be written.

    Args:
        parameter: as corpus.yaml has it.
        as_text: whether the column holds names of classes.
        note: what was assumed.
    """

    parameter: WrittenParameter
    as_text: bool
    note: str


def target_of(name: str, columns: Sequence[np.ndarray], classes: Sequence[str] | None, where: str) -> Target:
    """The parameter that fits a column.

    Args:
        name: of the column.
        columns: its values, one array an item.
        classes: names of codes 0, 1, …, where the files give them.
        where: the file, for messages.

    Returns:
        Text is classes; whole numbers stored as such are classes, if there are at most :data:`MOST_CLASSES`; all other
        numbers are continuous. Two classes are a binary parameter. NaN is a missing label.

    Raises:
        CorpusError: no value at all, one value only, more distinct texts than can be classes, a code without a name.
    """
    values = np.concatenate([np.asarray(column).reshape(-1) for column in columns]) if columns else np.empty(0)
    found = np.unique(values[np.isfinite(values)] if values.dtype.kind == "f" else values)
    if values.dtype.kind in "US":
        found = found[found != ""]
    if len(found) < 2:
        raise CorpusError(
            f"label '{name}' must have at least two values",
            found=f"{str(found[0])!r} alone"[:80] if len(found) else "no value",
            next_step="Name another column: --target COLUMN",
            where=where,
        )
    if classes is not None:
        return _named(name, found, list(classes), where)
    if values.dtype.kind in "US":
        if len(found) > MOST_CLASSES:
            raise CorpusError(
                f"label '{name}' must be numbers, or at most {MOST_CLASSES} classes",
                found=f"{len(found)} texts, such as {str(found[0])[:40]!r}",
                next_step="Name another column: --target COLUMN",
                where=where,
            )
        return _classes(
            name,
            sorted({clean(str(value)) for value in found}),
            True,
            sentence("classes, in the order of the alphabet"),
        )
    # A missing label among whole numbers makes its item's column one of floats.
    whole = values.dtype.kind in "biu" or any(np.asarray(column).dtype.kind in "biu" for column in columns)
    if whole and len(found) <= MOST_CLASSES and np.array_equal(found, np.rint(found)):
        codes = [int(value) for value in found]
        if codes == list(range(len(codes))):
            if len(codes) == 2:
                return Target(
                    {"name": name, "component": name, "kind": "binary"},
                    False,
                    sentence("'{name}' is binary: 0 and 1", name=name),
                )
            several: WrittenParameter = {
                "name": name, "component": name, "kind": "categorical", "classes": len(codes),
            }  # fmt: skip
            return Target(
                several, False, sentence("'{name}' is {n} classes: whole numbers from 0", name=name, n=len(codes))
            )
        return _classes(name, [str(code) for code in codes], True, sentence("classes: a few whole numbers"))
    number: WrittenParameter = {"name": name, "component": name, "kind": "continuous"}
    return Target(
        number,
        False,
        sentence("'{name}' is a number, {low:.3g} to {high:.3g}", name=name, low=found[0], high=found[-1]),
    )


def _named(name: str, found: np.ndarray, classes: list[str], where: str) -> Target:
    odd = [value for value in found.tolist() if not (float(value).is_integer() and 0 <= value < len(classes))]
    if odd and odd != [-1]:
        raise CorpusError(
            f"label '{name}' must hold the codes of its {len(classes)} classes",
            expected=f"whole numbers from 0 to {len(classes) - 1}, or -1 for none",
            found=str(odd[0]),
            next_step="Correct the column, or its names of classes",
            where=where,
        )
    return _classes(name, classes, True, sentence("classes that the file names"))


def _classes(name: str, classes: list[str], as_text: bool, note: str) -> Target:
    parameter: WrittenParameter = (
        {"name": name, "kind": "binary", "labels": classes, "component": name}
        if len(classes) == 2
        else {"name": name, "kind": "categorical", "classes": len(classes), "labels": classes, "component": name}
    )
    listed = ", ".join(classes[:6]) + (", …" if len(classes) > 6 else "")
    return Target(
        parameter,
        as_text,
        sentence("'{name}' is {n} {classes}: {listed}", name=name, n=len(classes), classes=note, listed=listed),
    )


def as_names(column: np.ndarray, classes: Sequence[str] | None) -> list[str | None]:
    """A column of codes or of texts as names; None where there is no label (-1, NaN, empty).

    Codes without given names are their own names.
    """
    names: list[str | None] = []
    for value in np.asarray(column).reshape(-1).tolist():
        if value is None or value == "" or (isinstance(value, float) and not np.isfinite(value)):
            names.append(None)
        elif classes is None:
            names.append(clean(str(int(value) if isinstance(value, float) and value.is_integer() else value)))
        else:
            names.append(classes[int(value)] if int(value) >= 0 else None)
    return names


def chosen(wanted: str | None, there: Sequence[str], usual: Sequence[str], what: str, option: str, where: str) -> str:
    """The name that a user gave, else the first usual one that is there.

    Raises:
        CorpusError: the name is not there, or none of the usual ones is.
    """
    if wanted is not None:
        if wanted in there:
            return wanted
        raise CorpusError(
            f"{option} names '{wanted}', which is not there", next_step=nearest(wanted, list(there)), where=where
        )
    for name in usual:
        if name in there:
            return name
    raise CorpusError(
        f"the files must hold {what}",
        expected=" or ".join(usual),
        found=", ".join(there)[:200] or "none",
        next_step=f"Name it: {option} NAME",
        where=where,
    )


def finite(labels: Mapping[str, np.ndarray]) -> bool:
    """Whether any label of an item is there."""
    for column in labels.values():
        if column.dtype.kind in "fc":
            if np.isfinite(column).any():
                return True
        elif len(column):
            return True
    return False
