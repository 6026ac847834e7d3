"""What a corpus holds: modalities, features, targets. The contents of ``corpus.yaml`` (format 1)."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from mmcore.clock import TIME, Clock
from mmcore.columns import DEFAULT_RESAMPLE, Feature, Kind, Parameter, Resample, expand, expanded
from mmcore.errors import ConfigError, nearest
from mmcore.frozen import Frozen
from mmcore.limits import MOST_COLUMNS, MOST_OUTPUTS, MOST_TRACKS
from mmcore.names import Name, names_a_folder, nfc

__all__ = [
    "DEFAULT_RESAMPLE", "Clock", "CorpusSchema", "Feature", "Kind", "Modality", "Parameter", "Resample", "Targets",
    "expand",
]  # fmt: skip


class Extractor(Frozen):
    """A program that computed features from footage or other media."""

    name: str
    """Short name, such as ``silero-vad``."""
    version: str
    """Changes whenever the program gives other numbers."""
    package: str | None = None
    """The package behind it with its version, as installed then."""
    weights: str | None = None
    """``sha256:`` and the hash of the file of its weights; None: it has none."""
    settings: str | None = None
    """What else decides its numbers, in words."""

    @property
    def identity(self) -> tuple[str, str, str | None, str | None]:
        """Two extractors that agree in it give the same numbers, but for what a new version of a package brings."""
        return self.name, self.version, self.weights, self.settings


class Modality(Clock):
    """A named stream of features over time: one table per item."""

    features: tuple[Feature, ...] = Field(min_length=1)
    """The columns besides those of times."""
    storage: Literal["float32", "float16"] = "float32"
    """Number type in the prepared store; float16 halves wide streams."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for no value in every column besides those of times, such as -99999: read as if the cell
    were empty."""
    extractors: tuple[Extractor, ...] = ()
    """What computed the features, where that is known; a model then reads only what the same ones computed."""

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
    def pools_equal_times(self) -> tuple[bool, ...]:
        """By column, whether rows with equal times become one by ``resample``: where corpus.yaml gives it."""
        return tuple(f.resample is not None for f in self.features for _ in expand(f.name))

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The columns whose classes have names, with these names in the order of codes."""
        return {name: f.labels for f in self.features if f.labels is not None for name in expand(f.name)}

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
        number = sum(map(expanded, (feature.name for feature in self.features)))
        if number > MOST_COLUMNS:
            raise ValueError(f"a modality may have at most {MOST_COLUMNS:,} columns; these are {number:,}")
        seen: set[str] = set()
        for column in self.columns:
            if column in seen:
                raise ValueError(f"column '{column}' is named twice")
            if column == TIME or column in self.columns_of_time:
                raise ValueError(f"'{column}' cannot be a feature" + (": it holds times" if column != TIME else ""))
            seen.add(column)
        return self


