"""``corpus.yaml`` as it is written: the names of its keys; a key that says nothing about a corpus is left out.

What is written here is read and checked by :class:`mmcore.schema.CorpusSchema`, which says what each key means.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class WrittenClock(TypedDict, total=False):
    """How the cells of a modality, or of targets, are read: their times, and the numbers that stand for no value."""

    time: str
    start: str
    end: str
    sampling_rate: float | str
    rate: float | str
    offset: float
    missing_values: list[float]


class WrittenFeature(TypedDict):
    """A column, or a range of columns."""

    name: str
    kind: NotRequired[str]
    labels: NotRequired[list[str]]
    unit: NotRequired[str]
    resample: NotRequired[str]


class WrittenExtractor(TypedDict):
    """What computed features."""

    name: str
    version: str
    package: NotRequired[str]
    weights: NotRequired[str]
    settings: NotRequired[str]


class WrittenModality(WrittenClock):
    """A stream of features over time."""

    storage: NotRequired[str]
    extractors: NotRequired[list[WrittenExtractor]]
    features: list[WrittenFeature]


class WrittenParameter(TypedDict):
    """A column that is predicted."""

    name: str
    kind: NotRequired[str]
    classes: NotRequired[int]
    labels: NotRequired[list[str]]
    component: str
    when: NotRequired[str]
    unit: NotRequired[str]
    resample: NotRequired[str]


_From = TypedDict("_From", {"from": str})


class WrittenTargets(_From, WrittenClock):
    """What is predicted."""

    scope: NotRequired[str]
    tracks: NotRequired[int]
    parameters: list[WrittenParameter]


class WrittenCorpus(TypedDict):
    """The whole file."""

    format: int
    name: str
    step: NotRequired[float | None]
    reference: NotRequired[str | None]
    modalities: dict[str, WrittenModality]
    targets: WrittenTargets
