"""Columns and what they mean: features of a modality, parameters that are predicted, and the names of their classes.

Names may hold one range in braces: ``clip_{0..511}`` stands for 512 columns, ``{0..19}_active`` for 20.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mmcore.frozen import Frozen
from mmcore.language import number_of
from mmcore.limits import MOST_CLASSES
from mmcore.names import Name

Kind = Literal["continuous", "binary", "categorical", "embedding"]
"""Decides alignment (continuous: linear; binary, categorical: last value; embedding: linear, then unit length; with
``data.interpolation: last`` the last value for all) and normalisation (continuous, categorical codes: z-score; binary:
none; embedding: unit length per step)."""

Resample = Literal["mean", "max", "min", "last", "nearest", "std", "mode"]
"""How the rows of a stream that is faster than the step become one: ``last`` is the last known value of the step's
window, ``nearest`` the row nearest to the step (the others are not read), ``std`` the standard deviation of the window,
``mode`` the value that it holds most often (of several, the one that comes last)."""

DEFAULT_RESAMPLE: dict[Kind, Resample] = {
    "continuous": "mean",
    "binary": "max",
    "categorical": "mode",
    "embedding": "mean",
}

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MAX_RANGE = 100_000
"""Columns that one range may stand for: a slip of the finger must not fill the memory."""


def check_resample(name: str, kind: Kind, resample: Resample | None) -> None:
    """Refuse what has no meaning for a kind.

    Raises:
        ValueError: mean or std of class codes; mode of numbers.
    """
    default = DEFAULT_RESAMPLE[kind]
    if kind == "categorical" and resample in ("mean", "std"):
        raise ValueError(f"'{name}': class codes have no {resample}. Write mode, last, nearest, max or min")
    if kind in ("continuous", "embedding") and resample == "mode":
        raise ValueError(f"'{name}': mode is for classes, '{name}' is {kind}. Write {default}, or leave resample out")


def check_labels(owner: str, kind: Kind, labels: Sequence[str] | None, classes: int | None = None) -> None:
    """Refuse names of classes that cannot name them.

    Args:
        owner: whose, for the message. kind: of the column. labels: None: there are none.
        classes: how many there must be; None: two for binary, else any number.

    Raises:
        ValueError: labels of numbers, another number of them, an empty or repeated one.
    """
    if labels is None:
        return
    if kind not in ("binary", "categorical"):
        raise ValueError(f"{owner}: labels name classes, and kind {kind} has none. Leave labels out, or change kind")
    needed = classes or (2 if kind == "binary" else max(1, len(labels)))
    if len(labels) != needed:
        raise ValueError(f"{owner}: {number_of(len(labels), 'label')} for {number_of(needed, 'class', 'classes')}")
    stripped = [label.strip() for label in labels]
    for label in stripped:
        if not label or stripped.count(label) > 1:
            raise ValueError(f"{owner}: label '{label}' is " + ("given twice" if label else "empty"))


def expand(name: str) -> list[str]:
    """Write out a name's range.

    Example:
        >>> expand("clip_{0..2}")
        ['clip_0', 'clip_1', 'clip_2']
        >>> expand("motion")
        ['motion']

    Raises:
        ValueError: the range ends below its start, or stands for more than :data:`MAX_RANGE` columns.
    """
    found = _RANGE.search(name)
    if found is None:
        return [name]
    first, last = _ends(name, found)
    return [name[: found.start()] + str(i) + name[found.end() :] for i in range(first, last + 1)]


def expanded(name: str) -> int:
    """For how many columns a name stands.

    Raises:
        ValueError: as :func:`expand`.
    """
    found = _RANGE.search(name)
    first, last = (0, 0) if found is None else _ends(name, found)
    return last - first + 1


def _ends(name: str, found: re.Match[str]) -> tuple[int, int]:
    if max(len(found[1]), len(found[2])) > 9:
        raise ValueError(f"'{name[:40]}' has a number of more than 9 digits in its range")
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise ValueError(f"the range of '{name}' ends below its start. Write {{{last}..{first}}}")
    if last - first >= MAX_RANGE:
        raise ValueError(f"'{name}' stands for {last - first + 1} columns; a range may hold at most {MAX_RANGE}")
    return first, last


class Feature(Frozen):
    """One feature, or a range of features, of a modality."""

    name: Name
    """Column name; may hold a range: ``clip_{0..511}``."""
    kind: Kind = "continuous"
    """Decides alignment and normalisation."""
    unit: str = ""
    """Unit as shown in reports; empty: none."""
    resample: Resample | None = None
    """How several rows a step become one, where the stream is faster than the step; None: mean for continuous and
    embedding (then unit length), max for binary, mode for categorical. Where it is given it also says how rows with
    equal times become one; else the last of them is read."""
    labels: tuple[Name, ...] | None = None
    """Names of the classes 0, 1, … of a categorical or binary feature; cells may then hold these names in place of
    codes."""

    @field_validator("name")
    @classmethod
    def _range(cls, name: str) -> str:
        # Here and not first in Modality, so that the error points at the line of the name.
        expand(name)
        return name

    @model_validator(mode="after")
    def _by_kind(self) -> Feature:
        check_resample(self.name, self.kind, self.resample)
        check_labels(f"feature '{self.name}'", self.kind, self.labels)
        return self


class Parameter(Frozen):
    """One predicted parameter of every track."""

    name: Name
    """The column is ``{track}_{name}`` in a modality, ``{name}`` or ``{name}_{track}`` in a table of its own. In a
    modality that holds a single track it may be ``{name}`` too."""
    kind: Literal["continuous", "binary", "categorical"] = "continuous"
    """Decides loss and metrics."""
    classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)] | None = None
    """Number of classes, codes 0 … classes−1; categorical only. May be left out where ``labels`` are given."""
    component: Name
    """The loss component that the parameter adds to; several may share one."""
    when: Name | None = None
    """A binary parameter: this one counts only where that one is true."""
    unit: str = ""
    """Unit as shown in reports; empty: none."""
    labels: tuple[Name, ...] | None = None
    """Names of the classes 0, 1, … for reports, and for the cells of a table of its own, which may hold these names in
    place of codes; None: the codes."""
    resample: Resample | None = None
    """How several rows a step become one, where the table of labels is faster than the step; None: by kind, as for a
    feature. Targets that are columns of a modality are pooled as that modality says."""

    @model_validator(mode="before")
    @classmethod
    def _count_labels(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("kind") != "categorical" or data.get("classes") is not None:
            return data
        labels = data.get("labels")
        return {**data, "classes": len(labels)} if isinstance(labels, list | tuple) and labels else data

    @property
    def outputs(self) -> int:
        """Numbers that the model puts out for it: 2 for binary (as two classes), the classes, or 1."""
        match self.kind:
            case "binary":
                return 2
            case "categorical":
                return self.classes or 0
            case "continuous":
                return 1

    @model_validator(mode="after")
    def _classes(self) -> Parameter:
        if (self.kind == "categorical") != (self.classes is not None):
            raise ValueError(
                f"parameter '{self.name}': classes belongs to kind categorical, and only there"
                + ("; write classes, or the names of the classes as labels" if self.classes is None else "")
            )
        check_labels(f"parameter '{self.name}'", self.kind, self.labels, self.classes)
        check_resample(self.name, self.kind, self.resample)
        return self