class Targets(Clock):
    """What is predicted: K tracks × P parameters per step or per item; a clock for a table of its own."""

    from_: Name = Field(alias="from")
    """A modality's name (tasks forecast, reconstruct) or that of a table of its own (task label)."""
    scope: Literal["step", "item"] = "step"
    """One target per step, or one per item (task label only)."""
    tracks: Annotated[int, Field(ge=1, le=MOST_TRACKS)] = 1
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
        if self.tracks * self.outputs > MOST_OUTPUTS:
            raise ValueError(
                f"a model may put out at most {MOST_OUTPUTS:,} numbers a step; {self.tracks:,} tracks of "
                f"{self.outputs:,} are {self.tracks * self.outputs:,}"
            )
        names = [p.name for p in self.parameters]
        binary = [p.name for p in self.parameters if p.kind == "binary"]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"parameter '{name}' is declared twice")
        for p in self.parameters:
            if p.when is not None and p.when not in binary:
                raise ValueError(
                    f"parameter '{p.name}': when '{p.when}' is not a binary parameter. " + nearest(p.when, binary)
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
    reference: Name | None = None
    """The modality whose times are the grid; None: a regular grid over the span of the targets, where they are a table
    of their own with times, else over all that any stream covers."""
    modalities: dict[Name, Modality] = Field(min_length=1)
    """Streams by name, in the order in which they are shown."""
    targets: Targets
    """What is predicted."""

    @property
    def targets_are_features(self) -> bool:
        """Whether the targets are columns of a modality (forecast, reconstruct) and no table of their own."""
        return self.targets.from_ in self.modalities

    def target_columns(self) -> tuple[tuple[str, ...], ...]:
        """Column names of the targets, K tuples of P names.

        Columns of a modality are numbered by track, ``0_x``; where there is one track and they are not, they are ``x``.
        """
        t = self.targets
        if self.targets_are_features:
            numbered = tuple(tuple(f"{k}_{p.name}" for p in t.parameters) for k in range(t.tracks))
            plain = tuple(p.name for p in t.parameters)
            have = set(self.modalities[t.from_].columns)
            # A single track needs no number.
            return (
                (plain,) if t.tracks == 1 and have.issuperset(plain) and not have.issuperset(numbered[0]) else numbered
            )
        if t.tracks == 1:
            return (tuple(p.name for p in t.parameters),)
        return tuple(tuple(f"{p.name}_{k}" for p in t.parameters) for k in range(t.tracks))

    def chosen(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """The modalities that a model reads, in the schema's order whatever the order of ``names``; None: all.

        Raises:
            ConfigError: a name that the corpus does not have, with the nearest one that it has.
        """
        wanted = None if names is None else tuple(map(nfc, names))
        for name in wanted or ():
            if name not in self.modalities:
                raise ConfigError(
                    f"modality '{name}' is not in corpus '{self.name}'",
                    where="model.modalities",
                    next_step=nearest(name, list(self.modalities)),
                )
        return tuple(name for name in self.modalities if wanted is None or name in wanted)

    @model_validator(mode="after")
    def _references(self) -> CorpusSchema:
        names = list(self.modalities)
        if self.reference is not None and self.reference not in names:
            raise ValueError(f"reference '{self.reference}' is not a modality. " + nearest(self.reference, names))
        if self.reference is not None and self.modalities[self.reference].intervals:
            raise ValueError(
                f"reference '{self.reference}' holds segments, and segments are not steps. Name a modality whose rows "
                "have one time each, or leave reference out"
            )
        if self.targets_are_features:
            self._check_shared_targets(self.modalities[self.targets.from_])
        else:
            self._check_own_targets()
        if self.step is None:
            for name, modality in self.modalities.items():
                _refuse_times(f"modality '{name}'", modality, "rows are steps (step: null)")
        for name in [*names, self.targets.from_]:
            if not names_a_folder(name):
                raise ValueError(
                    f"name '{name}' must hold only letters and digits of any script, '_', '-', '.' since it names a "
                    "folder, and start with a letter or digit"
                )
        return self

    def _check_shared_targets(self, modality: Modality) -> None:
        """Targets that are columns of a modality: what is read once is said once."""
        targets = self.targets
        if targets.scope == "item":
            raise ValueError("targets taken from a modality have scope step; scope item needs a table of its own")
        if targets.missing_values:
            raise ValueError(
                f"targets taken from modality '{targets.from_}' are read with its missing_values. "
                f"Write them in modalities.{targets.from_}"
            )
        for row in self.target_columns():
            for column, parameter in zip(row, targets.parameters, strict=True):
                if column not in modality.columns:
                    raise ValueError(
                        f"target column '{column}' is not a feature of modality '{targets.from_}'. "
                        + nearest(column, sorted(modality.columns))[:200]
                    )
                named = modality.labels.get(column)
                if named is not None and parameter.labels is not None and named != parameter.labels:
                    raise ValueError(
                        f"parameter '{parameter.name}' and feature '{column}' of modality '{targets.from_}' name their "
                        "classes differently. Write the labels of the feature for both"
                    )
        if targets.keys or any(p.resample for p in targets.parameters):
            listed = ", ".join(targets.keys) or "offset, rate"
            raise ValueError(
                f"targets are columns of modality '{targets.from_}', which is read once. "
                f"Write {listed} and resample in modalities.{targets.from_}"
            )

    def _check_own_targets(self) -> None:
        """Targets in a table of their own: times only where it has them."""
        if self.step is None:
            return _refuse_times("targets", self.targets, "rows are steps (step: null)")
        if self.targets.scope == "item":
            return _refuse_times("targets", self.targets, "a target of scope item has one row")
        for row in self.target_columns():
            for column in row:
                if column in self.targets.columns_of_time:
                    raise ValueError(f"column '{column}' of the targets holds times, and cannot be a parameter too")
        return None


def _refuse_times(name: str, clock: Clock, why: str) -> None:
    if clock.keys:
        raise ValueError(f"{name}: {why}, so there are no times: leave out {', '.join(clock.keys)}")
