"""What a corpus holds: modalities, features, targets. The contents of ``corpus.yaml`` (format 1).

Names may hold one range in braces: ``clip_{0..511}`` stands for 512 columns, ``{0..19}_active`` for 20.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mmcore.errors import ConfigError, nearest
from mmcore.frozen import Frozen

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


class Clock(Frozen):
    """How the times of a stream's files become seconds of the item: ``time × rate + offset``."""

    offset: float = 0.0
    """Seconds added to every time; -3600 for a timecode that starts at one hour."""
    rate: PositiveFloat | None = None
    """Factor on every time, or a fraction as text; None: 1. 0.001 for milliseconds, 30/29.97 for frames of 29.97 a
    second that were stamped as if 30."""

    @field_validator("rate", mode="before")
    @classmethod
    def _fraction(cls, rate: Any) -> Any:
        found = re.fullmatch(r"\s*([\d.]+)\s*/\s*([\d.]+)\s*", rate) if isinstance(rate, str) else None
        try:
            return float(found[1]) / float(found[2]) if found else rate
        except (ValueError, ZeroDivisionError):
            raise ValueError(
                f"rate '{rate}' is no fraction of two numbers above 0. Write for example 30/29.97"
            ) from None

    @property
    def factor(self) -> float:
        """What times are multiplied by."""
        return 1.0 if self.rate is None else self.rate

    @property
    def keeps_times(self) -> bool:
        """Whether times are used as written."""
        return self.offset == 0.0 and self.factor == 1.0


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
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise ValueError(f"the range of '{name}' ends below its start. Write {{{last}..{first}}}")
    if last - first >= MAX_RANGE:
        raise ValueError(f"'{name}' stands for {last - first + 1} columns; a range may hold at most {MAX_RANGE}")
    return [name[: found.start()] + str(i) + name[found.end() :] for i in range(first, last + 1)]


class Feature(Frozen):
    """One feature, or a range of features, of a modality."""

    name: str
    """Column name; may hold a range: ``clip_{0..511}``."""
    kind: Kind = "continuous"
    """Decides alignment and normalisation."""
    unit: str = ""
    """Unit as shown in reports; empty: none."""
    resample: Resample | None = None
    """How several rows a step become one, where the stream is faster than the step; None: mean for continuous and
    embedding (then unit length), max for binary, mode for categorical."""

    @field_validator("name")
    @classmethod
    def _range(cls, name: str) -> str:
        # Here and not first in Modality, so that the error points at the line of the name.
        expand(name)
        return name

    @model_validator(mode="after")
    def _resample(self) -> Feature:
        check_resample(self.name, self.kind, self.resample)
        return self


class Modality(Clock):
    """A named stream of features over time: one table per item."""

    features: tuple[Feature, ...] = Field(min_length=1)
    """The columns besides ``time``."""
    storage: Literal["float32", "float16"] = "float32"
    """Number type in the prepared store; float16 halves wide streams."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for no value in every column besides ``time``, such as -99999: read as if the cell were
    empty."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column name, ranges written out, in order."""
        return tuple(name for f in self.features for name in expand(f.name))

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of every column, in the order of :attr:`columns`."""
        return tuple(f.kind for f in self.features for _ in expand(f.name))

    @cached_property
    def resamples(self) -> tuple[Resample, ...]:
        """How every column is pooled, in the order of :attr:`columns`."""
        return tuple(f.resample or DEFAULT_RESAMPLE[f.kind] for f in self.features for _ in expand(f.name))

    @cached_property
    def embedding_groups(self) -> tuple[tuple[int, int], ...]:
        """Column spans [first, last) of each embedding feature: what is brought to unit length together."""
        spans, at = [], 0
        for feature in self.features:
            width = len(expand(feature.name))
            if feature.kind == "embedding":
                spans.append((at, at + width))
            at += width
        return tuple(spans)

    @model_validator(mode="after")
    def _unique(self) -> Modality:
        seen: set[str] = set()
        for column in self.columns:
            if column in seen or column == "time":
                raise ValueError(
                    f"column '{column}' is named twice" if column in seen else "'time' cannot be a feature"
                )
            seen.add(column)
        return self


class Parameter(Frozen):
    """One predicted parameter of every track."""

    name: str
    """The column is ``{track}_{name}`` in a modality, ``{name}`` or ``{name}_{track}`` in a table of its own."""
    kind: Literal["continuous", "binary", "categorical"] = "continuous"
    """Decides loss and metrics."""
    classes: PositiveInt | None = None
    """Number of classes, codes 0 … classes−1; categorical only."""
    component: str
    """The loss component that the parameter adds to; several may share one."""
    when: str | None = None
    """A binary parameter: this one counts only where that one is true."""
    unit: str = ""
    """Unit as shown in reports; empty: none."""
    labels: tuple[str, ...] | None = None
    """Class names for reports; None: the codes."""
    resample: Resample | None = None
    """How several rows a step become one, where the table of labels is faster than the step; None: by kind, as for a
    feature. Targets that are columns of a modality are pooled as that modality says."""

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
            raise ValueError(f"parameter '{self.name}': classes belongs to kind categorical, and only there")
        if self.labels is not None and len(self.labels) != (self.classes or 2):
            raise ValueError(f"parameter '{self.name}': {len(self.labels)} labels for {self.classes or 2} classes")
        check_resample(self.name, self.kind, self.resample)
        return self


class Targets(Clock):
    """What is predicted: K tracks × P parameters per step or per item; a clock for a table of its own."""

    from_: str = Field(alias="from")
    """A modality's name (tasks forecast, reconstruct) or that of a table of its own (task label)."""
    scope: Literal["step", "item"] = "step"
    """One target per step, or one per item (task label only)."""
    tracks: PositiveInt = 1
    """Number of tracks K."""
    parameters: tuple[Parameter, ...] = Field(min_length=1)
    """The parameters P of each track."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for no target, such as -99999: read as if the cell were empty. For a table of its own;
    targets from a modality have that modality's."""

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Loss components in order of first mention."""
        return tuple(dict.fromkeys(p.component for p in self.parameters))

    @cached_property
    def outputs(self) -> int:
        """Numbers that the model puts out per track."""
        return sum(p.outputs for p in self.parameters)

    @model_validator(mode="after")
    def _when(self) -> Targets:
        names = [p.name for p in self.parameters]
        binary = [p.name for p in self.parameters if p.kind == "binary"]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"parameter '{name}' is declared twice")
        for p in self.parameters:
            if p.when is not None and p.when not in binary:
                raise ValueError(
                    f"parameter '{p.name}': when '{p.when}' is no binary parameter. " + nearest(p.when, binary)
                )
        return self


class CorpusSchema(Frozen):
    """The contents of ``corpus.yaml``."""

    format: Literal[1]
    """Version of the corpus format."""
    name: str
    """Short name for reports."""
    step: PositiveFloat | None = None
    """Seconds per model step; None: rows are steps, aligned by position."""
    reference: str | None = None
    """The modality whose times are the grid; None: a regular grid over the span of the targets, where they are a table
    of their own with times, else over all that any stream covers."""
    modalities: dict[str, Modality] = Field(min_length=1)
    """Streams by name, in the order in which they are shown."""
    targets: Targets
    """What is predicted."""

    @property
    def targets_are_features(self) -> bool:
        """Whether the targets are columns of a modality (forecast, reconstruct) and no table of their own."""
        return self.targets.from_ in self.modalities

    def target_columns(self) -> tuple[tuple[str, ...], ...]:
        """Column names of the targets, K tuples of P names."""
        t = self.targets
        if self.targets_are_features:
            return tuple(tuple(f"{k}_{p.name}" for p in t.parameters) for k in range(t.tracks))
        if t.tracks == 1:
            return (tuple(p.name for p in t.parameters),)
        return tuple(tuple(f"{p.name}_{k}" for p in t.parameters) for k in range(t.tracks))

    def chosen(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """The modalities that a model reads, in the schema's order whatever the order of ``names``; None: all.

        Raises:
            ConfigError: a name that the corpus does not have, with the nearest one that it has.
        """
        for name in names or ():
            if name not in self.modalities:
                raise ConfigError(
                    f"modality '{name}' is not in corpus '{self.name}'",
                    where="model.modalities",
                    next_step=nearest(name, list(self.modalities)),
                )
        return tuple(name for name in self.modalities if names is None or name in names)

    @model_validator(mode="after")
    def _references(self) -> CorpusSchema:
        names = list(self.modalities)
        if self.reference is not None and self.reference not in names:
            raise ValueError(f"reference '{self.reference}' is no modality. " + nearest(self.reference, names))
        if self.targets_are_features:
            if self.targets.scope == "item":
                raise ValueError("targets taken from a modality have scope step; scope item needs a table of its own")
            if self.targets.missing_values:
                raise ValueError(
                    f"targets taken from modality '{self.targets.from_}' are read with its missing_values. "
                    f"Write them in modalities.{self.targets.from_}"
                )
            columns = set(self.modalities[self.targets.from_].columns)
            for row in self.target_columns():
                for column in row:
                    if column not in columns:
                        raise ValueError(
                            f"target column '{column}' is no feature of modality '{self.targets.from_}'. "
                            + nearest(column, sorted(columns))[:200]
                        )
            if not self.targets.keeps_times or any(p.resample for p in self.targets.parameters):
                raise ValueError(
                    f"targets are columns of modality '{self.targets.from_}', which is read once. "
                    f"Write offset, rate and resample in modalities.{self.targets.from_}"
                )
        clocks = {f"modality '{name}'": modality for name, modality in self.modalities.items()}
        for name, clock in {**clocks, "targets": self.targets}.items():
            if not clock.keeps_times and (self.step is None or (name == "targets" and self.targets.scope == "item")):
                raise ValueError(f"{name}: offset and rate change times, and there are none: leave them out")
        for name in [*names, self.targets.from_]:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                raise ValueError(f"name '{name}' must hold only letters, digits, '_', '-', '.' since it names a folder")
        return self
